/**
 * Cuts what arrives on a mux connection into frames, resumable at every byte.
 *
 * DATA is passed on as it comes, in pieces; every other frame once it is whole. Kind, flags, length and id are
 * checked before anything is allocated. Never throws; what it passes on is valid during the call only.
 * Bounds: holds at most one frame that is not DATA (64 KiB).
 */

import {
  DATA,
  DATA_BYTES_MAX,
  FLAG_END,
  FRAME_HEADER_BYTES,
  GOAWAY,
  HELLO,
  HELLO_BYTES,
  KIND_MAX,
  OPEN,
  PING,
  PONG,
  REQUEST,
  REQUEST_HTTP2,
  RESET,
  RESPONSE,
  TRAILERS,
  WINDOW,
} from './format.ts'

export interface FrameHandler {
  /** A whole frame that is not DATA: payload is `bytes[from, to)`. @returns false to stop reading for good */
  onFrame(
    kind: number,
    isEnd: boolean,
    id: number,
    bytes: Buffer,
    from: number,
    to: number,
  ): boolean
  /** A piece of a DATA frame; `isEnd` with the last piece of one that carries END. @returns as onFrame */
  onData(id: number, bytes: Buffer, from: number, to: number, isEnd: boolean): boolean
}

export class FrameReader {
  readonly #handler: FrameHandler
  #held: Buffer | undefined
  #heldBytes = 0
  #dataId = 0
  #dataRemaining = 0
  #dataEnds = false

  constructor(handler: FrameHandler) {
    this.#handler = handler
  }

  /** @returns false when the bytes are not valid frames, or the handler wants no more */
  read(bytes: Buffer, length: number): boolean {
    let at = 0
    if (this.#heldBytes > 0) {
      at = this.#fill(bytes, length)
      if (at < 0) return false
    }
    while (at < length) {
      if (this.#dataRemaining > 0) {
        at = this.#data(bytes, at, length)
        if (at < 0) return false
        continue
      }
      if (length - at < FRAME_HEADER_BYTES) return this.#hold(bytes, at, length)
      const size = ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number)
      if (!isValidHeader(bytes, at, size)) return false
      if (bytes[at] !== DATA && length - at < FRAME_HEADER_BYTES + size) {
        return this.#hold(bytes, at, length)
      }
      if (!this.#frame(bytes, at, size)) return false
      at += bytes[at] === DATA ? FRAME_HEADER_BYTES : FRAME_HEADER_BYTES + size
    }
    return true
  }

  #frame(bytes: Buffer, at: number, size: number): boolean {
    const kind = bytes[at] as number
    const isEnd = (bytes[at + 1] as number) === FLAG_END
    const id = bytes.readUInt32BE(at + 4)
    const from = at + FRAME_HEADER_BYTES
    if (kind !== DATA) return this.#handler.onFrame(kind, isEnd, id, bytes, from, from + size)
    if (size === 0) return this.#handler.onData(id, bytes, from, from, isEnd)
    this.#dataId = id
    this.#dataRemaining = size
    this.#dataEnds = isEnd
    return true
  }

  #data(bytes: Buffer, from: number, length: number): number {
    const to = Math.min(length, from + this.#dataRemaining)
    this.#dataRemaining -= to - from
    const isEnd = this.#dataEnds && this.#dataRemaining === 0
    return this.#handler.onData(this.#dataId, bytes, from, to, isEnd) ? to : -1
  }

  #hold(bytes: Buffer, from: number, to: number): true {
    // Room for a header first; `#fill` makes room for the payload once its length is known.
    const needed = Math.max(FRAME_HEADER_BYTES, to - from)
    if (this.#held === undefined || this.#held.length < needed) {
      this.#held = Buffer.allocUnsafe(Math.max(needed, 256))
    }
    this.#heldBytes = bytes.copy(this.#held, 0, from, to)
    return true
  }

  /** Completes the held frame from new bytes. @returns the position after what it took, -1 to stop */
  #fill(bytes: Buffer, length: number): number {
    let at = 0
    if (this.#heldBytes < FRAME_HEADER_BYTES) {
      at = this.#append(bytes, 0, Math.min(length, FRAME_HEADER_BYTES - this.#heldBytes))
      if (this.#heldBytes < FRAME_HEADER_BYTES) return at
    }
    const held = this.#held as Buffer
    const size = held.readUInt16BE(2)
    if (!isValidHeader(held, 0, size)) return -1
    if (held[0] === DATA) {
      this.#heldBytes = 0
      return this.#frame(held, 0, size) ? at : -1
    }
    const missing = FRAME_HEADER_BYTES + size - this.#heldBytes
    at = this.#append(bytes, at, Math.min(length, at + missing))
    if (this.#heldBytes < FRAME_HEADER_BYTES + size) return at
    const whole = this.#held as Buffer
    this.#heldBytes = 0
    // The handler may keep the connection busy with new bytes later: this buffer is not touched meanwhile.
    this.#held = undefined
    return this.#frame(whole, 0, size) ? at : -1
  }

  #append(bytes: Buffer, from: number, to: number): number {
    const needed = this.#heldBytes + (to - from)
    let held = this.#held as Buffer
    if (held.length < needed) {
      const size = held.readUInt16BE(2)
      const bigger = Buffer.allocUnsafe(FRAME_HEADER_BYTES + size)
      held.copy(bigger, 0, 0, this.#heldBytes)
      held = bigger
      this.#held = bigger
    }
    this.#heldBytes += bytes.copy(held, this.#heldBytes, from, to)
    return to
  }
}

function isValidHeader(bytes: Buffer, at: number, size: number): boolean {
  const kind = bytes[at] as number
  const flags = bytes[at + 1] as number
  if (kind === 0 || kind > KIND_MAX) return false
  const hasId =
    bytes[at + 4] !== 0 || bytes[at + 5] !== 0 || bytes[at + 6] !== 0 || bytes[at + 7] !== 0
  switch (kind) {
    case HELLO:
      return !hasId && flags === 0 && size === HELLO_BYTES
    case PING:
    case PONG:
    case GOAWAY:
      return !hasId && flags === 0 && size === 8
    case REQUEST:
    case REQUEST_HTTP2:
    case RESPONSE:
      return hasId && flags <= FLAG_END && size > 0
    case DATA:
      return hasId && flags <= FLAG_END && size <= DATA_BYTES_MAX
    case TRAILERS:
      return hasId && flags === FLAG_END && size > 0
    case WINDOW:
    case RESET:
      return hasId && flags === 0 && size === 4
    case OPEN:
      return hasId && flags === 0 && size === 0
    default:
      return false
  }
}
