/**
 * Bytes of the gossip protocol: a writer that grows, and a reader that never reads past the end.
 *
 * The reader fails with WireError and with nothing else; a length is checked against what is left before
 * anything is allocated for it. Numbers are unsigned: big endian where fixed, LEB128 where variable.
 */

import { assert } from '../assert.ts'

const UTF8_ENCODER = new TextEncoder()
const UTF8_DECODER = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const INITIAL_BYTES = 128
const SHORT_TEXT_MAX = 40
const U32_MAX = 0xffffffff

/** The bytes are not what the protocol allows: the only thing that decoding throws. */
export class WireError extends Error {
  override readonly name = 'WireError'
}

export class WireWriter {
  #bytes = new Uint8Array(INITIAL_BYTES)
  #length = 0

  get length(): number {
    return this.#length
  }

  u8(value: number): void {
    this.#reserve(1)
    this.#bytes[this.#length++] = value
  }

  u16(value: number): void {
    this.#reserve(2)
    this.#bytes[this.#length++] = value >>> 8
    this.#bytes[this.#length++] = value
  }

  u32(value: number): void {
    this.u16(value >>> 16)
    this.u16(value & 0xffff)
  }

  /** A safe integer of up to 53 bits, seven bits a byte, least significant first. */
  varint(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, 'a varint is a non-negative safe integer')
    let rest = value
    while (rest > 0x7f) {
      this.u8((rest % 128) | 0x80)
      rest = Math.floor(rest / 128)
    }
    this.u8(rest)
  }

  bytes(value: Uint8Array): void {
    this.#reserve(value.length)
    this.#bytes.set(value, this.#length)
    this.#length += value.length
  }

  /** With its length before it. */
  blob(value: Uint8Array): void {
    this.varint(value.length)
    this.bytes(value)
  }

  text(value: string): void {
    this.blob(UTF8_ENCODER.encode(value))
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }

  #reserve(count: number): void {
    const wanted = this.#length + count
    if (wanted <= this.#bytes.length) return
    const grown = new Uint8Array(Math.max(wanted, this.#bytes.length * 2))
    grown.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = grown
  }
}

export class WireReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get left(): number {
    return this.#bytes.length - this.#at
  }

  u8(): number {
    const value = this.#bytes[this.#at]
    if (value === undefined) throw new WireError('ends too early')
    this.#at++
    return value
  }

  u16(): number {
    return this.u8() * 0x100 + this.u8()
  }

  u32(): number {
    return this.u16() * 0x10000 + this.u16()
  }

  varint(max: number = U32_MAX): number {
    let value = 0
    let factor = 1
    for (let i = 0; i < 8; i++) {
      const byte = this.u8()
      value += (byte & 0x7f) * factor
      if (value > max) throw new WireError('a number is too large')
      if (byte < 0x80) return value
      factor *= 128
    }
    throw new WireError('a number does not end')
  }

  /** A view, not a copy: copy what is kept. */
  bytes(count: number): Uint8Array {
    if (count > this.left) throw new WireError('ends too early')
    const value = this.#bytes.subarray(this.#at, this.#at + count)
    this.#at += count
    return value
  }

  blob(sizeMax: number): Uint8Array {
    return this.bytes(this.varint(sizeMax))
  }

  text(sizeMax: number): string {
    const bytes = this.blob(sizeMax)
    const short = shortAsciiText(bytes)
    if (short !== null) return short
    try {
      return UTF8_DECODER.decode(bytes)
    } catch {
      throw new WireError('a text is not UTF-8')
    }
  }
}

/** Names and tags are nearly always short and plain: several times as fast as the decoder for them. */
function shortAsciiText(bytes: Uint8Array): string | null {
  if (bytes.length > SHORT_TEXT_MAX) return null
  let text = ''
  for (const byte of bytes) {
    if (byte > 0x7f) return null
    text += String.fromCharCode(byte)
  }
  return text
}
