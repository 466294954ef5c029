/**
 * One HTTP/2 connection without its streams: preface, settings, liveness, farewell, header blocks, and the frames in
 * between (RFC 9113 3.4, 4.3, 5.4, 6).
 *
 * Guarantees: a peer that breaks the format, or floods, is told so with GOAWAY and the right code, and cut; one that falls
 * silent while something is under way is found out by PING. What streams are is the owner's business
 * (server-connection.ts, client-connection.ts). Bounds: format.ts.
 */

import type { IdleSweep, Swept } from '../sockets/idle-sweep.ts'
import type { Turn } from '../sockets/turn.ts'
import type { Wire, WireHandler } from '../sockets/wire.ts'
import { FloodGuard } from './flood-guard.ts'
import {
  CONNECTION_WINDOW,
  CONTINUATION,
  CONTINUATIONS_MAX,
  ENHANCE_YOUR_CALM,
  EXTRA_WINDOW_MAX,
  FLAG_ACK,
  FLAG_END_HEADERS,
  FLAG_END_STREAM,
  FLAG_PADDED,
  FLAG_PRIORITY,
  FLOW_CONTROL_ERROR,
  FRAME_SIZE_ERROR,
  GOAWAY,
  HEADER_BLOCK_BYTES_MAX,
  HEADER_LIST_BYTES_MAX,
  HEADERS,
  NO_ERROR,
  PING,
  PREFACE,
  PRIORITY,
  PROTOCOL_ERROR,
  PUSH_PROMISE,
  RST_STREAM,
  SETTING_ENABLE_PUSH,
  SETTING_MAX_CONCURRENT_STREAMS,
  SETTING_MAX_HEADER_LIST_SIZE,
  SETTINGS,
  STREAMS_MAX,
  WINDOW_DEFAULT,
  WINDOW_UPDATE,
} from './format.ts'
import { type FrameHandler, FrameReader } from './frame-reader.ts'
import { FrameWriter } from './frame-writer.ts'
import { HpackDecoder } from './hpack-decoder.ts'
import { HpackEncoder } from './hpack-encoder.ts'
import { PeerSettings } from './peer-settings.ts'
import type { WindowBudget } from './receiving.ts'
import { ConnectionWindow } from './sending.ts'

/** Methods that return a number return an error code that ends the connection, or NO_ERROR. */
export interface LinkOwner {
  /** The highest stream of the peer that was taken. */
  readonly lastId: number
  /** The peer's settings are known: streams may begin. Called once. */
  onReady(): void
  /** A whole header block, still to be decoded with `link.decoder`. */
  onHeaders(id: number, isEnd: boolean, block: Buffer, from: number, to: number): number
  onDataFrame(id: number, size: number): number
  onData(id: number, bytes: Buffer, from: number, to: number, isEnd: boolean): number
  onPadding(id: number, size: number): void
  /** Room on one stream. */
  onWindow(id: number, bytes: number): number
  /** The first window of streams changed by so much, those that are open included. */
  onWindowChange(bytes: number): number
  onReset(id: number, code: number): number
  /** A stream named itself in a way that cannot be: it ends, the connection does not. */
  onStreamError(id: number, code: number): number
  onGoaway(lastId: number): void
  onPong(payload: string): void
  /** The socket takes more again. */
  onRoomy(): void
  /** Something waits for the peer, so its silence matters. */
  isBusy(): boolean
  onTick(tick: number): void
  /** The connection carries nothing more; its socket may still be closing. */
  onDown(): void
  /** The socket is closed; the last call. */
  onGone(): void
}

export interface Http2Deps {
  readonly turn: Turn
  readonly sweep: IdleSweep
}

/** Silence during a stream before a PING, and silence after it before the peer counts as lost. */
const PING_AFTER_TICKS = 10
const PING_LOST_TICKS = 10
const PING_PAYLOAD = 'fairlead'
/** The peer must send its preface and settings within this, and a header block once begun. */
const SETTINGS_TICKS = 6
const BLOCK_TICKS = 61
/** How long the peer may take to read our last words. */
const LINGER_TICKS = 2
const NOTHING = Buffer.alloc(0)

export class Http2Link implements WireHandler, FrameHandler, Swept {
  readonly out: FrameWriter
  readonly decoder = new HpackDecoder()
  readonly encoder = new HpackEncoder()
  readonly peer = new PeerSettings()
  readonly sendWindow = new ConnectionWindow()
  readonly budget: WindowBudget = { extraBytes: EXTRA_WINDOW_MAX }
  readonly floods: FloodGuard
  isReady = false
  isDown = false
  readonly #wire: Wire
  readonly #owner: LinkOwner
  readonly #sweep: IdleSweep
  readonly #reader: FrameReader
  readonly #isServer: boolean
  #startTick: number
  #lastTick: number
  #pingTick = -1
  /** Room of the connection: what the peer may still send, and what it was not told of yet. */
  #room = CONNECTION_WINDOW
  #owed = 0
  /** The stream whose header block is not whole yet, 0 for none. */
  #blockId = 0
  #blockEnds = false
  #block: Buffer = NOTHING
  #continuations = 0
  #blockTick = 0
  #isLingering = false
  #isGone = false

  constructor(
    wire: Wire,
    role: 'server' | 'client',
    deps: Http2Deps & { readonly owner: LinkOwner },
  ) {
    this.#wire = wire
    this.#owner = deps.owner
    this.#sweep = deps.sweep
    this.#startTick = deps.sweep.tick
    this.#lastTick = deps.sweep.tick
    this.#isServer = role === 'server'
    this.floods = new FloodGuard(deps.sweep)
    this.#reader = new FrameReader(this, { expectsPreface: this.#isServer })
    this.out = new FrameWriter(wire, deps.turn)
    wire.handler = this
    deps.sweep.add(this)
    this.#greet()
  }

  /** Ends the connection after what is waiting has been sent. */
  close(code: number): void {
    if (this.isDown) return
    this.out.goaway(this.#owner.lastId, code)
    this.out.flush()
    this.#wire.end()
    // The rest of what the peer sends is read and dropped: to close at once could take our last words with it.
    this.#isLingering = true
    this.#startTick = this.#sweep.tick
    this.#down()
  }

  destroy(): void {
    this.#wire.destroy()
    this.onClosed()
  }

  onBytes(bytes: Buffer, length: number): void {
    if (this.isDown) return
    this.#lastTick = this.#sweep.tick
    const code = this.#reader.read(bytes, length)
    if (code !== NO_ERROR) this.close(code)
    else if (this.out.isIgnored) this.close(ENHANCE_YOUR_CALM)
  }

  onEnd(): void {
    // With our own end sent both directions are over, and the socket closes by itself.
    if (!this.#isLingering) this.destroy()
  }

  onDrain(): void {
    this.out.onDrain()
    if (!this.isDown) this.#owner.onRoomy()
  }

  onClosed(): void {
    if (this.#isGone) return
    this.#isGone = true
    this.#sweep.remove(this)
    this.#down()
    this.#owner.onGone()
  }

  onTick(tick: number): void {
    if (this.#isLingering) {
      if (tick - this.#startTick > LINGER_TICKS) this.destroy()
    } else if (!this.isReady) {
      if (tick - this.#startTick > SETTINGS_TICKS) this.destroy()
    } else if (this.#blockId !== 0 && tick - this.#blockTick > BLOCK_TICKS) {
      this.close(ENHANCE_YOUR_CALM)
    } else if (this.#pingTick >= 0 && tick - this.#pingTick > PING_LOST_TICKS) {
      this.destroy()
    } else {
      const isSilent = this.#pingTick < 0 && tick - this.#lastTick > PING_AFTER_TICKS
      if (isSilent && this.#owner.isBusy()) {
        this.#pingTick = tick
        this.out.ping(PING_PAYLOAD, false)
      }
      this.#owner.onTick(tick)
    }
  }

  onFrame(
    type: number,
    flags: number,
    id: number,
    bytes: Buffer,
    from: number,
    to: number,
  ): number {
    if (this.#blockId !== 0 && (type !== CONTINUATION || id !== this.#blockId)) {
      return PROTOCOL_ERROR
    }
    if (!this.isReady && (type !== SETTINGS || (flags & FLAG_ACK) !== 0)) return PROTOCOL_ERROR
    const code = this.#dispatch(type, flags, id, bytes, from, to)
    return this.#answer(code)
  }

  onDataFrame(id: number, size: number): number {
    if (this.#blockId !== 0 || !this.isReady || id === 0) return PROTOCOL_ERROR
    // A frame that carries next to nothing costs as much as any.
    if (size === 0 && !this.floods.takesControl()) return ENHANCE_YOUR_CALM
    this.#room -= size
    if (this.#room < 0) return FLOW_CONTROL_ERROR
    this.#owed += size
    if (this.#owed * 2 >= CONNECTION_WINDOW) {
      this.out.window(0, this.#owed)
      this.#room += this.#owed
      this.#owed = 0
    }
    return this.#answer(this.#owner.onDataFrame(id, size))
  }

  onData(id: number, bytes: Buffer, from: number, to: number, isEnd: boolean): number {
    return this.#answer(this.#owner.onData(id, bytes, from, to, isEnd))
  }

  onPadding(id: number, size: number): void {
    this.#owner.onPadding(id, size)
  }

  #dispatch(
    type: number,
    flags: number,
    id: number,
    bytes: Buffer,
    from: number,
    to: number,
  ): number {
    const size = to - from
    switch (type) {
      case HEADERS:
        return this.#onHeaders(flags, id, bytes, from, to)
      case CONTINUATION:
        return this.#onContinuation(flags, bytes, from, to)
      case PRIORITY:
        if (id === 0) return PROTOCOL_ERROR
        if (!this.floods.takesControl()) return ENHANCE_YOUR_CALM
        if (size !== 5) return this.#owner.onStreamError(id, FRAME_SIZE_ERROR)
        return dependsOnItself(id, bytes, from)
          ? this.#owner.onStreamError(id, PROTOCOL_ERROR)
          : NO_ERROR
      case RST_STREAM:
        if (size !== 4) return FRAME_SIZE_ERROR
        return id === 0 ? PROTOCOL_ERROR : this.#owner.onReset(id, bytes.readUInt32BE(from))
      case SETTINGS:
        return id === 0 ? this.#onSettings(flags, bytes, from, to) : PROTOCOL_ERROR
      case PING:
        if (size !== 8) return FRAME_SIZE_ERROR
        return id === 0 ? this.#onPing(flags, bytes.toString('latin1', from, to)) : PROTOCOL_ERROR
      case GOAWAY:
        if (size < 8) return FRAME_SIZE_ERROR
        if (id !== 0) return PROTOCOL_ERROR
        this.#owner.onGoaway(bytes.readUInt32BE(from) & 0x7fffffff)
        return NO_ERROR
      case WINDOW_UPDATE:
        if (size !== 4) return FRAME_SIZE_ERROR
        return this.#onWindow(id, bytes.readUInt32BE(from) & 0x7fffffff)
      case PUSH_PROMISE:
        // A client may not, and a server was told not to.
        return PROTOCOL_ERROR
      default:
        // Frames of extensions we do not know (RFC 9113 5.5).
        return this.floods.takesControl() ? NO_ERROR : ENHANCE_YOUR_CALM
    }
  }

  #onHeaders(flags: number, id: number, bytes: Buffer, from: number, to: number): number {
    if (id === 0) return PROTOCOL_ERROR
    let at = from
    let end = to
    if ((flags & FLAG_PADDED) !== 0) {
      if (at === end) return FRAME_SIZE_ERROR
      end -= bytes[at++] as number
    }
    let isOwnParent = false
    if ((flags & FLAG_PRIORITY) !== 0) {
      if (to - at < 5) return FRAME_SIZE_ERROR
      isOwnParent = dependsOnItself(id, bytes, at)
      at += 5
    }
    if (end < at) return PROTOCOL_ERROR
    if (isOwnParent) return PROTOCOL_ERROR
    const isEnd = (flags & FLAG_END_STREAM) !== 0
    if ((flags & FLAG_END_HEADERS) !== 0) return this.#owner.onHeaders(id, isEnd, bytes, at, end)
    this.#blockId = id
    this.#blockEnds = isEnd
    this.#block = Buffer.from(bytes.subarray(at, end))
    this.#continuations = 0
    this.#blockTick = this.#sweep.tick
    return NO_ERROR
  }

  #onContinuation(flags: number, bytes: Buffer, from: number, to: number): number {
    const id = this.#blockId
    if (id === 0) return PROTOCOL_ERROR
    if (++this.#continuations > CONTINUATIONS_MAX) return ENHANCE_YOUR_CALM
    if (this.#block.length + (to - from) > HEADER_BLOCK_BYTES_MAX) return ENHANCE_YOUR_CALM
    const block = Buffer.concat([this.#block, bytes.subarray(from, to)])
    this.#block = block
    if ((flags & FLAG_END_HEADERS) === 0) return NO_ERROR
    this.#blockId = 0
    this.#block = NOTHING
    return this.#owner.onHeaders(id, this.#blockEnds, block, 0, block.length)
  }

  #onSettings(flags: number, bytes: Buffer, from: number, to: number): number {
    const size = to - from
    if ((flags & FLAG_ACK) !== 0) return size === 0 ? NO_ERROR : FRAME_SIZE_ERROR
    if (size % 6 !== 0) return FRAME_SIZE_ERROR
    if (!this.floods.takesAnswered()) return ENHANCE_YOUR_CALM
    const windowBefore = this.peer.initialWindow
    const code = this.peer.read(bytes, from, to, this.#isServer)
    if (code !== NO_ERROR) return code
    this.encoder.resize(this.peer.headerTableBytes)
    this.out.settingsAck()
    const change = this.peer.initialWindow - windowBefore
    const outcome = change === 0 ? NO_ERROR : this.#owner.onWindowChange(change)
    if (outcome === NO_ERROR && !this.isReady) {
      this.isReady = true
      this.#owner.onReady()
    }
    return outcome
  }

  #onPing(flags: number, payload: string): number {
    if ((flags & FLAG_ACK) !== 0) {
      this.#pingTick = -1
      this.#owner.onPong(payload)
      return this.floods.takesControl() ? NO_ERROR : ENHANCE_YOUR_CALM
    }
    this.out.ping(payload, true)
    return this.floods.takesAnswered() ? NO_ERROR : ENHANCE_YOUR_CALM
  }

  #onWindow(id: number, bytes: number): number {
    if (!this.floods.takesControl()) return ENHANCE_YOUR_CALM
    if (id !== 0) return this.#owner.onWindow(id, bytes)
    if (bytes === 0) return PROTOCOL_ERROR
    return this.sendWindow.grant(bytes) ? NO_ERROR : FLOW_CONTROL_ERROR
  }

  /** The owner may have ended the connection meanwhile: then nothing more of these bytes is read. */
  #answer(code: number): number {
    return this.isDown && code === NO_ERROR ? PROTOCOL_ERROR : code
  }

  #greet(): void {
    const common = [SETTING_MAX_HEADER_LIST_SIZE, HEADER_LIST_BYTES_MAX] as const
    if (this.#isServer) {
      this.out.settings([[SETTING_MAX_CONCURRENT_STREAMS, STREAMS_MAX], common])
    } else {
      this.out.raw(PREFACE)
      this.out.settings([[SETTING_ENABLE_PUSH, 0], common])
    }
    this.out.window(0, CONNECTION_WINDOW - WINDOW_DEFAULT)
  }

  #down(): void {
    if (this.isDown) return
    this.isDown = true
    this.#owner.onDown()
  }
}

function dependsOnItself(id: number, bytes: Buffer, from: number): boolean {
  return (bytes.readUInt32BE(from) & 0x7fffffff) === id
}
