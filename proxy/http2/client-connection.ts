/**
 * The calling side of an HTTP/2 connection: opens streams and hands each frame to the one it belongs to.
 *
 * Guarantees: ready only after the peer's settings, so a stream that fails before was never sent. When the connection ends,
 * every stream is told, with `never-sent` for those that GOAWAY says were not taken and those opened since the last
 * bytes left. Bounds: the peer's limit on streams; ids until STREAM_ID_MAX.
 */

import { ExchangeTable } from '../exchange/exchange-table.ts'
import type {
  SharedConnection,
  SharedConnectionOptions,
  SharedConnectionOwner,
} from '../exchange/shared-connection.ts'
import type { Failure, RequestSink, ResponseSink } from '../exchange/types.ts'
import type { RequestHead } from '../http1/message.ts'
import { disconnectReason, type HttpDate } from '../http1/replies.ts'
import { type IdleSweep, ticksOf } from '../sockets/idle-sweep.ts'
import type { Wire } from '../sockets/wire.ts'
import { BROKEN, ClientStream, type ClientStreamOwner } from './client-stream.ts'
import {
  CANCEL,
  COMPRESSION_ERROR,
  ENHANCE_YOUR_CALM,
  FLOW_CONTROL_ERROR,
  NO_ERROR,
  PROTOCOL_ERROR,
  STREAM_ID_MAX,
} from './format.ts'
import { type Http2Deps, Http2Link, type LinkOwner } from './link.ts'
import { ResponseFields } from './response-fields.ts'
import { NOBODY, TrailerFields } from './trailer-fields.ts'

const LOST: Failure = {
  code: 'UPSTREAM_RESET',
  reason: disconnectReason('connection termination'),
  retry: 'maybe-sent',
}
const NEVER_SENT: Failure = { ...LOST, retry: 'never-sent' }
const BROKEN_OFF: Failure = { ...LOST, retry: 'final' }
const TIMEOUT: Failure = {
  code: 'UPSTREAM_TIMEOUT',
  reason: 'upstream request timeout',
  retry: 'final',
}
/** Connections without a stream are closed after this. */
const IDLE_TICKS = ticksOf(3_600_000)

export class Http2ClientConnection implements SharedConnection, LinkOwner, ClientStreamOwner {
  readonly carriesStreams = false
  readonly link: Http2Link
  /** The peer opens none. */
  readonly lastId = 0
  readonly scheme: string
  readonly #wire: Wire
  readonly #owner: SharedConnectionOwner
  readonly #sweep: IdleSweep
  readonly #date: HttpDate
  readonly #options: SharedConnectionOptions
  readonly #streams = new ExchangeTable<ClientStream>()
  readonly #response = new ResponseFields()
  readonly #trailers = new TrailerFields()
  #nextId = 1
  #isClosing = false
  #idleSince: number
  /** Streams from this id on were opened since the last bytes left. */
  #unsentFrom = 1
  #sendsSeen = 0

  constructor(
    wire: Wire,
    options: SharedConnectionOptions & { readonly scheme: 'http' | 'https' },
    deps: Http2Deps & { readonly owner: SharedConnectionOwner; readonly date: HttpDate },
  ) {
    this.scheme = options.scheme
    this.#wire = wire
    this.#owner = deps.owner
    this.#sweep = deps.sweep
    this.#date = deps.date
    this.#options = options
    this.#idleSince = deps.sweep.tick
    this.link = new Http2Link(wire, 'client', { ...deps, owner: this })
  }

  get isReady(): boolean {
    return this.link.isReady
  }

  get hasCarried(): boolean {
    return this.#nextId > 1
  }

  get exchanges(): number {
    return this.#streams.size
  }

  get hasRoom(): boolean {
    return this.link.isReady && !this.#isClosing && this.#streams.size < this.link.peer.streamsMax
  }

  open(head: RequestHead | undefined, sink: ResponseSink): RequestSink {
    const id = this.#nextId
    this.#nextId += 2
    if (this.#sendsSeen !== this.#wire.sends) {
      this.#sendsSeen = this.#wire.sends
      this.#unsentFrom = id
    }
    const stream = new ClientStream(this, id, head as RequestHead, sink)
    this.#streams.set(id, stream)
    if (this.#nextId > STREAM_ID_MAX) this.drain()
    return stream
  }

  drain(): void {
    this.#stopOpening()
    if (this.#streams.size === 0) this.link.close(NO_ERROR)
  }

  destroy(): void {
    this.link.destroy()
  }

  forget(stream: ClientStream): void {
    const wasFull = this.#streams.size >= this.link.peer.streamsMax
    this.#streams.delete(stream.id)
    if (this.#streams.size > 0) {
      if (wasFull && !this.#isClosing) this.#owner.onRoom(this)
      return
    }
    this.#idleSince = this.#sweep.tick
    if (this.#isClosing) this.link.close(NO_ERROR)
    else if (wasFull) this.#owner.onRoom(this)
  }

  now(): number {
    return this.#sweep.tick
  }

  onReady(): void {
    this.#owner.onReady(this)
  }

  isBusy(): boolean {
    return this.#streams.size > 0
  }

  onHeaders(id: number, isEnd: boolean, block: Buffer, from: number, to: number): number {
    if (this.#isIdle(id)) return PROTOCOL_ERROR
    const { decoder } = this.link
    const stream = this.#streams.get(id)
    if (stream === undefined) {
      // Of a stream that ended here while the frame was on its way.
      return decoder.decode(block, from, to, NOBODY) ? this.#stale() : COMPRESSION_ERROR
    }
    if (stream.hasResponse) {
      const trailers = this.#trailers
      trailers.reset()
      if (!decoder.decode(block, from, to, trailers)) return COMPRESSION_ERROR
      const isValid = isEnd && !trailers.isMalformed && !decoder.isTooLarge
      if (isValid) stream.onTrailers(trailers.text)
      else stream.fail(BROKEN, PROTOCOL_ERROR)
      return NO_ERROR
    }
    const response = this.#response
    response.reset()
    if (!decoder.decode(block, from, to, response)) return COMPRESSION_ERROR
    const head = decoder.isTooLarge ? undefined : response.head(stream.isHead, isEnd)
    // RFC 9110 6.6.1: who forwards a response without a date gives it one.
    if (head !== undefined && !head.hasDate && !head.isInterim) {
      head.text += `date: ${this.#date.text}\r\n`
    }
    stream.onResponse(head, isEnd)
    return NO_ERROR
  }

  onDataFrame(id: number, size: number): number {
    if (this.#isIdle(id)) return PROTOCOL_ERROR
    this.#streams.get(id)?.onDataFrame(size)
    return NO_ERROR
  }

  onData(id: number, bytes: Buffer, from: number, to: number, isEnd: boolean): number {
    this.#streams.get(id)?.onData(bytes, from, to, isEnd)
    return NO_ERROR
  }

  onPadding(id: number, size: number): void {
    this.#streams.get(id)?.onPadding(size)
  }

  onWindow(id: number, bytes: number): number {
    if (this.#isIdle(id)) return PROTOCOL_ERROR
    const stream = this.#streams.get(id)
    if (stream === undefined) return NO_ERROR
    if (bytes === 0) stream.fail(BROKEN, PROTOCOL_ERROR)
    else if (!stream.onWindow(bytes)) stream.fail(BROKEN, FLOW_CONTROL_ERROR)
    return NO_ERROR
  }

  onWindowChange(bytes: number): number {
    for (const stream of this.#streams.values()) {
      if (!stream.onWindow(bytes)) return FLOW_CONTROL_ERROR
    }
    return NO_ERROR
  }

  onReset(id: number, code: number): number {
    if (this.#isIdle(id)) return PROTOCOL_ERROR
    this.#streams.get(id)?.onReset(code)
    return this.#stale()
  }

  onStreamError(id: number, code: number): number {
    const stream = this.#streams.get(id)
    if (stream === undefined) return code
    stream.fail(BROKEN, code)
    return NO_ERROR
  }

  onGoaway(lastId: number): void {
    this.#stopOpening()
    for (const stream of this.#streams.values()) if (stream.id > lastId) stream.lose(NEVER_SENT)
    if (this.#streams.size === 0) this.link.close(NO_ERROR)
  }

  onPong(): void {}

  onRoomy(): void {
    for (const stream of this.#streams.values()) stream.onRoomy()
  }

  onTick(tick: number): void {
    if (this.#streams.size === 0) {
      if (tick - this.#idleSince > IDLE_TICKS) this.drain()
      return
    }
    const { streamIdleMs } = this.#options
    const idleTicks = ticksOf(streamIdleMs)
    for (const stream of this.#streams.values()) {
      const isIdle = streamIdleMs > 0 && tick - stream.lastTick > idleTicks
      if (isIdle || this.#isLate(stream, tick)) stream.fail(TIMEOUT, CANCEL)
    }
  }

  onDown(): void {
    const wasSent = this.#wire.sends !== this.#sendsSeen
    const streams = this.#streams.values()
    this.#streams.clear()
    this.#stopOpening()
    for (const stream of streams) {
      const isUnsent = !wasSent && stream.id >= this.#unsentFrom
      if (stream.hasResponse) stream.lose(BROKEN_OFF)
      else stream.lose(isUnsent ? NEVER_SENT : LOST)
    }
  }

  onGone(): void {}

  #isLate(stream: ClientStream, tick: number): boolean {
    if (stream.hasResponse || stream.askedTick < 0) return false
    const timeoutMs = stream.responseTimeoutMs ?? this.#options.responseTimeoutMs
    return timeoutMs > 0 && tick - stream.askedTick > ticksOf(timeoutMs)
  }

  #isIdle(id: number): boolean {
    return id >= this.#nextId || id % 2 === 0
  }

  #stale(): number {
    return this.link.floods.takesControl() ? NO_ERROR : ENHANCE_YOUR_CALM
  }

  #stopOpening(): void {
    if (this.#isClosing) return
    this.#isClosing = true
    this.#owner.onClosing(this)
  }
}
