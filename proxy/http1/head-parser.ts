/**
 * Parses request heads, response heads and trailer sections of HTTP/1 on raw bytes (RFC 9112 2 to 5).
 *
 * Resumable: a head may arrive in any pieces, each byte is looked at once, and every way of cutting it
 * gives the same result. It only finds where things are; what they mean is request-head.ts and
 * response-head.ts. Strict: a bare CR or LF, NUL and other controls, obs-fold, white space before a colon
 * and anything but single spaces in the first line are refused. Never throws; keeps no reference to the
 * bytes. Bounds: limits.ts.
 */

import { COLON, CR, IS_FIELD_VALUE, IS_TOKEN, LF, SPACE, TAB, TARGET_CLASS } from './bytes.ts'
import { fieldId } from './field-ids.ts'
import {
  HEAD_BYTES_MAX,
  HEAD_FIELDS_MAX,
  LEADING_LINES_MAX,
  REQUEST_LINE_BYTES_MAX,
} from './limits.ts'

/** Results of `parse` besides the position after the head. */
export const NEED_MORE = -1
export const BAD_SYNTAX = -2
export const LINE_TOO_LONG = -3
export const HEAD_TOO_LARGE = -4
export const BAD_VERSION = -5

export type HeadKind = 'request' | 'response' | 'trailers'

const LEADING = 0
const LEADING_LF = 1
const METHOD = 2
const TARGET = 3
const REQUEST_VERSION = 4
const LINE_LF = 5
const FIELD = 6
const NAME = 7
const PADDING = 8
const VALUE = 9
const VALUE_LF = 10
const END_LF = 11
const RESPONSE_VERSION = 12
const STATUS = 13
const REASON = 14

const VERSION_TEXT = 'HTTP/1.'
const SLASH = 0x2f

const FIRST_STATE: Readonly<Record<HeadKind, number>> = {
  request: LEADING,
  response: RESPONSE_VERSION,
  trailers: FIELD,
}

/** Positions are relative to the `base` given to `parse`. */
export class HeadParser {
  /** First byte of the head, after skipped empty lines. */
  start = 0
  methodEnd = 0
  targetStart = 0
  targetEnd = 0
  /** The target has bytes that path normalisation may change. */
  targetIsUnusual = false
  /** 0 or 1. */
  versionMinor = 1
  status = 0
  /** Where the fields begin, and the position of the CRLF after the last. */
  fieldsStart = 0
  fieldsEnd = 0
  fieldCount = 0
  /** Bit per FIELD constant that occurs. */
  mask = 0
  /** Four numbers a field: name start and end, value start and end. */
  readonly fields = new Int32Array(HEAD_FIELDS_MAX * 4)
  readonly ids = new Uint8Array(HEAD_FIELDS_MAX)

  readonly #firstState: number
  readonly #bytesMax: number
  #state: number
  #scanned = 0
  #leading = 0
  /** Index inside the version text, or digits of the status seen. */
  #matched = 0

  constructor(kind: HeadKind, bytesMax = HEAD_BYTES_MAX) {
    this.#firstState = FIRST_STATE[kind]
    this.#state = this.#firstState
    this.#bytesMax = bytesMax
  }

  /** True between heads: nothing of one has been seen. */
  get isFresh(): boolean {
    return this.#scanned === 0
  }

  reset(): void {
    this.#state = this.#firstState
    this.#scanned = 0
    this.#leading = 0
    this.#matched = 0
    this.start = 0
    this.fieldsStart = 0
    this.fieldCount = 0
    this.mask = 0
    this.status = 0
    this.targetIsUnusual = false
  }

  /**
   * Reads on in a head whose first byte is `bytes[base]`. After NEED_MORE call again with the same head,
   * in any buffer at any base, and a larger `end`.
   *
   * @returns the position after the head in `bytes`, or one of the negative results
   */
  parse(bytes: Uint8Array, base: number, end: number): number {
    const limit = base + this.#bytesMax
    const stop = Math.min(end, limit)
    let at = base + this.#scanned
    let state = this.#state
    while (at < stop) {
      const byte = bytes[at] as number
      switch (state) {
        case VALUE:
          while (at < stop && IS_FIELD_VALUE[bytes[at] as number] === 1) at++
          if (at === stop) break
          if (bytes[at] !== CR) return BAD_SYNTAX
          this.#endValue(bytes, base, at)
          at++
          state = VALUE_LF
          break
        case NAME:
          while (at < stop && IS_TOKEN[bytes[at] as number] === 1) at++
          if (at === stop) break
          if (bytes[at] !== COLON) return BAD_SYNTAX
          this.#endName(bytes, base, at)
          at++
          state = PADDING
          break
        case PADDING:
          if (byte === SPACE || byte === TAB) {
            at++
            break
          }
          this.fields[this.fieldCount * 4 + 2] = at - base
          state = VALUE
          break
        case VALUE_LF:
          if (byte !== LF) return BAD_SYNTAX
          this.fieldCount++
          at++
          state = FIELD
          break
        case FIELD:
          if (byte === CR) {
            this.fieldsEnd = at - base
            at++
            state = END_LF
            break
          }
          if (IS_TOKEN[byte] !== 1) return BAD_SYNTAX
          if (this.fieldCount === HEAD_FIELDS_MAX) return HEAD_TOO_LARGE
          this.fields[this.fieldCount * 4] = at - base
          state = NAME
          break
        case END_LF:
          return byte === LF ? at + 1 : BAD_SYNTAX
        case TARGET:
          at = this.#scanTarget(bytes, at, stop)
          if (at - base - this.targetStart > REQUEST_LINE_BYTES_MAX) return LINE_TOO_LONG
          if (at === stop) break
          if (bytes[at] !== SPACE || at - base === this.targetStart) return BAD_SYNTAX
          this.targetEnd = at - base
          at++
          this.#matched = 0
          state = REQUEST_VERSION
          break
        case METHOD:
          while (at < stop && IS_TOKEN[bytes[at] as number] === 1) at++
          if (at - base - this.start > REQUEST_LINE_BYTES_MAX) return LINE_TOO_LONG
          if (at === stop) break
          if (bytes[at] !== SPACE || at - base === this.start) return BAD_SYNTAX
          this.methodEnd = at - base
          at++
          this.targetStart = at - base
          state = TARGET
          break
        case REQUEST_VERSION:
        case RESPONSE_VERSION: {
          const result = this.#version(byte)
          if (result < 0) return result
          at++
          if (result === 0) break
          state = state === REQUEST_VERSION ? LINE_LF : STATUS
          break
        }
        case LINE_LF:
          if (byte !== LF) return BAD_SYNTAX
          at++
          this.fieldsStart = at - base
          state = FIELD
          break
        case LEADING:
          if (byte === CR && this.#leading < LEADING_LINES_MAX) {
            this.#leading++
            at++
            state = LEADING_LF
            break
          }
          this.start = at - base
          state = METHOD
          break
        case LEADING_LF:
          if (byte !== LF) return BAD_SYNTAX
          at++
          state = LEADING
          break
        case STATUS: {
          const result = this.#statusByte(byte)
          if (result < 0) return BAD_SYNTAX
          at++
          if (result === 1) state = REASON
          if (result === 2) state = LINE_LF
          break
        }
        default: // REASON
          while (at < stop && IS_FIELD_VALUE[bytes[at] as number] === 1) at++
          if (at === stop) break
          if (bytes[at] !== CR) return BAD_SYNTAX
          at++
          state = LINE_LF
      }
    }
    this.#state = state
    this.#scanned = at - base
    return at >= limit ? HEAD_TOO_LARGE : NEED_MORE
  }

  #endName(bytes: Uint8Array, base: number, at: number): void {
    const slot = this.fieldCount * 4
    this.fields[slot + 1] = at - base
    const id = fieldId(bytes, base + (this.fields[slot] as number), at)
    this.ids[this.fieldCount] = id
    this.mask |= 1 << id
  }

  /** Cuts the white space at the end of a value. */
  #endValue(bytes: Uint8Array, base: number, at: number): void {
    const slot = this.fieldCount * 4
    const from = base + (this.fields[slot + 2] as number)
    let to = at
    while (to > from && (bytes[to - 1] === SPACE || bytes[to - 1] === TAB)) to--
    this.fields[slot + 3] = to - base
  }

  #scanTarget(bytes: Uint8Array, from: number, stop: number): number {
    let at = from
    while (at < stop) {
      const kind = TARGET_CLASS[bytes[at] as number] as number
      if (kind === 0) break
      // A dot whose predecessor was in an earlier piece counts as unusual: that only costs a closer look.
      if (kind === 2 || (kind === 3 && (at === from || bytes[at - 1] === SLASH))) {
        this.targetIsUnusual = true
      }
      at++
    }
    return at
  }

  /** @returns 1 when the version is complete, 0 while it is not, else the failure */
  #version(byte: number): number {
    const matched = this.#matched++
    if (matched < VERSION_TEXT.length) {
      if (byte === VERSION_TEXT.charCodeAt(matched)) return 0
      // `HTTP/2.0`: a version, but not one of ours.
      return matched === 5 && byte >= 0x30 && byte <= 0x39 ? BAD_VERSION : BAD_SYNTAX
    }
    if (matched === VERSION_TEXT.length) {
      this.versionMinor = byte - 0x30
      if (byte === 0x30 || byte === 0x31) return 0
      return byte > 0x31 && byte <= 0x39 ? BAD_VERSION : BAD_SYNTAX
    }
    const terminator = this.#firstState === RESPONSE_VERSION ? SPACE : CR
    if (byte !== terminator) return BAD_SYNTAX
    this.#matched = 0
    return 1
  }

  /** @returns 0 to go on, 1 when the reason follows, 2 at the end of the line, -1 when it is wrong */
  #statusByte(byte: number): number {
    if (this.#matched < 3) {
      if (byte < 0x30 || byte > 0x39) return -1
      this.status = this.status * 10 + (byte - 0x30)
      this.#matched++
      return 0
    }
    if (this.status < 100) return -1
    if (byte === SPACE) return 1
    // Seen in the wild without the space that RFC 9112 4 asks for before an empty reason.
    return byte === CR ? 2 : -1
  }
}
