/**
 * The caller's side of a raw stream: an accepted socket whose bytes go to a call, and come back from it.
 *
 * Each direction ends on its own; a broken side resets the other, so that nobody takes a cut stream for a
 * whole one. The idle limit is kept by the called side, which sees the bytes of both directions.
 */

import type { Failure, RequestSink, ResponseSink } from '../exchange/types.ts'
import type { Wire, WireHandler } from '../sockets/wire.ts'

export class StreamServer implements WireHandler, ResponseSink {
  readonly #wire: Wire
  readonly #onGone: (stream: StreamServer) => void
  #call: RequestSink | undefined
  #gotEnd = false
  #sentEnd = false
  #isOver = false

  constructor(wire: Wire, onGone: (stream: StreamServer) => void) {
    this.#wire = wire
    this.#onGone = onGone
    wire.handler = this
  }

  /** Connects the stream with its call, which may have failed already. */
  begin(opened: RequestSink | Failure): void {
    if ('retry' in opened) this.onFailed(opened)
    else if (this.#isOver) opened.abort()
    else this.#call = opened
  }

  /** A stream cannot be asked to end: it runs until its ends do, or the deadline of who drains. */
  drain(): void {}

  /** Cuts the stream on both sides. */
  destroy(): void {
    if (this.#isOver) return
    this.#wire.abort()
    this.#over()
  }

  onBytes(bytes: Buffer, length: number): void {
    if (this.#call !== undefined && !this.#call.data(bytes, 0, length)) this.#wire.pause()
  }

  onEnd(): void {
    this.#gotEnd = true
    this.#call?.end()
  }

  onDrain(): void {
    this.#call?.resumeResponse()
  }

  onClosed(): void {
    if (this.#isOver) return
    if (this.#gotEnd && this.#sentEnd) this.#call = undefined
    this.#over()
  }

  onInterim(): void {}

  onResponse(): void {}

  onData(bytes: Buffer, from: number, to: number): boolean {
    return this.#isOver || this.#wire.writeBytes(bytes, from, to)
  }

  onTrailers(): void {}

  onResponseEnd(): void {
    this.#sentEnd = true
    this.#wire.end()
  }

  onFailed(_failure: Failure): void {
    this.#call = undefined
    this.destroy()
  }

  resumeRequest(): void {
    this.#wire.resume()
  }

  #over(): void {
    this.#isOver = true
    const call = this.#call
    this.#call = undefined
    call?.abort()
    this.#onGone(this)
  }
}
