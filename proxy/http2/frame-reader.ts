/**
 * Cuts what arrives on an HTTP/2 connection into frames (RFC 9113 4.1), resumable at every byte.
 *
 * DATA is passed on as it comes, in pieces, without its padding; every other frame once it is whole. Lengths are
 * checked before anything is allocated. Never throws; what it passes on is valid during the call only. Which
 * frames may come when is link.ts. Bounds: holds at most one frame that is not DATA.
 */

import {
  DATA,
  FLAG_END_STREAM,
  FLAG_PADDED,
  FRAME_BYTES_MAX,
  FRAME_HEADER_BYTES,
  FRAME_SIZE_ERROR,
  NO_ERROR,
  PREFACE,
  PROTOCOL_ERROR,
} from './format.ts'

/** Each method returns an error code that ends the connection, or NO_ERROR. */
export interface FrameHandler {
  /** A whole frame that is not DATA: payload is `bytes[from, to)`. */
  onFrame(type: number, flags: number, id: number, bytes: Buffer, from: number, to: number): number
  /** A DATA frame begins; `size` counts its padding too. */
  onDataFrame(id: number, size: number): number
  /** A piece of it; `isEnd` with the last piece of one that ends the stream. May be empty. */
  onData(id: number, bytes: Buffer, from: number, to: number, isEnd: boolean): number
  /** So many bytes of it are padding. */
  onPadding(id: number, size: number): void
}

export class FrameReader {
  readonly #handler: FrameHandler
  /** Bytes of the preface that must still come. */
  #prefaceLeft: number
  #held: Buffer | undefined
  #heldBytes = 0
  /** Of the DATA frame under way: what must still come of its body and of its padding. */
  #dataId = 0
  #dataLeft = 0
  #paddingLeft = 0
  #dataEnds = false
  #isPadLengthNext = false

  constructor(handler: FrameHandler, options: { readonly expectsPreface: boolean }) {
    this.#handler = handler
    this.#prefaceLeft = options.expectsPreface ? PREFACE.length : 0
  }

  /** @returns NO_ERROR, or the code to end the connection with */
  read(bytes: Buffer, length: number): number {
    let at = 0
    if (this.#prefaceLeft > 0) {
      at = this.#preface(bytes, length)
      if (at < 0) return PROTOCOL_ERROR
    }
    while (at < length) {
      let code: number
      if (this.#dataLeft > 0 || this.#isPadLengthNext) {
        const to = this.#isPadLengthNext ? at + 1 : Math.min(length, at + this.#dataLeft)
        code = this.#isPadLengthNext
          ? this.#padLength(bytes[at] as number)
          : this.#data(bytes, at, to)
        at = to
      } else if (this.#paddingLeft > 0) {
        const to = Math.min(length, at + this.#paddingLeft)
        this.#paddingLeft -= to - at
        at = to
        code = NO_ERROR
      } else if (this.#heldBytes > 0 || length - at < FRAME_HEADER_BYTES) {
        const to = this.#hold(bytes, at, length)
        at = to
        code = this.#heldFrame()
      } else {
        const size = bytes.readUIntBE(at, 3)
        if (size > FRAME_BYTES_MAX) return FRAME_SIZE_ERROR
        const type = bytes[at + 3] as number
        if (type !== DATA && length - at < FRAME_HEADER_BYTES + size) {
          at = this.#hold(bytes, at, length)
          continue
        }
        code = this.#frame(bytes, at, size)
        at += type === DATA ? FRAME_HEADER_BYTES : FRAME_HEADER_BYTES + size
      }
      if (code !== NO_ERROR) return code
    }
    return NO_ERROR
  }

  #preface(bytes: Buffer, length: number): number {
    let at = 0
    for (; at < length && this.#prefaceLeft > 0; at++, this.#prefaceLeft--) {
      if (bytes[at] !== PREFACE.charCodeAt(PREFACE.length - this.#prefaceLeft)) return -1
    }
    return at
  }

  #frame(bytes: Buffer, at: number, size: number): number {
    const type = bytes[at + 3] as number
    const flags = bytes[at + 4] as number
    const id = bytes.readUInt32BE(at + 5) & 0x7fffffff
    const from = at + FRAME_HEADER_BYTES
    if (type !== DATA) return this.#handler.onFrame(type, flags, id, bytes, from, from + size)
    const code = this.#handler.onDataFrame(id, size)
    if (code !== NO_ERROR) return code
    this.#dataId = id
    this.#dataEnds = (flags & FLAG_END_STREAM) !== 0
    this.#dataLeft = size
    this.#isPadLengthNext = (flags & FLAG_PADDED) !== 0
    if (this.#isPadLengthNext) return size === 0 ? FRAME_SIZE_ERROR : NO_ERROR
    return size === 0 ? this.#handler.onData(id, bytes, from, from, this.#dataEnds) : NO_ERROR
  }

  #padLength(padding: number): number {
    this.#isPadLengthNext = false
    const left = this.#dataLeft - 1
    if (padding > left) return PROTOCOL_ERROR
    this.#dataLeft = left - padding
    this.#paddingLeft = padding
    this.#handler.onPadding(this.#dataId, padding + 1)
    if (this.#dataLeft > 0) return NO_ERROR
    return this.#handler.onData(this.#dataId, NOTHING, 0, 0, this.#dataEnds)
  }

  #data(bytes: Buffer, from: number, to: number): number {
    this.#dataLeft -= to - from
    const isEnd = this.#dataEnds && this.#dataLeft === 0
    return this.#handler.onData(this.#dataId, bytes, from, to, isEnd)
  }

  /** Keeps bytes of a frame until it, or the header of a DATA frame, is whole. @returns the position after them */
  #hold(bytes: Buffer, from: number, to: number): number {
    this.#held ??= Buffer.allocUnsafe(256)
    const isHeaderKnown = this.#heldBytes >= FRAME_HEADER_BYTES
    const size = isHeaderKnown ? this.#held.readUIntBE(0, 3) : 0
    // The header first: what else must be kept is not known before.
    const wanted = FRAME_HEADER_BYTES + size - this.#heldBytes
    const take = Math.min(wanted, to - from)
    const needed = this.#heldBytes + take
    if (this.#held.length < needed) {
      const bigger = Buffer.allocUnsafe(FRAME_HEADER_BYTES + size)
      this.#held.copy(bigger, 0, 0, this.#heldBytes)
      this.#held = bigger
    }
    bytes.copy(this.#held, this.#heldBytes, from, from + take)
    this.#heldBytes = needed
    return from + take
  }

  #heldFrame(): number {
    if (this.#heldBytes < FRAME_HEADER_BYTES) return NO_ERROR
    const held = this.#held as Buffer
    const size = held.readUIntBE(0, 3)
    if (size > FRAME_BYTES_MAX) return FRAME_SIZE_ERROR
    if (held[3] !== DATA && this.#heldBytes < FRAME_HEADER_BYTES + size) return NO_ERROR
    this.#heldBytes = 0
    // Given up: the handler may read on, into another buffer, before it returns.
    this.#held = undefined
    return this.#frame(held, 0, size)
  }
}

const NOTHING = Buffer.alloc(0)
