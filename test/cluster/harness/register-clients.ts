/**
 * Clients of the KV store over HTTP that read, write and compare-and-set a few keys through random servers,
 * and record what they saw (verification 22.2 W1).
 *
 * Values are unique, so that a value tells which write it came from. What an answer means is the table of
 * verification 15.1: an error that says that nothing was proposed is a failure, everything else that is no
 * answer is unknown.
 */

import { Agent, request } from 'node:http'
import { type Rng, seededRng } from '../../../core/rng.ts'
import type { HistoryRecorder } from './history.ts'

const REQUEST_TIMEOUT_MS = 10_000
const PAUSE_AFTER_ERROR_MS = 50

export interface ClientOptions {
  readonly urls: readonly string[]
  readonly clients: number
  readonly keys: number
  /** All clients together, at most so many requests a second. */
  readonly rate: number
  readonly seed: number
  readonly consistency: 'default' | 'consistent'
}

type Answer =
  | {
      readonly kind: 'answered'
      readonly status: number
      readonly body: string
      readonly code: string
    }
  /** No byte of the request was written. */
  | { readonly kind: 'refused' }
  | { readonly kind: 'lost' }

interface Known {
  readonly value: string | null
  /** X-Consul-Index is of the key's last change; cas asks for its ModifyIndex. */
  readonly modifyIndex: number
}

/** Codes that say that the write was certainly not proposed. */
const NOT_PROPOSED: ReadonlySet<string> = new Set([
  'NO_LEADER',
  'BUSY',
  'SHUTTING_DOWN',
  'RATE_LIMITED',
  'NO_SERVERS',
])

export class RegisterClients {
  readonly #options: ClientOptions
  readonly #history: HistoryRecorder
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 })
  readonly #stopping = new AbortController()
  #running: Promise<unknown> = Promise.resolve()
  #counter = 0

  constructor(options: ClientOptions, history: HistoryRecorder) {
    this.#options = options
    this.#history = history
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
    const { urls, keys, clients, rate } = this.#options
    const known = new Map<string, Known>()
    let process = this.#history.newProcess()
    while (!this.#stopping.signal.aborted) {
      const url = rng.pick(urls) as string
      const key = `k${rng.range(0, keys)}`
      const act = rng.float()
      let isKnown: boolean
      if (act < 0.5) {
        const read = await this.#read(url, key, process, this.#agent)
        if (read !== undefined) known.set(key, read)
        isKnown = read !== undefined
      } else {
        const last = known.get(key)
        isKnown =
          act < 0.75 || last === undefined
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
    const mode = this.#options.consistency === 'consistent' ? '?consistent' : ''
    this.#history.add({ ...op, type: 'invoke', value: null })
    const answer = await ask(agent, 'GET', `${url}/v1/kv/${key}${mode}`)
    if (answer.kind === 'answered' && answer.status === 404) {
      this.#history.add({ ...op, type: 'ok', value: null })
      return { value: null, modifyIndex: 0 }
    }
    if (answer.kind !== 'answered' || answer.status !== 200) {
      // A read changes nothing: that it failed is certain.
      this.#history.add({ ...op, type: 'fail', value: null })
      return undefined
    }
    const [entry] = JSON.parse(answer.body) as [{ Value: string; ModifyIndex: number }]
    const value = Buffer.from(entry.Value, 'base64').toString()
    this.#history.add({ ...op, type: 'ok', value })
    return { value, modifyIndex: entry.ModifyIndex }
  }

  async #write(url: string, key: string, process: string): Promise<boolean> {
    const value = `v${++this.#counter}`
    const op = { process, f: 'write', key, value } as const
    this.#history.add({ ...op, type: 'invoke' })
    const answer = await ask(this.#agent, 'PUT', `${url}/v1/kv/${key}`, value)
    const type = outcomeOf(answer)
    this.#history.add({ ...op, type })
    return type !== 'info'
  }

  async #cas(url: string, key: string, last: Known, process: string): Promise<boolean> {
    const wanted = `v${++this.#counter}`
    const op = { process, f: 'cas', key, value: [last.value, wanted] } as const
    this.#history.add({ ...op, type: 'invoke' })
    const path = `${url}/v1/kv/${key}?cas=${last.modifyIndex}`
    const answer = await ask(this.#agent, 'PUT', path, wanted)
    const type = outcomeOf(answer)
    // A comparison that was false is an answer, not a failure: it says what the value was not.
    const isDone = answer.kind === 'answered' && answer.body.trim() === 'true'
    this.#history.add({ ...op, type, ...(type === 'ok' ? { value: isDone } : {}) })
    return type !== 'info'
  }
}

function outcomeOf(answer: Answer): 'ok' | 'fail' | 'info' {
  switch (answer.kind) {
    case 'refused':
      return 'fail'
    case 'lost':
      return 'info'
    case 'answered':
      if (answer.status === 200) return 'ok'
      if (answer.status < 500 || NOT_PROPOSED.has(answer.code)) return 'fail'
      return 'info'
  }
}

function ask(agent: Agent, method: 'GET' | 'PUT', url: string, body?: string): Promise<Answer> {
  return new Promise((resolve) => {
    let isConnected = false
    const sent = request(url, { agent, method, timeout: REQUEST_TIMEOUT_MS }, (response) => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.on('error', () => resolve({ kind: 'lost' }))
      response.on('end', () =>
        resolve({
          kind: 'answered',
          status: response.statusCode ?? 0,
          body: Buffer.concat(parts).toString(),
          code: String(response.headers['x-fairlead-error'] ?? ''),
        }),
      )
    })
    sent.on('socket', (socket) => {
      if (socket.connecting) socket.once('connect', () => (isConnected = true))
      else isConnected = true
    })
    sent.on('timeout', () => sent.destroy(new Error('no answer in time')))
    sent.on('error', () => resolve({ kind: isConnected ? 'lost' : 'refused' }))
    sent.end(body)
  })
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
