/**
 * The sending half of one exchange: cuts bytes into frames within the window the peer has granted.
 *
 * Guarantees: never a byte more than granted; order kept; END after everything. Bounds: what does not fit is
 * kept here, and the source is told to wait, so at most what it had read already (64 KiB, twice on TLS).
 */

import { DATA, DATA_BYTES_MAX, FLAG_END, TRAILERS, WINDOW_MAX } from './format.ts'
import type { FrameWriter } from './frame-writer.ts'

export class Sending {
  readonly #out: FrameWriter
  readonly #id: number
  #window: number
  #backlog: Buffer[] | undefined
  #trailers = ''
  #endPending = false
  isEnded = false

  constructor(out: FrameWriter, id: number, window: number) {
    this.#out = out
    this.#id = id
    this.#window = window
  }

  /** @returns false when the source should wait */
  data(bytes: Buffer, from: number, to: number): boolean {
    if (this.isEnded) return true
    let at = from
    if (this.#backlog === undefined) at = this.#send(bytes, from, to)
    if (at < to) {
      this.#backlog ??= []
      this.#backlog.push(Buffer.from(bytes.subarray(at, to)))
      return false
    }
    return this.#out.isRoomy
  }

  trailers(text: string): void {
    this.#trailers = text
  }

  end(): void {
    if (this.isEnded) return
    if (this.#backlog === undefined) this.#sendEnd()
    else this.#endPending = true
  }

  /** Forgets what waits; nothing more is sent. */
  stop(): void {
    this.isEnded = true
    this.#backlog = undefined
  }

  /**
   * The peer granted more room.
   *
   * @returns 'resume' when the source may go on, 'invalid' when the window would pass its limit
   */
  grant(bytes: number): 'resume' | 'wait' | 'invalid' {
    this.#window += bytes
    if (bytes === 0 || this.#window > WINDOW_MAX) return 'invalid'
    const backlog = this.#backlog
    if (backlog === undefined) return 'wait'
    while (backlog.length > 0) {
      const piece = backlog[0] as Buffer
      const at = this.#send(piece, 0, piece.length)
      if (at < piece.length) {
        backlog[0] = piece.subarray(at)
        return 'wait'
      }
      backlog.shift()
    }
    this.#backlog = undefined
    if (this.#endPending) this.#sendEnd()
    return this.#out.isRoomy ? 'resume' : 'wait'
  }

  /** Nothing waits for room in the window. */
  get isClear(): boolean {
    return this.#backlog === undefined && !this.isEnded
  }

  #send(bytes: Buffer, from: number, to: number): number {
    let at = from
    while (at < to && this.#window > 0) {
      const size = Math.min(to - at, this.#window, DATA_BYTES_MAX)
      this.#out.bytes(DATA, 0, this.#id, bytes, at, at + size)
      this.#window -= size
      at += size
    }
    return at
  }

  #sendEnd(): void {
    this.isEnded = true
    if (this.#trailers !== '') this.#out.text(TRAILERS, FLAG_END, this.#id, `${this.#trailers}\r\n`)
    else this.#out.endData(this.#id)
  }
}
