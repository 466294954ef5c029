/**
 * Writes frames as text that leaves at the end of the turn of the event loop, all of a turn in one write.
 *
 * The last small DATA frame of a turn is held back until the turn ends or another frame follows, so that an end that
 * comes right after it costs no frame of its own. Answers that a peer must be given are counted while it does not read.
 * Bounds: UNREAD_ANSWERS_MAX of them; the rest is bounded by the peer's windows.
 */

import type { Flushable, Turn } from '../sockets/turn.ts'
import type { Wire } from '../sockets/wire.ts'
import {
  CONTINUATION,
  DATA,
  FLAG_ACK,
  FLAG_END_HEADERS,
  FLAG_END_STREAM,
  FRAME_BYTES_MAX,
  GOAWAY,
  HEADERS,
  PING,
  RST_STREAM,
  SETTINGS,
  UNREAD_ANSWERS_MAX,
  WINDOW_UPDATE,
} from './format.ts'

/** Payloads up to this are held back as text; larger ones are copied once, into the buffer that is sent. */
const HELD_BYTES_MAX = 2048
const TEXT_MAX = 32 * 1024

export class FrameWriter implements Flushable {
  readonly #wire: Wire
  readonly #turn: Turn
  #text = ''
  /** Stream and payload of the DATA frame held back; 0 for none. */
  #heldId = 0
  #held = ''
  #isDirty = false
  #answers = 0

  constructor(wire: Wire, turn: Turn) {
    this.#wire = wire
    this.#turn = turn
  }

  /** False while the socket holds more than it wants to; the wire's drain ends that. */
  get isRoomy(): boolean {
    return this.#wire.isRoomy
  }

  /** The peer asks and does not read what it is told. */
  get isIgnored(): boolean {
    return this.#answers > UNREAD_ANSWERS_MAX
  }

  onDrain(): void {
    this.#answers = 0
  }

  /** The preface of a client. */
  raw(text: string): void {
    this.#add(text)
  }

  /** A header block in as many frames as it takes. */
  headers(id: number, block: string, isEnd: boolean): void {
    const end = isEnd ? FLAG_END_STREAM : 0
    if (block.length <= FRAME_BYTES_MAX) {
      this.#add(header(block.length, HEADERS, end | FLAG_END_HEADERS, id) + block)
      return
    }
    let text = header(FRAME_BYTES_MAX, HEADERS, end, id) + block.slice(0, FRAME_BYTES_MAX)
    for (let at = FRAME_BYTES_MAX; at < block.length; at += FRAME_BYTES_MAX) {
      const part = block.slice(at, at + FRAME_BYTES_MAX)
      const flags = at + part.length === block.length ? FLAG_END_HEADERS : 0
      text += header(part.length, CONTINUATION, flags, id) + part
    }
    this.#add(text)
  }

  /** A frame with a copy of `bytes[from, to)`, at most FRAME_BYTES_MAX. */
  data(id: number, bytes: Buffer, from: number, to: number): void {
    const size = to - from
    if (size <= HELD_BYTES_MAX) {
      const text = bytes.toString('latin1', from, to)
      // Small pieces of one stream become one frame.
      if (this.#heldId === id && this.#held.length + size <= HELD_BYTES_MAX) {
        this.#held += text
        return
      }
      this.#release()
      this.#heldId = id
      this.#held = text
      this.#markDirty()
      return
    }
    this.#add(header(size, DATA, 0, id))
    this.#handOver()
    this.#wire.writeBytes(bytes, from, to)
  }

  endData(id: number): void {
    if (this.#heldId !== id) {
      this.#add(header(0, DATA, FLAG_END_STREAM, id))
      return
    }
    const payload = this.#held
    this.#heldId = 0
    this.#held = ''
    this.#add(header(payload.length, DATA, FLAG_END_STREAM, id) + payload)
  }

  reset(id: number, code: number): void {
    if (this.#heldId === id) {
      this.#heldId = 0
      this.#held = ''
    }
    this.#add(header(4, RST_STREAM, 0, id) + number32(code))
    this.#countAnswer()
  }

  window(id: number, bytes: number): void {
    this.#add(header(4, WINDOW_UPDATE, 0, id) + number32(bytes))
  }

  /** @param settings pairs of identifier and value */
  settings(settings: readonly (readonly [id: number, value: number])[]): void {
    let text = header(settings.length * 6, SETTINGS, 0, 0)
    for (const [id, value] of settings)
      text += String.fromCharCode(id >>> 8, id & 255) + number32(value)
    this.#add(text)
  }

  settingsAck(): void {
    this.#add(header(0, SETTINGS, FLAG_ACK, 0))
    this.#countAnswer()
  }

  /** @param payload eight characters */
  ping(payload: string, isAck: boolean): void {
    this.#add(header(8, PING, isAck ? FLAG_ACK : 0, 0) + payload)
    if (isAck) this.#countAnswer()
  }

  goaway(lastId: number, code: number): void {
    this.#add(header(8, GOAWAY, 0, 0) + number32(lastId) + number32(code))
  }

  flush(): void {
    this.#isDirty = false
    this.#release()
    this.#handOver()
    this.#wire.flush()
  }

  #countAnswer(): void {
    if (!this.#wire.isRoomy) this.#answers++
  }

  #add(text: string): void {
    this.#release()
    this.#text += text
    if (this.#text.length > TEXT_MAX) {
      this.#handOver()
      this.#wire.flush()
    }
    this.#markDirty()
  }

  /** The frame held back takes its place before what follows. */
  #release(): void {
    const id = this.#heldId
    if (id === 0) return
    const payload = this.#held
    this.#heldId = 0
    this.#held = ''
    this.#text += header(payload.length, DATA, 0, id) + payload
  }

  #handOver(): void {
    const text = this.#text
    this.#text = ''
    if (text.length > 0) this.#wire.holdText(text)
  }

  #markDirty(): void {
    if (this.#isDirty) return
    this.#isDirty = true
    this.#turn.add(this)
  }
}

function header(size: number, type: number, flags: number, id: number): string {
  return String.fromCharCode(
    size >>> 16,
    (size >>> 8) & 255,
    size & 255,
    type,
    flags,
    id >>> 24,
    (id >>> 16) & 255,
    (id >>> 8) & 255,
    id & 255,
  )
}

function number32(value: number): string {
  return String.fromCharCode(
    (value >>> 24) & 255,
    (value >>> 16) & 255,
    (value >>> 8) & 255,
    value & 255,
  )
}
