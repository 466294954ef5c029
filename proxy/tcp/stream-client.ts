/**
 * The callee's side of a raw stream: one socket, bytes both ways, each direction ended on its own.
 */

import type { Failure, RequestSink, ResponseSink } from '../exchange/types.ts'
import { type IdleSweep, type Swept, ticksOf } from '../sockets/idle-sweep.ts'
import type { Wire, WireHandler } from '../sockets/wire.ts'

const BROKEN: Failure = {
  code: 'UPSTREAM_RESET',
  reason: 'the connection broke',
  retry: 'final',
}

export class StreamClient implements WireHandler, RequestSink, Swept {
  readonly #wire: Wire
  readonly #sink: ResponseSink
  readonly #sweep: IdleSweep
  readonly #onGone: () => void
  readonly #idleTicks: number
  #lastTick: number
  #sentEnd = false
  #gotEnd = false
  #isOver = false

  constructor(
    wire: Wire,
    sink: ResponseSink,
    options: { readonly idleMs: number },
    deps: { readonly sweep: IdleSweep; readonly onGone: () => void },
  ) {
    this.#wire = wire
    this.#sink = sink
    this.#sweep = deps.sweep
    this.#onGone = deps.onGone
    this.#idleTicks = ticksOf(options.idleMs)
    this.#lastTick = deps.sweep.tick
    wire.handler = this
    deps.sweep.add(this)
  }

  data(bytes: Buffer, from: number, to: number): boolean {
    if (this.#isOver) return true
    this.#lastTick = this.#sweep.tick
    return this.#wire.writeBytes(bytes, from, to)
  }

  trailers(): void {}

  end(): void {
    this.#sentEnd = true
    this.#wire.end()
  }

  abort(): void {
    if (this.#isOver) return
    this.#wire.abort()
    this.#over()
  }

  resumeResponse(): void {
    this.#wire.resume()
  }

  onBytes(bytes: Buffer, length: number): void {
    this.#lastTick = this.#sweep.tick
    if (!this.#sink.onData(bytes, 0, length)) this.#wire.pause()
  }

  onEnd(): void {
    this.#gotEnd = true
    this.#sink.onResponseEnd()
  }

  onDrain(): void {
    this.#sink.resumeRequest()
  }

  onClosed(): void {
    if (this.#isOver) return
    this.#over()
    if (!this.#gotEnd || !this.#sentEnd) this.#sink.onFailed(BROKEN)
  }

  onTick(tick: number): void {
    if (tick - this.#lastTick <= this.#idleTicks) return
    this.#wire.destroy()
    this.#over()
    this.#sink.onFailed(BROKEN)
  }

  #over(): void {
    this.#isOver = true
    this.#sweep.remove(this)
    this.#onGone()
  }
}
