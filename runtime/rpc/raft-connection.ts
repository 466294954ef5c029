/**
 * The way to one peer on one lane: a connection that is there, or is being made again and again.
 *
 * Guarantees: what was sent before a loss is not sent again; a loss is told once, and so is every refusal.
 * The wait between attempts doubles from BACKOFF_FIRST_MS to BACKOFF_MAX_MS, jittered down to its half, and
 * starts anew once a connection has lasted as long as the longest wait, so that a peer that refuses us is not asked
 * in a loop. After `close` no timer, socket or callback of this runs.
 */

import { type FairleadError, toFairleadError } from '../../core/errors.ts'
import type { RaftMessage } from '../../core/raft/messages.ts'
import type { Rng } from '../../core/rng.ts'
import type { ClusterName } from '../../core/rpc/peer-calls.ts'
import type { Clock } from '../../core/time.ts'
import type { DialTls } from '../tls/rpc-tls.ts'
import type { ByteStream } from './byte-stream.ts'
import { FrameQueue, type QueueBounds } from './frame-queue.ts'
import { type DialledStream, dialRaft, type RaftLane } from './raft-service.ts'

const BACKOFF_FIRST_MS = 10
export const BACKOFF_MAX_MS = 1_000

export interface RaftConnectionOptions {
  readonly address: string
  readonly lane: RaftLane
  readonly bounds: QueueBounds
}

export interface RaftConnectionDeps {
  readonly clock: Clock
  readonly rng: Rng
  readonly cluster: () => ClusterName | null
  readonly tls?: DialTls | undefined
  /** Replies come back on the same stream. */
  readonly onBytes: (bytes: Buffer, stream: ByteStream) => void
  readonly onOpen: () => void
  /** A connection that was there is no more; null when the peer ended it in good order. */
  readonly onLost: (error: FairleadError | null) => void
  /** An attempt failed. */
  readonly onFailed: (error: FairleadError) => void
}

export class RaftConnection {
  readonly #options: RaftConnectionOptions
  readonly #deps: RaftConnectionDeps
  readonly #queue: FrameQueue
  readonly #closing = new AbortController()
  readonly #ended: Promise<void>

  constructor(options: RaftConnectionOptions, deps: RaftConnectionDeps) {
    this.#options = options
    this.#deps = deps
    this.#queue = new FrameQueue(options.bounds, deps.cluster)
    this.#ended = this.#run()
  }

  get isOpen(): boolean {
    return this.#queue.hasStream
  }

  get dropped(): number {
    return this.#queue.dropped
  }

  send(message: RaftMessage): void {
    this.#queue.push(message)
  }

  /** Resolves when nothing of it is left. Idempotent. */
  close(): Promise<void> {
    this.#closing.abort()
    return this.#ended
  }

  async #run(): Promise<void> {
    const { clock, rng, onFailed } = this.#deps
    const { signal } = this.#closing
    let failures = 0
    while (!signal.aborted) {
      const lastedMs = await this.#connect().catch((thrown: unknown) => {
        if (!signal.aborted) onFailed(toFairleadError(thrown))
        return 0
      })
      if (signal.aborted) return
      failures = lastedMs > BACKOFF_MAX_MS ? 0 : failures + 1
      const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(failures, 10))
      await clock.sleep(ceiling * (0.5 + rng.float() / 2), signal).catch(() => {})
    }
  }

  /** One connection from its beginning to its end. @returns how long it was there */
  async #connect(): Promise<number> {
    const { address, lane } = this.#options
    const { clock, tls, onOpen, onLost } = this.#deps
    const { signal } = this.#closing
    const dialled = await dialRaft(address, lane, { clock, signal, tls: tls?.() })
    const openedAt = clock.now()
    try {
      const ended = this.#untilEnd(dialled)
      this.#queue.use(dialled.stream)
      onOpen()
      const error = await ended
      if (!signal.aborted) onLost(error)
      return clock.now() - openedAt
    } finally {
      this.#queue.use(null)
      dialled.close()
    }
  }

  #untilEnd({ stream }: DialledStream): Promise<FairleadError | null> {
    const { signal } = this.#closing
    return new Promise((resolve) => {
      const cut = (): void => {
        stream.end()
        resolve(null)
      }
      signal.addEventListener('abort', cut, { once: true })
      stream.onBytes((bytes) => {
        if (!signal.aborted) this.#deps.onBytes(bytes, stream)
      })
      stream.onEnd((error) => {
        signal.removeEventListener('abort', cut)
        resolve(error)
      })
    })
  }
}
