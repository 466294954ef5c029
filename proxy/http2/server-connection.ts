/**
 * The called side of an HTTP/2 connection: turns streams into calls on the listener's route.
 *
 * Guarantees: heads are held to the same rules as those of HTTP/1 from anywhere; each exchange can be judged again at any
 * time; a drain takes what was on its way before the peer knew. Bounds: STREAMS_MAX at once, more are refused.
 */

import { ExchangeTable } from '../exchange/exchange-table.ts'
import type { HttpRoute } from '../exchange/http-route.ts'
import { generatedReply, type HttpDate, refusalCode } from '../http1/replies.ts'
import { type IdleSweep, ticksOf } from '../sockets/idle-sweep.ts'
import type { Wire } from '../sockets/wire.ts'
import {
  COMPRESSION_ERROR,
  ENHANCE_YOUR_CALM,
  FLOW_CONTROL_ERROR,
  NO_ERROR,
  PROTOCOL_ERROR,
  REFUSED_STREAM,
  STREAM_CLOSED,
  STREAM_ID_MAX,
  STREAMS_MAX,
} from './format.ts'
import { type Http2Deps, Http2Link, type LinkOwner } from './link.ts'
import { MALFORMED, RequestFields } from './request-fields.ts'
import { ResetMemory } from './reset-memory.ts'
import { ServerStream, type ServerStreamOwner } from './server-stream.ts'
import { NOBODY, TrailerFields } from './trailer-fields.ts'

const IDLE_TICKS = ticksOf(3_600_000)
/** The answer to this PING tells that the peer has read what it was told before. */
const DRAIN_PAYLOAD = 'draining'
const DRAIN_TICKS = 2

export class Http2ServerConnection implements LinkOwner, ServerStreamOwner {
  readonly link: Http2Link
  /** Of the streams that were taken. */
  lastId = 0
  readonly #route: HttpRoute
  readonly #date: HttpDate
  readonly #sweep: IdleSweep
  readonly #streams = new ExchangeTable<ServerStream>()
  readonly #resets = new ResetMemory()
  readonly #request = new RequestFields()
  readonly #trailers = new TrailerFields()
  /** Tick at which the peer was told that an end is near, -1 before. */
  #warnedTick = -1
  /** The peer was told which streams were taken: no more are. */
  #isDraining = false
  #idleSince: number
  #drainsWhenReady = false

  constructor(wire: Wire, route: HttpRoute, deps: Http2Deps & { readonly date: HttpDate }) {
    this.#route = route
    this.#date = deps.date
    this.#sweep = deps.sweep
    this.#idleSince = deps.sweep.tick
    this.link = new Http2Link(wire, 'server', { ...deps, owner: this })
  }

  get streams(): Iterable<ServerStream> {
    return this.#streams.values()
  }

  /**
   * Tells the peer to open no more streams; the connection ends with the last one.
   *
   * @param isPatient a peer that has not said anything yet is heard first
   */
  drain(isPatient = false): void {
    if (this.#warnedTick >= 0 || this.link.isDown) return
    if (!this.link.isReady) {
      if (isPatient) this.#drainsWhenReady = true
      else this.link.close(NO_ERROR)
      return
    }
    this.#warnedTick = this.#sweep.tick
    this.link.out.goaway(STREAM_ID_MAX, NO_ERROR)
    this.link.out.ping(DRAIN_PAYLOAD, false)
  }

  destroy(): void {
    this.link.destroy()
  }

  forget(stream: ServerStream, wasReset: boolean): void {
    this.#streams.delete(stream.id)
    if (wasReset) this.#resets.add(stream.id, 'us')
    if (this.#streams.size > 0) return
    this.#idleSince = this.#sweep.tick
    if (this.#isDraining) this.link.close(NO_ERROR)
  }

  httpDate(): string {
    return this.#date.text
  }

  onReady(): void {
    if (this.#drainsWhenReady) this.drain()
  }

  isBusy(): boolean {
    return this.#streams.size > 0
  }

  onHeaders(id: number, isEnd: boolean, block: Buffer, from: number, to: number): number {
    const { decoder } = this.link
    if (id > this.lastId) return this.#onRequest(id, isEnd, block, from, to)
    const stream = this.#streams.get(id)
    const sink = stream === undefined ? NOBODY : this.#trailers
    this.#trailers.reset()
    if (!decoder.decode(block, from, to, sink)) return COMPRESSION_ERROR
    if (stream === undefined) return this.#onClosedStream(id, true)
    if (stream.isRequestWhole) return this.#breach(stream, STREAM_CLOSED)
    const isValid = isEnd && !this.#trailers.isMalformed && !decoder.isTooLarge
    return this.#breach(
      stream,
      isValid ? stream.onRequestTrailers(this.#trailers.text) : PROTOCOL_ERROR,
    )
  }

  onDataFrame(id: number, size: number): number {
    const stream = this.#streams.get(id)
    if (stream !== undefined) return this.#breach(stream, stream.onRequestFrame(size))
    return id > this.lastId ? PROTOCOL_ERROR : this.#onClosedStream(id, false)
  }

  onData(id: number, bytes: Buffer, from: number, to: number, isEnd: boolean): number {
    const stream = this.#streams.get(id)
    if (stream === undefined) return NO_ERROR
    return this.#breach(stream, stream.onRequestData(bytes, from, to, isEnd))
  }

  onPadding(id: number, size: number): void {
    this.#streams.get(id)?.onPadding(size)
  }

  onWindow(id: number, bytes: number): number {
    const stream = this.#streams.get(id)
    if (stream === undefined) return id > this.lastId ? PROTOCOL_ERROR : NO_ERROR
    if (bytes === 0) return this.#breach(stream, PROTOCOL_ERROR)
    return this.#breach(stream, stream.onWindow(bytes) ? NO_ERROR : FLOW_CONTROL_ERROR)
  }

  onWindowChange(bytes: number): number {
    for (const stream of this.#streams.values()) {
      if (!stream.onWindow(bytes)) return FLOW_CONTROL_ERROR
    }
    return NO_ERROR
  }

  onReset(id: number): number {
    if (id > this.lastId) return PROTOCOL_ERROR
    const stream = this.#streams.get(id)
    if (stream === undefined) return this.link.floods.takesControl() ? NO_ERROR : ENHANCE_YOUR_CALM
    this.#resets.add(id, 'peer')
    return stream.onReset() && !this.link.floods.takesReset() ? ENHANCE_YOUR_CALM : NO_ERROR
  }

  onStreamError(id: number, code: number): number {
    const stream = this.#streams.get(id)
    return stream === undefined ? code : this.#breach(stream, code)
  }

  onGoaway(): void {
    this.drain()
  }

  onPong(payload: string): void {
    if (payload === DRAIN_PAYLOAD) this.#finishDrain()
  }

  onRoomy(): void {
    for (const stream of this.#streams.values()) stream.onRoomy()
  }

  onTick(tick: number): void {
    if (this.#warnedTick >= 0) {
      if (tick - this.#warnedTick >= DRAIN_TICKS) this.#finishDrain()
    } else if (this.#streams.size === 0 && tick - this.#idleSince > IDLE_TICKS) {
      this.drain()
    }
  }

  onDown(): void {
    const streams = this.#streams.values()
    this.#streams.clear()
    for (const stream of streams) stream.drop()
  }

  onGone(): void {
    this.#route.onConnectionClosed(this)
  }

  #onRequest(id: number, isEnd: boolean, block: Buffer, from: number, to: number): number {
    if (id % 2 === 0) return PROTOCOL_ERROR
    const { decoder } = this.link
    const request = this.#request
    request.reset()
    if (!decoder.decode(block, from, to, request)) return COMPRESSION_ERROR
    if (this.#isDraining || this.#streams.size >= STREAMS_MAX) {
      // A stream that was refused after the last GOAWAY stays above what that said was taken.
      if (!this.#isDraining) this.lastId = id
      return this.#refuse(id)
    }
    this.lastId = id
    const head = decoder.isTooLarge ? 431 : request.head(isEnd, this.#route.normalisePaths)
    if (head === MALFORMED) {
      this.link.out.reset(id, PROTOCOL_ERROR)
      this.#resets.add(id, 'us')
      return this.link.floods.takesReset() ? NO_ERROR : ENHANCE_YOUR_CALM
    }
    const isRefused = typeof head === 'number'
    const stream = new ServerStream(this, { id, head: isRefused ? undefined : head }, isEnd)
    this.#streams.set(id, stream)
    if (isRefused) {
      const { isHead } = request
      const date = this.#date.text
      stream.reply(
        generatedReply(refusalCode(head), { status: head, request: undefined, isHead, date }),
      )
    } else {
      stream.begin(this.#route.open(head, stream))
    }
    return NO_ERROR
  }

  #refuse(id: number): number {
    this.link.out.reset(id, REFUSED_STREAM)
    this.#resets.add(id, 'us')
    return this.link.floods.takesControl() ? NO_ERROR : ENHANCE_YOUR_CALM
  }

  /** Frames of a stream that was reset here may have been on their way; others have no business (RFC 9113 5.1). */
  #onClosedStream(id: number, isHead: boolean): number {
    const by = this.#resets.whoReset(id)
    if (by === 'us') return this.link.floods.takesControl() ? NO_ERROR : ENHANCE_YOUR_CALM
    if (by === undefined && isHead) return STREAM_CLOSED
    this.link.out.reset(id, STREAM_CLOSED)
    return this.link.floods.takesReset() ? NO_ERROR : ENHANCE_YOUR_CALM
  }

  /** Ends a stream whose rules were broken. @returns what that means for the connection */
  #breach(stream: ServerStream, code: number): number {
    if (code === NO_ERROR) return NO_ERROR
    stream.reset(code)
    return this.link.floods.takesReset() ? NO_ERROR : ENHANCE_YOUR_CALM
  }

  #finishDrain(): void {
    if (this.#isDraining || this.link.isDown) return
    this.#isDraining = true
    if (this.#streams.size === 0) this.link.close(NO_ERROR)
    else this.link.out.goaway(this.lastId, NO_ERROR)
  }
}
