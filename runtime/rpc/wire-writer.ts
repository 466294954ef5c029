/**
 * Writes protobuf's wire format from the end of a buffer towards its beginning.
 *
 * Backwards, because the length of a nested message is then known when its head is written: one pass, no
 * second buffer. So callers write fields in falling order of their numbers, and a message's content before
 * its head. Fields of value zero, false or '' are left out, as proto3 does. Grows by doubling when the
 * first guess of the size was too small. Source: protobuf's encoding specification.
 */

import { assert } from '../../core/assert.ts'

export const VARINT = 0
export const FIXED64 = 1
export const BYTES = 2
export const FIXED32 = 5

const TWO_32 = 4_294_967_296
const ROOM_MIN = 256

export class WireWriter {
  #buffer: Buffer
  /** First byte written. */
  #at: number

  /** @param room bytes that will be enough most times */
  constructor(room: number) {
    this.#buffer = Buffer.allocUnsafe(Math.max(ROOM_MIN, room))
    this.#at = this.#buffer.length
  }

  /** Bytes written so far; the difference of two is a length. */
  get size(): number {
    return this.#buffer.length - this.#at
  }

  /** What was written last: the first `length` bytes. A view, valid until the next write. */
  last(length: number): Buffer {
    return this.#buffer.subarray(this.#at, this.#at + length)
  }

  /** Everything, as a view; nothing may be written afterwards. */
  finish(): Buffer {
    return this.#buffer.subarray(this.#at)
  }

  uint(field: number, value: number): void {
    if (value === 0) return
    this.varint(value)
    this.varint((field << 3) | VARINT)
  }

  bool(field: number, value: boolean): void {
    if (value) this.uint(field, 1)
  }

  fixed64(field: number, value: number): void {
    if (value === 0) return
    this.#need(8)
    this.#word(Math.floor(value / TWO_32))
    this.#word(value >>> 0)
    this.varint((field << 3) | FIXED64)
  }

  fixed32(field: number, value: number): void {
    if (value === 0) return
    this.#need(4)
    this.#word(value)
    this.varint((field << 3) | FIXED32)
  }

  text(field: number, value: string): void {
    if (value !== '') this.element(field, value)
  }

  /** Of a repeated field, where an empty one counts. */
  element(field: number, value: string): void {
    const length = Buffer.byteLength(value)
    this.#need(length)
    this.#at -= length
    this.#buffer.write(value, this.#at, length, length === value.length ? 'latin1' : 'utf8')
    this.head(field, length)
  }

  bytes(field: number, value: Uint8Array): void {
    const length = value.length
    if (length === 0) return
    this.#need(length)
    this.#at -= length
    this.#buffer.set(value, this.#at)
    this.head(field, length)
  }

  /** Ends a nested message of `length` bytes that was just written. */
  head(field: number, length: number): void {
    this.varint(length)
    this.varint((field << 3) | BYTES)
  }

  varint(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, 'only safe integers go on the wire')
    this.#need(8)
    let length = 1
    for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) length += 1
    const start = this.#at - length
    let at = start
    let rest = value
    while (rest > 0x7fff_ffff) {
      this.#buffer[at++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    for (; rest >= 0x80; rest >>>= 7) this.#buffer[at++] = (rest & 0x7f) | 0x80
    this.#buffer[at] = rest
    this.#at = start
  }

  /** Little-endian, 32 bits. */
  #word(value: number): void {
    const at = this.#at - 4
    const buffer = this.#buffer
    buffer[at] = value
    buffer[at + 1] = value >>> 8
    buffer[at + 2] = value >>> 16
    buffer[at + 3] = value >>> 24
    this.#at = at
  }

  #need(bytes: number): void {
    if (this.#at >= bytes) return
    const written = this.size
    const larger = Buffer.allocUnsafe(Math.max(2 * this.#buffer.length, written + bytes))
    this.#buffer.copy(larger, larger.length - written, this.#at)
    this.#at = larger.length - written
    this.#buffer = larger
  }
}
