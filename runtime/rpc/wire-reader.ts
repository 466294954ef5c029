/**
 * Reads protobuf's wire format out of bytes that somebody else wrote.
 *
 * Guarantees: whatever the bytes are, it answers or throws WireError; a length is compared with what is
 * there before anything is made of it, and bytes are views, so that nothing is allocated for a lie. Numbers
 * are safe integers. Unknown fields are skipped. Bound: TEXT_BYTES_MAX for a text; no recursion of its own.
 * Source: protobuf's encoding specification.
 */

import { BYTES, FIXED32, FIXED64, VARINT } from './wire-writer.ts'

export const TEXT_BYTES_MAX = 1024
const TWO_32 = 4_294_967_296

/** The bytes are no message of ours; says what is wrong with them. */
export class WireError extends Error {
  override readonly name = 'WireError'
}

export class WireReader {
  readonly #buffer: Buffer
  readonly #end: number
  #at: number
  #field = 0
  #type = 0

  constructor(buffer: Buffer, from = 0, to: number = buffer.length) {
    this.#buffer = buffer
    this.#at = from
    this.#end = to
  }

  /** Goes to the next field. @returns its number; 0 at the end */
  next(): number {
    if (this.#at >= this.#end) return 0
    const tag = this.#varint()
    const field = Math.floor(tag / 8)
    if (field < 1 || field > 0x1fff_ffff) throw new WireError('a field has an impossible number')
    this.#field = field
    this.#type = tag % 8
    return field
  }

  uint(): number {
    this.#expect(VARINT)
    return this.#varint()
  }

  bool(): boolean {
    return this.uint() !== 0
  }

  fixed64(): number {
    this.#expect(FIXED64)
    const at = this.#advance(8)
    const high = this.#buffer.readUInt32LE(at + 4)
    if (high > 0x1f_ffff) throw new WireError(`field ${this.#field} is above 2^53`)
    return high * TWO_32 + this.#buffer.readUInt32LE(at)
  }

  fixed32(): number {
    this.#expect(FIXED32)
    return this.#buffer.readUInt32LE(this.#advance(4))
  }

  text(): string {
    const length = this.#length()
    if (length > TEXT_BYTES_MAX) {
      throw new WireError(`field ${this.#field} is a text of more than ${TEXT_BYTES_MAX} bytes`)
    }
    const at = this.#advance(length)
    return this.#buffer.toString('utf8', at, at + length)
  }

  /** A view into the buffer. */
  bytes(): Buffer {
    const length = this.#length()
    const at = this.#advance(length)
    return this.#buffer.subarray(at, at + length)
  }

  /** The message nested here. */
  nested(): WireReader {
    const length = this.#length()
    const at = this.#advance(length)
    return new WireReader(this.#buffer, at, at + length)
  }

  /** Passes over the value of the present field. */
  skip(): void {
    switch (this.#type) {
      case VARINT:
        this.#skipVarint()
        return
      case FIXED64:
        this.#advance(8)
        return
      case BYTES:
        this.#advance(this.#length())
        return
      case FIXED32:
        this.#advance(4)
        return
      default:
        throw new WireError(`field ${this.#field} has the unknown wire type ${this.#type}`)
    }
  }

  #expect(type: number): void {
    if (this.#type === type) return
    throw new WireError(`field ${this.#field} has wire type ${this.#type}, expected ${type}`)
  }

  #length(): number {
    this.#expect(BYTES)
    return this.#varint()
  }

  #advance(bytes: number): number {
    const at = this.#at
    if (bytes > this.#end - at) throw new WireError(`field ${this.#field} is cut short`)
    this.#at = at + bytes
    return at
  }

  #varint(): number {
    const buffer = this.#buffer
    const end = this.#end
    let at = this.#at
    let value = 0
    let scale = 1
    for (let i = 0; i < 8 && at < end; i++) {
      const byte = buffer[at++] as number
      value += (byte & 0x7f) * scale
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) throw new WireError('a number is above 2^53')
        this.#at = at
        return value
      }
      scale *= 0x80
    }
    throw new WireError(at >= end ? 'a number is cut short' : 'a number is above 2^53')
  }

  /** Of a field that is not ours: may hold all 64 bits. */
  #skipVarint(): void {
    for (let i = 0; i < 10; i++) {
      if ((this.#buffer[this.#advance(1)] as number) < 0x80) return
    }
    throw new WireError(`field ${this.#field} is no number`)
  }
}
