/**
 * Waits for the first bytes of a connection to tell HTTP/1 from anything else (ProxyProtocol `auto`).
 *
 * Guarantees: no byte is lost, whatever the verdict; a caller that stays silent for SILENCE_MS, or whose first
 * line does not go on for so long, speaks TCP: in such protocols the server begins. Bounds: LINE_BYTES_MAX.
 */

import { type Clock, instant, type Timer } from '../../core/time.ts'
import { detectHttp1 } from '../http1/detect.ts'
import type { Wire, WireHandler } from '../sockets/wire.ts'

const SILENCE_MS = 100

export class FirstBytes implements WireHandler {
  readonly #wire: Wire
  readonly #clock: Clock
  readonly #serve: (kind: 'http' | 'tcp') => void
  readonly #onGone: () => void
  #held: Buffer = Buffer.alloc(0)
  #hasEnded = false
  #timer: Timer

  /** @param serve gives the wire its next handler; it then gets what was read so far */
  constructor(wire: Wire, clock: Clock, serve: (kind: 'http' | 'tcp') => void, onGone: () => void) {
    this.#wire = wire
    this.#clock = clock
    this.#serve = serve
    this.#onGone = onGone
    this.#timer = this.#arm()
    wire.handler = this
  }

  drain(): void {
    this.destroy()
  }

  destroy(): void {
    this.#timer.cancel()
    this.#wire.destroy()
    this.#onGone()
  }

  onBytes(bytes: Buffer, length: number): void {
    const piece = bytes.subarray(0, length)
    this.#held = this.#held.length === 0 ? Buffer.from(piece) : Buffer.concat([this.#held, piece])
    const verdict = detectHttp1(this.#held, this.#held.length)
    if (verdict !== 'more') {
      this.#decide(verdict)
      return
    }
    this.#timer.cancel()
    this.#timer = this.#arm()
  }

  onEnd(): void {
    this.#hasEnded = true
    this.#decide('tcp')
  }

  onDrain(): void {}

  onClosed(): void {
    this.#timer.cancel()
    this.#onGone()
  }

  #arm(): Timer {
    return this.#clock.timer(instant(this.#clock.now() + SILENCE_MS), () => this.#decide('tcp'))
  }

  #decide(kind: 'http' | 'tcp'): void {
    this.#timer.cancel()
    this.#onGone()
    this.#serve(kind)
    const next = this.#wire.handler
    if (this.#held.length > 0) next.onBytes(this.#held, this.#held.length)
    if (this.#hasEnded && this.#wire.handler === next) next.onEnd()
  }
}
