/**
 * What happens on the hosts of a fleet all the time: services are registered, their health flips, they go.
 *
 * One client for each agent, on its host as it were: the next change begins when the last was answered, so that what was
 * acknowledged is known exactly. A change whose connection broke has an unknown outcome until the next on the same service.
 * Guarantees: after `stop`, or disposal, which waits for no answer, no request is open. An agent that refuses a change is an error of the run.
 */

import { once } from 'node:events'
import { Agent, request } from 'node:http'
import type { Rng } from '../../../core/rng.ts'
import type { CheckStatus, Expectation, Expected } from '../../history/fleet-agreement.ts'
import { pause } from './api-client.ts'
import type { HostProcess } from './host-process.ts'

export const SERVICES = ['web', 'api', 'db', 'queue'] as const
/** Instances that one host may run of each. */
const INSTANCES = 2
const BETWEEN_MS = 300
const STATUSES: Readonly<Record<CheckStatus, string>> = {
  passing: 'pass',
  warning: 'warn',
  critical: 'fail',
}

interface Slot {
  readonly id: string
  readonly service: string
  state: Expectation
}

export class FleetWorkload implements AsyncDisposable {
  readonly #hosts: readonly HostClient[]
  #isPaused = true
  #running: Promise<unknown> = Promise.resolve()

  constructor(agents: readonly HostProcess[], rng: Rng) {
    this.#hosts = agents.map((agent) => new HostClient(agent, rng.fork(agent.host.name)))
  }

  /** Changes that were acknowledged, and such whose outcome is unknown. */
  get counts(): { readonly done: number; readonly unknown: number } {
    const sum = (of: (host: HostClient) => number): number =>
      this.#hosts.reduce((total, host) => total + of(host), 0)
    return { done: sum((host) => host.done), unknown: sum((host) => host.unknown) }
  }

  acknowledged(agent: HostProcess): ReadonlyMap<string, Expectation> {
    return this.#hosts.find((host) => host.agent === agent)?.acknowledged ?? new Map()
  }

  start(): void {
    this.#isPaused = false
    this.#running = Promise.all(this.#hosts.map((host) => this.#work(host)))
    // Whoever stops it hears of it.
    this.#running.catch(() => {})
  }

  /** @throws what an agent refused */
  async stop(): Promise<void> {
    this.#isPaused = true
    await this.#running
  }

  /** Of a run that failed, in which an agent may stand still: whoever waits is sent away. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isPaused = true
    for (const host of this.#hosts) host.close()
    await Promise.allSettled([this.#running])
  }

  async #work(host: HostClient): Promise<void> {
    while (!this.#isPaused) {
      await host.change()
      await pause(BETWEEN_MS)
    }
  }
}

class HostClient {
  readonly agent: HostProcess
  readonly #rng: Rng
  readonly #connections = new Agent({ keepAlive: true, maxSockets: 1 })
  readonly #slots: readonly Slot[]
  done = 0
  unknown = 0

  constructor(agent: HostProcess, rng: Rng) {
    this.agent = agent
    this.#rng = rng
    this.#slots = SERVICES.flatMap((service) =>
      Array.from({ length: INSTANCES }, (_, i): Slot => {
        return { id: `${service}-${i + 1}`, service, state: 'absent' }
      }),
    )
  }

  get acknowledged(): ReadonlyMap<string, Expectation> {
    return new Map(this.#slots.map(({ id, state }) => [id, state]))
  }

  close(): void {
    this.#connections.destroy()
  }

  async change(): Promise<void> {
    const slot = this.#rng.pick(this.#slots)
    if (slot === undefined) return
    const { state } = slot
    if (state === 'absent' || state === 'unknown') return await this.#register(slot)
    const dice = this.#rng.float()
    if (dice < 0.15) return await this.#deregister(slot)
    if (dice < 0.3) return await this.#register(slot)
    await this.#flip(slot, state)
  }

  async #register(slot: Slot): Promise<void> {
    const { id, service } = slot
    const port = this.#rng.range(1024, 65_536)
    const tags = this.#rng.pick([[], ['blue'], ['blue', 'canary']]) ?? []
    const check = { CheckID: `check-${id}`, TTL: '1h' }
    const body = { ID: id, Name: service, Port: port, Tags: tags, Check: check }
    if ((await this.#put(slot, '/v1/agent/service/register', body)) === 'unknown') return
    // A check begins critical; what was reported before a registration is what counts only until the next report.
    slot.state = 'unknown'
    await this.#flip(slot, { id, service, port, tags, status: 'passing' })
  }

  async #flip(slot: Slot, entry: Expected): Promise<void> {
    const status = this.#rng.pick(['passing', 'passing', 'warning', 'critical'] as const)
    if (status === undefined) return
    const answer = await this.#put(slot, `/v1/agent/check/${STATUSES[status]}/check-${slot.id}`)
    if (answer === 'done') slot.state = { ...entry, status }
  }

  async #deregister(slot: Slot): Promise<void> {
    const answer = await this.#put(slot, `/v1/agent/service/deregister/${slot.id}`)
    if (answer === 'done') slot.state = 'absent'
  }

  async #put(slot: Slot, path: string, body?: unknown): Promise<'done' | 'unknown'> {
    const text = body === undefined ? '' : JSON.stringify(body)
    const answer = await this.#exchange(path, text)
    if (answer === undefined) {
      slot.state = 'unknown'
      this.unknown++
      return 'unknown'
    }
    if (answer.status !== 200) {
      throw new Error(`${this.agent.host.name} refused ${path}: ${answer.status} ${answer.body}`)
    }
    this.done++
    return 'done'
  }

  /** Waits as long as the agent lives: what was given up might be done later. @returns undefined when it died */
  async #exchange(
    path: string,
    body: string,
  ): Promise<{ readonly status: number; readonly body: string } | undefined> {
    const sent = request(`${this.agent.url}${path}`, { agent: this.#connections, method: 'PUT' })
    sent.end(body)
    try {
      const [response] = await once(sent, 'response')
      const parts: Buffer[] = []
      for await (const part of response) parts.push(part)
      return { status: response.statusCode, body: Buffer.concat(parts).toString() }
    } catch {
      return undefined // it was killed, or is not up yet
    }
  }
}
