/**
 * Sends spans to a collector over HTTP, in batches: OTLP or Zipkin v2, both as JSON (mesh.md 11.7).
 *
 * Never holds up a request: spans wait in a queue of QUEUE_MAX, and those that find it full, or whose batch the
 * collector does not take, are dropped and counted. A batch leaves when it is full or BATCH_MS after its first span;
 * one at a time. Sent again only on 429, 502, 503 and 504 and where no connection came about, ATTEMPTS_MAX times.
 * `node:http` is loaded with the first exporter: a proxy without holds 10 MB less.
 */

import type { Agent } from 'node:http'
import type { Logger } from '../../core/log.ts'
import type { SpanDestination } from '../../core/mesh/proxy-snapshot.ts'
import { type Clock, instant, type Timer } from '../../core/time.ts'
import { otlpJson } from '../../core/tracing/otlp-json.ts'
import type { Span } from '../../core/tracing/span.ts'
import { zipkinJson } from '../../core/tracing/zipkin-json.ts'

const QUEUE_MAX = 4096
const BATCH_MAX = 512
const BATCH_MS = 1000
const REQUEST_MS = 10_000
const ATTEMPTS_MAX = 4
const RETRY_MS = 500
const RETRY_AFTER_MAX_MS = 30_000
const AGAIN: ReadonlySet<number> = new Set([429, 502, 503, 504])

interface Outcome {
  readonly isTaken: boolean
  /** ms to wait before the batch is sent again; undefined: it would be of no use. */
  readonly retryInMs: number | undefined
  readonly reason: string
}

export class SpanExporter {
  readonly destination: SpanDestination
  dropped = 0
  readonly #clock: Clock
  readonly #log: Logger
  readonly #version: string
  readonly #http = process.getBuiltinModule('node:http')
  readonly #agent: Agent = new this.#http.Agent({ keepAlive: true, maxSockets: 1 })
  #queue: Span[] = []
  #timer: Timer | undefined
  #isSending = false
  #isClosed = false
  #hasComplained = false

  constructor(
    destination: SpanDestination,
    deps: { readonly clock: Clock; readonly log: Logger; readonly version: string },
  ) {
    this.destination = destination
    this.#clock = deps.clock
    this.#log = deps.log
    this.#version = deps.version
  }

  add(span: Span): void {
    if (this.#isClosed || this.#queue.length >= QUEUE_MAX) {
      this.dropped++
      return
    }
    this.#queue.push(span)
    if (this.#isSending) return
    if (this.#queue.length >= BATCH_MAX) this.#start()
    else this.#timer ??= this.#clock.timer(this.#after(BATCH_MS), () => this.#start())
  }

  /** What waits is sent once; nothing more is taken. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#timer?.cancel()
    if (this.#isSending) return
    if (this.#queue.length === 0) this.#agent.destroy()
    else this.#start()
  }

  #start(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.#isSending) return
    this.#isSending = true
    void this.#sendAll()
  }

  async #sendAll(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#queue.slice(0, BATCH_MAX)
      this.#queue = this.#queue.slice(BATCH_MAX)
      await this.#deliver(batch)
      // The rest is gathered like the first.
      if (this.#queue.length < BATCH_MAX && !this.#isClosed) break
    }
    this.#isSending = false
    if (this.#isClosed) this.#agent.destroy()
    else if (this.#queue.length > 0) {
      this.#timer ??= this.#clock.timer(this.#after(BATCH_MS), () => this.#start())
    }
  }

  async #deliver(batch: readonly Span[]): Promise<void> {
    const { kind } = this.destination
    const body = kind === 'otlp' ? otlpJson(batch, this.#version) : zipkinJson(batch)
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#post(body)
      if (outcome.isTaken) {
        this.#hasComplained = false
        return
      }
      if (outcome.retryInMs === undefined || attempt >= ATTEMPTS_MAX || this.#isClosed) {
        this.dropped += batch.length
        this.#complain(outcome.reason)
        return
      }
      await this.#clock.sleep(Math.max(outcome.retryInMs, RETRY_MS * 2 ** (attempt - 1)))
    }
  }

  async #post(body: string): Promise<Outcome> {
    return await new Promise<Outcome>((resolve) => {
      const failed = (err: Error): void =>
        resolve({ isTaken: false, retryInMs: 0, reason: err.message })
      const outgoing = this.#http.request(
        this.destination.url,
        {
          method: 'POST',
          agent: this.#agent,
          timeout: REQUEST_MS,
          headers: {
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(body),
          },
        },
        (response) => {
          response.resume()
          response.on('error', failed)
          const status = response.statusCode ?? 0
          response.on('end', () => resolve(outcomeOf(status, response.headers['retry-after'])))
        },
      )
      outgoing.on('timeout', () =>
        outgoing.destroy(new Error('the collector did not answer in time')),
      )
      outgoing.on('error', failed)
      outgoing.end(body)
    })
  }

  /** Once for each time that it begins to fail. */
  #complain(reason: string): void {
    if (this.#hasComplained) return
    this.#hasComplained = true
    this.#log.warn('spans could not be delivered', { collector: this.destination.url, reason })
  }

  #after(ms: number): ReturnType<typeof instant> {
    return instant(this.#clock.now() + ms)
  }
}

function outcomeOf(status: number, retryAfter: string | undefined): Outcome {
  const isTaken = status >= 200 && status < 300
  const seconds = Number(retryAfter ?? 0)
  const waitMs = Number.isFinite(seconds) ? Math.min(seconds * 1000, RETRY_AFTER_MAX_MS) : 0
  return {
    isTaken,
    retryInMs: AGAIN.has(status) ? waitMs : undefined,
    reason: `the collector answered ${status}`,
  }
}
