/**
 * Waits for the first bytes of a connection to tell HTTP/1, HTTP/2 and anything else apart (ProxyProtocol).
 *
 * Guarantees: no byte is lost, whatever the verdict; a caller that stays silent for `silenceMs`, or whose first line
 * does not go on for so long, gets `fallback`, and so does one that speaks neither. Bounds: as detectHttp1.
 */

import { type Clock, instant, type Timer } from '../../core/time.ts'
import type { Wire, WireHandler } from '../sockets/wire.ts'
import { type Detected, detectProtocol } from './detect-protocol.ts'

export interface FirstBytesOptions {
  readonly silenceMs: number
  readonly fallback: Detected
}

/** Where anything may come, silence is TCP: in such protocols the server begins. */
export const ANY_PROTOCOL: FirstBytesOptions = { silenceMs: 100, fallback: 'tcp' }
/** Where only HTTP makes sense, HTTP's own answer to nonsense is the best there is. */
export const HTTP1_EXPECTED: FirstBytesOptions = { silenceMs: 60_000, fallback: 'http1' }
export const HTTP2_EXPECTED: FirstBytesOptions = { silenceMs: 60_000, fallback: 'http2' }

export class FirstBytes implements WireHandler {
  readonly #wire: Wire
  readonly #options: FirstBytesOptions
  readonly #clock: Clock
  readonly #serve: (kind: Detected) => void
  readonly #onGone: () => void
  #held: Buffer = Buffer.alloc(0)
  #hasEnded = false
  #timer: Timer

  /** `serve` gives the wire its next handler; it then gets what was read so far. */
  constructor(
    wire: Wire,
    options: FirstBytesOptions,
    deps: {
      readonly clock: Clock
      readonly serve: (kind: Detected) => void
      readonly onGone: () => void
    },
  ) {
    this.#wire = wire
    this.#options = options
    this.#clock = deps.clock
    this.#serve = deps.serve
    this.#onGone = deps.onGone
    this.#timer = this.#arm()
    wire.handler = this
  }

  /** @param isPatient what it becomes is drained instead */
  drain(isPatient = false): void {
    if (!isPatient) this.destroy()
  }

  destroy(): void {
    this.#timer.cancel()
    this.#wire.destroy()
    this.#onGone()
  }

  onBytes(bytes: Buffer, length: number): void {
    const piece = bytes.subarray(0, length)
    const held = this.#held.length === 0 ? piece : Buffer.concat([this.#held, piece])
    const verdict = detectProtocol(held, held.length)
    if (verdict !== 'more') {
      this.#decide(verdict, held)
      return
    }
    this.#held = held === piece ? Buffer.from(piece) : held
    this.#timer.cancel()
    this.#timer = this.#arm()
  }

  onEnd(): void {
    this.#hasEnded = true
    this.#decide(this.#options.fallback)
  }

  onDrain(): void {}

  onClosed(): void {
    this.#timer.cancel()
    this.#onGone()
  }

  #arm(): Timer {
    const at = instant(this.#clock.now() + this.#options.silenceMs)
    return this.#clock.timer(at, () => this.#decide(this.#options.fallback))
  }

  #decide(kind: Detected, held = this.#held): void {
    this.#timer.cancel()
    this.#onGone()
    this.#serve(kind === 'tcp' ? this.#options.fallback : kind)
    const next = this.#wire.handler
    if (held.length > 0) next.onBytes(held, held.length)
    if (this.#hasEnded && this.#wire.handler === next) next.onEnd()
  }
}
