/**
 * Finds the bytes of a message body in what arrives: counted, chunked, until close, or raw after an upgrade
 * (RFC 9112 6, 7). Resumable at every byte.
 *
 * Call `next` until it has used up the input or `isDone`; after each call `dataFrom..dataTo` of the input
 * are body bytes. Strict on chunks: hexadecimal sizes, CRLF only, extensions checked, bounded and dropped.
 * Never throws; keeps no reference to the input. Bounds: limits.ts.
 */

import { CR, HEX_VALUE, IS_FIELD_VALUE, LF } from './bytes.ts'
import { HeadParser, NEED_MORE } from './head-parser.ts'
import { CHUNK_EXTENSION_BYTES_MAX, CHUNK_LINE_BYTES_MAX, TRAILER_BYTES_MAX } from './limits.ts'
import { trailerText } from './trailers.ts'

export type Transfer = 'none' | 'length' | 'chunked' | 'close' | 'raw'

const DONE = 0
const COUNTED = 1
const UNTIL_CLOSE = 2
const SIZE_FIRST = 3
const SIZE = 4
const EXTENSION = 5
const SIZE_LF = 6
const DATA = 7
const DATA_CR = 8
const DATA_LF = 9
const TRAILERS = 10
const FAILED = 11

const SEMICOLON = 0x3b
/** Sizes stay exact integers: 12 digits are 256 TiB. */
const SIZE_DIGITS_MAX = 12

export class BodyDecoder {
  dataFrom = 0
  dataTo = 0
  /** Canonical trailer fields, each with its CRLF; '' when there were none. */
  trailers = ''
  #state = DONE
  #remaining = 0
  #digits = 0
  #lineBytes = 0
  #extensionBytes = 0
  #parser: HeadParser | undefined
  /** A trailer section that did not come in one piece. */
  #held: Buffer | undefined
  #heldBytes = 0

  get isDone(): boolean {
    return this.#state === DONE
  }

  get hasFailed(): boolean {
    return this.#state === FAILED
  }

  /** The end of the connection is a proper end here. */
  get endsWithConnection(): boolean {
    return this.#state === UNTIL_CLOSE
  }

  start(transfer: Transfer, length: number): void {
    this.trailers = ''
    this.#extensionBytes = 0
    this.#remaining = length
    if (transfer === 'none' || (transfer === 'length' && length === 0)) this.#state = DONE
    else if (transfer === 'length') this.#state = COUNTED
    else if (transfer === 'chunked') this.#beginChunk()
    else this.#state = UNTIL_CLOSE
  }

  /** @returns the position up to which the input is used up */
  next(bytes: Buffer, from: number, to: number): number {
    this.dataFrom = from
    this.dataTo = from
    if (this.#state === UNTIL_CLOSE) {
      this.dataTo = to
      return to
    }
    if (this.#state === COUNTED) {
      const taken = this.#take(from, to)
      if (this.#remaining === 0) this.#state = DONE
      return taken
    }
    return this.#nextChunked(bytes, from, to)
  }

  #take(from: number, to: number): number {
    const size = Math.min(to - from, this.#remaining)
    this.#remaining -= size
    this.dataFrom = from
    this.dataTo = from + size
    return this.dataTo
  }

  #beginChunk(): void {
    this.#state = SIZE_FIRST
    this.#remaining = 0
    this.#digits = 0
    this.#lineBytes = 0
  }

  #nextChunked(bytes: Buffer, from: number, to: number): number {
    let at = from
    while (at < to) {
      switch (this.#state) {
        case DATA: {
          const end = this.#take(at, to)
          if (this.#remaining === 0) this.#state = DATA_CR
          return end
        }
        case DATA_CR:
          if (bytes[at] !== CR) return this.#fail(at)
          this.#state = DATA_LF
          at++
          break
        case DATA_LF:
          if (bytes[at] !== LF) return this.#fail(at)
          this.#beginChunk()
          at++
          break
        case TRAILERS:
          return this.#readTrailers(bytes, at, to)
        case DONE:
        case FAILED:
          this.dataFrom = at
          this.dataTo = at
          return at
        default:
          if (!this.#sizeByte(bytes[at] as number)) return this.#fail(at)
          at++
      }
    }
    this.dataFrom = at
    this.dataTo = at
    return at
  }

  #sizeByte(byte: number): boolean {
    if (++this.#lineBytes > CHUNK_LINE_BYTES_MAX) return false
    if (this.#state === SIZE_LF) {
      if (byte !== LF) return false
      this.#state = this.#remaining === 0 ? TRAILERS : DATA
      if (this.#state === TRAILERS) this.#beginTrailers()
      return true
    }
    if (this.#state === EXTENSION) {
      if (byte === CR) {
        this.#state = SIZE_LF
        return true
      }
      return IS_FIELD_VALUE[byte] === 1 && ++this.#extensionBytes <= CHUNK_EXTENSION_BYTES_MAX
    }
    const digit = HEX_VALUE[byte] as number
    if (digit < 16) {
      this.#state = SIZE
      this.#remaining = this.#remaining * 16 + digit
      return ++this.#digits <= SIZE_DIGITS_MAX
    }
    if (this.#state === SIZE_FIRST) return false
    if (byte === CR) this.#state = SIZE_LF
    else if (byte === SEMICOLON) this.#state = EXTENSION
    else return false
    return true
  }

  #beginTrailers(): void {
    this.#parser ??= new HeadParser('trailers', TRAILER_BYTES_MAX)
    this.#parser.reset()
    this.#heldBytes = 0
  }

  #readTrailers(bytes: Buffer, from: number, to: number): number {
    const parser = this.#parser as HeadParser
    this.dataFrom = from
    this.dataTo = from
    if (parser.isFresh) {
      const end = parser.parse(bytes, from, to)
      if (end > 0) return this.#endTrailers(parser, bytes, from, end)
      if (end !== NEED_MORE) return this.#fail(from)
      this.#hold(bytes, from, to)
      return to
    }
    const before = this.#heldBytes
    this.#hold(bytes, from, to)
    const held = this.#held as Buffer
    const end = parser.parse(held, 0, this.#heldBytes)
    if (end > 0) {
      this.#endTrailers(parser, held, 0, end)
      return from + (end - before)
    }
    return end === NEED_MORE ? to : this.#fail(from)
  }

  #hold(bytes: Buffer, from: number, to: number): void {
    this.#held ??= Buffer.allocUnsafe(TRAILER_BYTES_MAX)
    this.#heldBytes += bytes.copy(this.#held, this.#heldBytes, from, to)
  }

  #endTrailers(parser: HeadParser, bytes: Buffer, base: number, end: number): number {
    this.trailers = trailerText(parser, bytes, base)
    this.#state = DONE
    return end
  }

  #fail(at: number): number {
    this.#state = FAILED
    this.dataFrom = at
    this.dataTo = at
    return at
  }
}
