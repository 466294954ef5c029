/**
 * Reads heads out of a stream of pieces: in place when a head lies in one piece, else from a copy.
 *
 * After a successful `read` the head is `bytes` from `base`, valid until the next call, and `parser` says what
 * is where. Bounds: holds at most HEAD_BYTES_MAX; the copy is given back after each head.
 */

import { HeadParser, NEED_MORE } from './head-parser.ts'
import { HEAD_BYTES_MAX } from './limits.ts'

const HELD_BYTES_FIRST = 2048
const NOTHING = Buffer.alloc(0)

export class HeadReader {
  readonly parser: HeadParser
  bytes: Buffer = NOTHING
  base = 0
  #held: Buffer | undefined
  #heldBytes = 0

  constructor(kind: 'request' | 'response') {
    this.parser = new HeadParser(kind)
  }

  /** Nothing of a head has been seen since the last one. */
  get isFresh(): boolean {
    return this.parser.isFresh
  }

  /** Forgets the head that was read; the next `read` begins another. */
  reset(): void {
    this.parser.reset()
    this.#held = undefined
    this.#heldBytes = 0
    this.bytes = NOTHING
  }

  /** @returns the position in `bytes` after the head, or a negative result of HeadParser */
  read(bytes: Buffer, from: number, to: number): number {
    if (this.#held === undefined) {
      const end = this.parser.parse(bytes, from, to)
      if (end > 0) {
        this.bytes = bytes
        this.base = from
      } else if (end === NEED_MORE) {
        this.#hold(bytes, from, to)
      }
      return end
    }
    const before = this.#heldBytes
    this.#hold(bytes, from, to)
    const end = this.parser.parse(this.#held, 0, this.#heldBytes)
    if (end <= 0) return end
    this.bytes = this.#held
    this.base = 0
    return from + (end - before)
  }

  #hold(bytes: Buffer, from: number, to: number): void {
    const size = Math.min(to - from, HEAD_BYTES_MAX - this.#heldBytes)
    const needed = this.#heldBytes + size
    if (this.#held === undefined || this.#held.length < needed) {
      const room = Math.min(HEAD_BYTES_MAX, Math.max(needed * 2, HELD_BYTES_FIRST))
      const bigger = Buffer.allocUnsafe(room)
      this.#held?.copy(bigger, 0, 0, this.#heldBytes)
      this.#held = bigger
    }
    bytes.copy(this.#held, this.#heldBytes, from, from + size)
    this.#heldBytes = needed
  }
}
