/**
 * One writer of one key, and watchers that pass on the last index they saw, from server to server: stale ones
 * and default ones (verification 16.5, 16.7).
 *
 * Checked: the key never goes back for a watcher, unless a stale server waited to the end and its index says
 * that it lags; one index means one value, whoever reads it; an answer that
 * lacks an acknowledged write admits to be that old by X-Consul-LastContact; after healing every watcher hears
 * of the last write without asking anew for longer than one wait.
 */

import assert from 'node:assert/strict'
import type { Rng } from '../../../core/rng.ts'
import { eventually } from '../../e2e/harness/program.ts'
import { outcomeOf, pause } from './api-client.ts'
import { ClientPool } from './client-pool.ts'
import type { Workload, WorkloadConditions } from './workload.ts'

const WATCHERS_PER_MODE = 2
const WAIT_MS = 2_000
const WRITE_PAUSE_MS = 100
const RETRY_PAUSE_MS = 100
/** Between a word of the leader and its arrival, and a word of ours: two loaded processors. */
const CONTACT_SLACK_MS = 2_000
/**
 * Words of the leader and its entries travel by connections of their own: where packets are lost, TCP may send an
 * entry four times, over three seconds, while heartbeats arrive.
 */
const RESENDING_MAX_MS = 3_000
const WAKE_UP_MAX_MS = 10_000
const PATH = '/v1/kv/watched'

interface Acknowledged {
  readonly index: number
  readonly at: number
}

export class WatchWorkload implements Workload {
  readonly name = 'watchers'
  readonly #clients: ClientPool
  readonly #contactSlackMs: number
  readonly #values = new Map<number, string>()
  readonly #wrong: string[] = []
  readonly #seen: number[] = []
  readonly #acknowledged: Acknowledged[] = []
  #isWriting = true
  #answers = 0
  #lagging = 0
  #writer: Promise<void> = Promise.resolve()

  constructor(urls: readonly string[], rng: Rng, { losesPackets }: WorkloadConditions) {
    this.#clients = new ClientPool(urls, rng)
    this.#contactSlackMs = CONTACT_SLACK_MS + (losesPackets ? RESENDING_MAX_MS : 0)
  }

  start(): void {
    this.#writer = this.#write()
    const modes = ['stale&', ''].flatMap((mode) => Array(WATCHERS_PER_MODE).fill(mode) as string[])
    this.#clients.start(modes.length, (watcher) => this.#watch(watcher, modes[watcher] as string))
  }

  async stop(): Promise<void> {
    this.#isWriting = false
    await this.#writer
    try {
      const last = await eventually('a last write', async () => {
        const server = this.#clients.urls[0] as string
        const answer = await this.#clients.ask('PUT', PATH, { server, body: 'last' })
        return outcomeOf(answer) === 'ok' ? await this.#indexAt(server) : undefined
      })
      await eventually(
        'every watcher has heard of the last write',
        () => this.#seen.every((index) => index >= last),
        WAKE_UP_MAX_MS,
      )
    } finally {
      await this.#clients.stop()
      this.#clients.close()
    }
  }

  verdict(): Promise<string> {
    assert.deepEqual(this.#wrong, [])
    assert.ok(this.#answers > 0, 'no watcher had an answer')
    return Promise.resolve(
      `${this.#answers} answers to ${this.#seen.length} watchers, ${this.#acknowledged.length} writes, never back; ${this.#lagging} answers after a whole wait from servers that lagged and said so`,
    )
  }

  async #indexAt(server: string): Promise<number | undefined> {
    const answer = await this.#clients.ask('GET', `${PATH}?consistent`, { server })
    if (answer.kind !== 'answered' || answer.status !== 200) return undefined
    return (JSON.parse(answer.body) as [{ ModifyIndex: number }])[0].ModifyIndex
  }

  async #write(): Promise<void> {
    for (let n = 0; this.#isWriting; n++) {
      const server = this.#clients.server()
      const answer = await this.#clients.ask('PUT', PATH, { server, body: `w${n}` })
      if (outcomeOf(answer) === 'ok') {
        const at = performance.now()
        // What is read after the acknowledgement is at least as new; nobody else writes the key.
        const index = await this.#indexAt(server)
        if (index !== undefined) this.#acknowledged.push({ index, at })
      }
      await pause(WRITE_PAUSE_MS)
    }
  }

  async #watch(watcher: number, mode: string): Promise<void> {
    let index = 0
    this.#seen[watcher] = 0
    while (!this.#clients.isStopped) {
      const server = this.#clients.server()
      const asked = performance.now()
      const path = `${PATH}?${mode}index=${index}&wait=${WAIT_MS}ms`
      const answer = await this.#clients.ask('GET', path, { server })
      if (answer.kind !== 'answered' || answer.status !== 200) {
        await pause(RETRY_PAUSE_MS)
        continue
      }
      this.#answers++
      const [entry] = JSON.parse(answer.body) as [{ Value: string; ModifyIndex: number }]
      const seen = this.#seen[watcher] as number
      const where = `watcher ${watcher} (${mode || 'default'}) at ${server}`
      const reported = Number(answer.headers['x-consul-index'])
      if (entry.ModifyIndex < seen) {
        // A server that lags waits for the index; only when the wait is over it answers with what it has, and
        // its own index says so.
        const isAdmitted = mode !== '' && reported < index && performance.now() - asked >= WAIT_MS
        if (isAdmitted) this.#lagging++
        else this.#wrong.push(`${where}: ${entry.ModifyIndex} after ${seen}, ${index} was given`)
      }
      const known = this.#values.get(entry.ModifyIndex)
      if (known !== undefined && known !== entry.Value) {
        this.#wrong.push(`${where}: two values at index ${entry.ModifyIndex}`)
      }
      this.#values.set(entry.ModifyIndex, entry.Value)
      if (mode !== '') {
        this.#checkContact(
          where,
          entry.ModifyIndex,
          asked,
          Number(answer.headers['x-consul-lastcontact']),
        )
      }
      this.#seen[watcher] = Math.max(seen, entry.ModifyIndex)
      index = Math.max(index, reported)
    }
  }

  #checkContact(where: string, index: number, asked: number, lastContact: number): void {
    const missing = this.#acknowledged.find((write) => write.index > index)
    if (missing === undefined) return
    const staleness = asked - missing.at
    if (staleness > lastContact + this.#contactSlackMs) {
      const said = `admitted ${lastContact} ms`
      this.#wrong.push(`${where}: lacked a write ${Math.round(staleness)} ms old and ${said}`)
    }
  }
}
