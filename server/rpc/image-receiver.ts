/**
 * Receives images of the state: the other end of image-sender.ts.
 *
 * Guarantees: only what Raft wants is written, in order and without a gap, and every chunk is proven before
 * it is written; a stream that breaks or stalls leaves the sink abandoned (its bytes are kept for the next
 * attempt), never half finished. One image at a time: a new offer ends the attempt before it, which is
 * dead or of a former leader. Bound: IDLE_MS between chunks.
 */

import { FairleadError, toFairleadError } from '../../core/errors.ts'
import type { Clock } from '../../core/time.ts'
import type { ByteStream } from '../../runtime/rpc/byte-stream.ts'
import {
  decodeImageUp,
  encodeImageDown,
  type ImageOffer,
  type ImageUp,
} from '../../runtime/rpc/image-codec.ts'
import { MessageStream } from '../../runtime/rpc/message-stream.ts'
import type { SnapshotReceiver, SnapshotSink } from '../raft/transport.ts'

const IDLE_MS = 60_000

export interface ImageReceiverDeps {
  readonly clock: Clock
  readonly receiver: () => SnapshotReceiver | null
  /** @throws FairleadError when the offer comes from a foreign cluster or is for another server */
  readonly check: (offer: ImageOffer) => void
  readonly onFailed: (error: FairleadError) => void
}

interface Attempt {
  readonly cut: AbortController
  readonly ended: Promise<void>
}

export class ImageReceiver {
  readonly #deps: ImageReceiverDeps
  readonly #attempts = new Set<Attempt>()
  #writing: Attempt | null = null
  #isClosed = false

  constructor(deps: ImageReceiverDeps) {
    this.#deps = deps
  }

  accept(stream: ByteStream): void {
    if (this.#isClosed) {
      stream.end(SHUTTING_DOWN)
      return
    }
    const cut = new AbortController()
    const attempt: Attempt = { cut, ended: this.#serve(stream, () => attempt, cut.signal) }
    this.#attempts.add(attempt)
    void attempt.ended.then(() => this.#attempts.delete(attempt))
  }

  /** Breaks off what runs and resolves when it is abandoned. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const { cut } of this.#attempts) cut.abort(SHUTTING_DOWN)
    await Promise.all([...this.#attempts].map(({ ended }) => ended))
  }

  /** Never rejects. */
  async #serve(stream: ByteStream, self: () => Attempt, signal: AbortSignal): Promise<void> {
    const dialogue = new MessageStream(stream, decodeImageUp, this.#deps.clock)
    try {
      const first = await dialogue.next({ timeoutMs: IDLE_MS, signal })
      if (first?.kind !== 'offer') throw outOfTurn()
      this.#deps.check(first)
      await this.#takeTurn(self())
      signal.throwIfAborted()
      await this.#receive(first, dialogue, signal)
      stream.end()
    } catch (thrown) {
      const error = toFairleadError(thrown)
      stream.end(error)
      this.#deps.onFailed(error)
    } finally {
      if (this.#writing === self()) this.#writing = null
    }
  }

  async #takeTurn(attempt: Attempt): Promise<void> {
    while (this.#writing !== null) {
      const former = this.#writing
      former.cut.abort(new FairleadError('BUSY', 'Another image was offered'))
      await former.ended
    }
    this.#writing = attempt
  }

  async #receive(
    offer: ImageOffer,
    dialogue: MessageStream<ImageUp>,
    signal: AbortSignal,
  ): Promise<void> {
    const { message, sizeBytes, digest } = offer
    const wait = { timeoutMs: IDLE_MS, signal }
    const sink = await this.#deps.receiver()?.offered(message, { sizeBytes, digest })
    if (sink === undefined || sink === null) {
      await dialogue.write(encodeImageDown({ kind: 'decline' }), wait)
      return
    }
    try {
      signal.throwIfAborted()
      await dialogue.write(encodeImageDown({ kind: 'accept', resumeFrom: sink.resumeFrom }), wait)
      await this.#fill(sink, { sizeBytes, dialogue, signal })
    } catch (thrown) {
      await sink.abandon()
      throw thrown
    }
    await sink.finish()
    await dialogue.write(encodeImageDown({ kind: 'done' }), wait)
  }

  async #fill(
    sink: SnapshotSink,
    way: {
      readonly sizeBytes: number
      readonly dialogue: MessageStream<ImageUp>
      readonly signal: AbortSignal
    },
  ): Promise<void> {
    const { sizeBytes, dialogue, signal } = way
    const wait = { timeoutMs: IDLE_MS, signal }
    let received = sink.resumeFrom
    for (;;) {
      const next = await dialogue.next(wait)
      if (next === null) break
      if (next.kind !== 'chunk' || next.offset !== received) throw outOfTurn()
      if (next.data.length > sizeBytes - received) {
        throw new FairleadError('BAD_REQUEST', `An image is longer than its ${sizeBytes} bytes`)
      }
      await sink.write(next.data)
      received += next.data.length
      await dialogue.write(encodeImageDown({ kind: 'ack', received }), wait)
    }
    if (received === sizeBytes) return
    throw new FairleadError('BAD_REQUEST', `An image of ${sizeBytes} bytes ended after ${received}`)
  }
}

const SHUTTING_DOWN = new FairleadError('SHUTTING_DOWN', 'The server is shutting down')

function outOfTurn(): FairleadError {
  return new FairleadError('BAD_REQUEST', 'The sender of an image spoke out of turn')
}
