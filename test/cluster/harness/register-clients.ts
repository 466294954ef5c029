/**
 * Clients of registers over HTTP that read, write and compare-and-set a few keys through random servers,
 * and record what they saw (verification 22.2 W1).
 *
 * Values are unique, so that a value tells which write it came from.
 */

import { Agent } from 'node:http'
import { type Rng, seededRng } from '../../../core/rng.ts'
import { pause } from './api-client.ts'
import type { HistoryRecorder } from './history.ts'
import {
  type Consistency,
  fairleadRegisters,
  type Known,
  type RegisterApi,
} from './register-api.ts'

const PAUSE_AFTER_ERROR_MS = 50

export interface ClientOptions {
  readonly urls: readonly string[]
  readonly clients: number
  readonly keys: number
  /** All clients together, at most so many requests a second. */
  readonly rate: number
  readonly seed: number
  readonly consistency: Consistency
  readonly api?: RegisterApi
  /** Of all requests; half of the rest are writes, the others compare and set. */
  readonly readShare?: number
}

export class RegisterClients {
  readonly #options: ClientOptions
  readonly #history: HistoryRecorder
  readonly #api: RegisterApi
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 })
  readonly #stopping = new AbortController()
  #running: Promise<unknown> = Promise.resolve()
  #counter = 0

  constructor(options: ClientOptions, history: HistoryRecorder) {
    this.#options = options
    this.#history = history
    this.#api = options.api ?? fairleadRegisters
  }

  start(): void {
    const { clients, seed } = this.#options
    const each = Array.from({ length: clients }, (_, i) =>
      this.#client(seededRng(seed).fork(`client ${i}`)),
    )
    this.#running = Promise.all(each)
  }

  /** Resolves when no request is open any more. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running
    this.#agent.destroy()
  }

  /** Every key once through every server, by one process each. */
  async finalReads(): Promise<void> {
    const agent = new Agent({ keepAlive: true })
    for (const url of this.#options.urls) {
      for (let key = 0; key < this.#options.keys; key++) {
        await this.#read(url, `k${key}`, this.#history.newProcess(), agent)
      }
    }
    agent.destroy()
  }

  async #client(rng: Rng): Promise<void> {
    const { urls, keys, clients, rate, readShare = 0.5 } = this.#options
    const known = new Map<string, Known>()
    let process = this.#history.newProcess()
    while (!this.#stopping.signal.aborted) {
      const url = rng.pick(urls) as string
      const key = `k${rng.range(0, keys)}`
      const act = rng.float()
      let isKnown: boolean
      if (act < readShare) {
        const read = await this.#read(url, key, process, this.#agent)
        if (read !== undefined) known.set(key, read)
        isKnown = read !== undefined
      } else {
        const last = known.get(key)
        isKnown =
          act < (1 + readShare) / 2 || last === undefined
            ? await this.#write(url, key, process)
            : await this.#cas(url, key, last, process)
      }
      // A client whose request is lost may still be at work: a new process goes on in its place.
      if (!isKnown) process = this.#history.newProcess()
      await pause(isKnown ? (2 * rng.float() * 1_000 * clients) / rate : PAUSE_AFTER_ERROR_MS)
    }
  }

  async #read(url: string, key: string, process: string, agent: Agent): Promise<Known | undefined> {
    const op = { process, f: 'read', key } as const
    this.#history.add({ ...op, type: 'invoke', value: null })
    const found = await this.#api.read(agent, url, key, this.#options.consistency)
    const type = found === undefined ? 'fail' : 'ok'
    this.#history.add({ ...op, type, value: found?.value ?? null })
    return found
  }

  async #write(url: string, key: string, process: string): Promise<boolean> {
    const value = `v${++this.#counter}`
    const op = { process, f: 'write', key, value } as const
    this.#history.add({ ...op, type: 'invoke' })
    const type = await this.#api.write(this.#agent, url, key, value)
    this.#history.add({ ...op, type })
    return type !== 'info'
  }

  async #cas(url: string, key: string, last: Known, process: string): Promise<boolean> {
    const wanted = `v${++this.#counter}`
    const op = { process, f: 'cas', key, value: [last.value, wanted] } as const
    this.#history.add({ ...op, type: 'invoke' })
    const { outcome: type, isDone } = await this.#api.cas(this.#agent, url, key, last, wanted)
    // A comparison that was false is an answer, not a failure: it says what the value was not.
    this.#history.add({ ...op, type, ...(type === 'ok' ? { value: isDone } : {}) })
    return type !== 'info'
  }
}
