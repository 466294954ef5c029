/**
 * Growing byte buffer that writes DNS primitives and compresses names (RFC 1035 4.1.4).
 *
 * Names compress against names written before, comparing letters exactly, so that case is never changed.
 * The caller checks names (`isEncodableName`) first: an over-long label here is a bug.
 * Bounds: `MESSAGE_SIZE_MAX` bytes; past it `isFull` is true and writes are dropped.
 */

import { assert } from '../assert.ts'
import { LABEL_SIZE_MAX, MESSAGE_SIZE_MAX } from './protocol.ts'

/** Highest offset that a pointer can express. */
const POINTER_MAX = 0x3fff
const SIZE_INITIAL = 512

const utf8 = new TextEncoder()

export class WireWriter {
  #bytes = new Uint8Array(SIZE_INITIAL)
  #at = 0
  #isFull = false
  readonly #compress: boolean
  readonly #offsets = new Map<string, number>()

  constructor(options: { readonly compress: boolean }) {
    this.#compress = options.compress
  }

  get length(): number {
    return this.#at
  }

  /** True once something did not fit; what was written is then of no use. */
  get isFull(): boolean {
    return this.#isFull
  }

  /** The written bytes; the writer must not be used afterwards. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#at)
  }

  u8(value: number): void {
    if (!this.#reserve(1)) return
    this.#bytes[this.#at++] = value
  }

  u16(value: number): void {
    if (!this.#reserve(2)) return
    this.#bytes[this.#at++] = value >>> 8
    this.#bytes[this.#at++] = value
  }

  u32(value: number): void {
    this.u16(value >>> 16)
    this.u16(value)
  }

  bytes(source: Uint8Array): void {
    if (!this.#reserve(source.length)) return
    this.#bytes.set(source, this.#at)
    this.#at += source.length
  }

  /** Overwrites two bytes that were written before. */
  setU16(at: number, value: number): void {
    this.#bytes[at] = value >>> 8
    this.#bytes[at + 1] = value
  }

  /** @param mayPoint false for names that must be spelled out (SRV targets, RFC 2782) */
  name(name: string, mayPoint = true): void {
    let rest = name
    while (rest !== '') {
      const known = this.#compress ? this.#offsets.get(rest) : undefined
      if (known !== undefined && mayPoint) {
        this.u16(0xc000 | known)
        return
      }
      if (this.#compress && known === undefined && this.#at <= POINTER_MAX) {
        this.#offsets.set(rest, this.#at)
      }
      const dot = rest.indexOf('.')
      this.#label(dot < 0 ? rest : rest.slice(0, dot))
      rest = dot < 0 ? '' : rest.slice(dot + 1)
    }
    this.u8(0)
  }

  #label(label: string): void {
    const bytes = utf8.encode(label)
    assert(bytes.length > 0 && bytes.length <= LABEL_SIZE_MAX, 'a label has 1 to 63 bytes')
    this.u8(bytes.length)
    this.bytes(bytes)
  }

  #reserve(size: number): boolean {
    const wanted = this.#at + size
    if (wanted <= this.#bytes.length) return true
    if (wanted > MESSAGE_SIZE_MAX) {
      this.#isFull = true
      return false
    }
    const grown = new Uint8Array(Math.min(MESSAGE_SIZE_MAX, Math.max(wanted, this.#at * 2)))
    grown.set(this.#bytes.subarray(0, this.#at))
    this.#bytes = grown
    return true
  }
}
