/**
 * The caller's side of HTTP/1: reads requests from one connection, writes their responses in order
 * (RFC 9112 9). Works on plain and TLS sockets alike.
 *
 * Guarantees: one exchange at a time, pipelined requests wait; a body is never longer or shorter than its
 * head says, on either side, or the connection is cut; whatever is refused closes the connection, so that
 * nobody can disagree on where the next request begins. A caller that half-closes still gets its response.
 * Bounds: limits.ts for heads; while a response is awaited only the reads already under way are held.
 */

import { assert } from '../../core/assert.ts'
import type { HttpConnection, HttpRoute } from '../exchange/http-route.ts'
import type { Failure, RequestSink, ResponseSink } from '../exchange/types.ts'
import { type IdleSweep, type Swept, ticksOf } from '../sockets/idle-sweep.ts'
import type { Wire, WireHandler } from '../sockets/wire.ts'
import { BodyDecoder } from './body-decoder.ts'
import { BodyWriter } from './body-writer.ts'
import { BAD_VERSION, HEAD_TOO_LARGE, LINE_TOO_LONG, NEED_MORE } from './head-parser.ts'
import { HeadReader } from './head-reader.ts'
import { BODY_NONE, BODY_STREAM, type RequestHead, type ResponseHead, wireText } from './message.ts'
import { generatedReply, type HttpDate, type Reply, refusalCode } from './replies.ts'
import { interpretRequest } from './request-head.ts'

export interface Http1ServerDeps {
  readonly sweep: IdleSweep
  readonly date: HttpDate
}

/** A head must be complete this long after the last exchange ended or the connection began its bytes. */
const HEAD_TICKS = ticksOf(60_000)
const IDLE_TICKS = ticksOf(3_600_000)
/** How long a caller may go on sending after our last byte before it is cut. */
const LINGER_TICKS = ticksOf(1000)

type State =
  | 'head'
  | 'body'
  /** The request is complete, its response is not. */
  | 'waiting'
  /** After 101. */
  | 'raw'
  /** Our last byte is written; what still arrives is ignored. */
  | 'lingering'
  | 'closed'

export class Http1ServerConnection implements HttpConnection, WireHandler, ResponseSink, Swept {
  readonly #wire: Wire
  readonly #route: HttpRoute
  readonly #deps: Http1ServerDeps
  readonly #reader = new HeadReader('request')
  readonly #decoder = new BodyDecoder()
  readonly #writer: BodyWriter
  #state: State = 'head'
  /** Of the exchange under way. */
  #head: RequestHead | undefined
  #call: RequestSink | undefined
  #hasResponse = false
  /** 100 was sent. */
  #wasTold = false
  #trailers = ''
  #closeAfter = false
  #isDraining = false
  #isConsuming = false
  /** Bytes of pipelined requests, or of an upgrade not answered yet. */
  #held: Buffer[] = []
  /** The called side asked to wait with the body. */
  #isBlocked = false
  #callerEnded = false
  #calleeEnded = false
  #stateTick: number

  constructor(wire: Wire, route: HttpRoute, deps: Http1ServerDeps) {
    this.#wire = wire
    this.#route = route
    this.#deps = deps
    this.#writer = new BodyWriter(wire)
    this.#stateTick = deps.sweep.tick
    wire.handler = this
    deps.sweep.add(this)
  }

  /** The exchange under way, for judging it again. */
  get currentHead(): RequestHead | undefined {
    return this.#head
  }

  /** Ends the exchange under way: an error reply if nothing was answered yet, else the connection is cut. */
  cut(failure: Failure): void {
    if (this.#head === undefined) return
    this.#call?.abort()
    this.onFailed(failure)
  }

  /**
   * Takes no further request: an idle connection closes now, a busy one after its exchange.
   *
   * @param isPatient an idle one waits on and answers its next request with `Connection: close`
   */
  drain(isPatient = false): void {
    this.#isDraining = true
    if (!isPatient && this.#state === 'head' && this.#reader.isFresh) this.#linger()
  }

  /** Cuts the connection and what runs on it. */
  destroy(): void {
    if (this.#state === 'closed') return
    this.#wire.destroy()
    this.#close()
  }

  onBytes(bytes: Buffer, length: number): void {
    this.#consume(bytes, 0, length)
  }

  onEnd(): void {
    this.#callerEnded = true
    switch (this.#state) {
      case 'raw':
        this.#call?.end()
        if (this.#calleeEnded) this.#linger()
        return
      case 'waiting':
        // Half-closed: this response and those of held requests are still wanted.
        return
      case 'head':
        this.#linger()
        return
      case 'body':
        this.destroy()
        return
      default:
        this.#wire.end()
    }
  }

  onDrain(): void {
    this.#call?.resumeResponse()
  }

  onClosed(): void {
    this.#close()
  }

  onTick(tick: number): void {
    const age = tick - this.#stateTick
    if (this.#state === 'lingering') {
      if (age > LINGER_TICKS) this.destroy()
    } else if (this.#state === 'head') {
      if (this.#reader.isFresh) {
        if (age > IDLE_TICKS) this.#linger()
      } else if (age > HEAD_TICKS) {
        this.#refuse(408)
      }
    }
  }

  onInterim(head: ResponseHead): void {
    if (this.#head === undefined || this.#head.isHttp10 || this.#hasResponse) return
    if (head.status === 100) this.#wasTold = true
    this.#wire.writeText(wireText(head))
  }

  onResponse(head: ResponseHead): void {
    const request = this.#head
    if (request === undefined) return
    assert(!this.#hasResponse, 'one response to each request')
    this.#hasResponse = true
    if (head.upgrade) {
      this.#wire.writeText(wireText(head))
      this.#beginRaw()
      return
    }
    const isStream = head.body === BODY_STREAM
    // HTTP/1.0 knows no chunks: such a body ends with the connection.
    const isChunked = isStream && !request.isHttp10
    if (!request.keepAlive || this.#isDraining || (isStream && !isChunked)) this.#closeAfter = true
    // Nobody can tell whether the body that was not asked for still comes.
    if (this.#state === 'body' && request.expectsContinue && !this.#wasTold) this.#closeAfter = true
    let text = head.text
    if (isChunked) text += 'transfer-encoding: chunked\r\n'
    if (this.#closeAfter) text += 'connection: close\r\n'
    else if (request.isHttp10) text += 'connection: keep-alive\r\n'
    this.#wire.writeText(`${text}\r\n`)
    if (isChunked) this.#writer.start('chunked', 0)
    else if (isStream) this.#writer.start('raw', 0)
    else this.#writer.start('length', head.length)
  }

  onData(bytes: Buffer, from: number, to: number): boolean {
    if (this.#head === undefined) return true
    if (this.#writer.accepts(to - from)) return this.#writer.data(bytes, from, to)
    this.destroy()
    return true
  }

  onTrailers(text: string): void {
    this.#trailers = text
  }

  onResponseEnd(): void {
    if (this.#state === 'raw') {
      this.#calleeEnded = true
      this.#wire.end()
      if (this.#callerEnded) this.#linger()
      return
    }
    if (this.#head === undefined) return
    if (this.#writer.end(this.#trailers)) this.#finish()
    else this.destroy()
  }

  onFailed(failure: Failure): void {
    const head = this.#head
    if (head === undefined) return
    this.#call = undefined
    if (this.#hasResponse) {
      // The head is out: only a broken connection tells the caller that the body is not whole.
      this.#wire.abort()
      this.#close()
      return
    }
    const date = this.#deps.date.text
    this.#reply(generatedReply(failure.code, { ...failure, request: head, date }))
    this.#finish()
  }

  resumeRequest(): void {
    if (!this.#isBlocked) return
    this.#isBlocked = false
    this.#updateReading()
  }

  #consume(bytes: Buffer, from: number, to: number): void {
    let at = from
    this.#isConsuming = true
    while (at < to) {
      switch (this.#state) {
        case 'head':
          at = this.#readHead(bytes, at, to)
          break
        case 'body':
          at = this.#readBody(bytes, at, to)
          break
        case 'waiting':
          this.#held.push(Buffer.from(bytes.subarray(at, to)))
          at = to
          break
        case 'raw':
          this.#send(bytes, at, to)
          at = to
          break
        default:
          at = to
      }
    }
    this.#isConsuming = false
    this.#updateReading()
  }

  #readHead(bytes: Buffer, from: number, to: number): number {
    const reader = this.#reader
    if (reader.isFresh) this.#stateTick = this.#deps.sweep.tick
    const end = reader.read(bytes, from, to)
    if (end < 0) {
      if (end !== NEED_MORE) this.#refuse(statusOfResult(end))
      return to
    }
    const { normalisePaths } = this.#route
    const head = interpretRequest(reader.parser, reader.bytes, reader.base, normalisePaths)
    reader.reset()
    if (typeof head === 'number') {
      this.#refuse(head)
      return to
    }
    this.#begin(head)
    return end
  }

  #begin(head: RequestHead): void {
    this.#head = head
    this.#hasResponse = false
    this.#wasTold = false
    this.#trailers = ''
    this.#isBlocked = false
    if (head.body === BODY_NONE) {
      this.#state = 'waiting'
    } else {
      this.#state = 'body'
      this.#decoder.start(head.body === BODY_STREAM ? 'chunked' : 'length', head.length)
    }
    const opened = this.#route.open(head, this)
    // The exchange may be over already: a failure is reported from inside `open`.
    if ('retry' in opened) this.onFailed(opened)
    else if (this.#head === head) this.#call = opened
    else opened.abort()
  }

  #readBody(bytes: Buffer, from: number, to: number): number {
    const decoder = this.#decoder
    const at = decoder.next(bytes, from, to)
    if (decoder.dataTo > decoder.dataFrom) this.#send(bytes, decoder.dataFrom, decoder.dataTo)
    if (decoder.hasFailed) {
      this.#failBody()
      return to
    }
    if (decoder.isDone && this.#state === 'body') {
      this.#state = 'waiting'
      if (decoder.trailers !== '') this.#call?.trailers(decoder.trailers)
      this.#call?.end()
    }
    return at
  }

  #send(bytes: Buffer, from: number, to: number): void {
    if (this.#call !== undefined && !this.#call.data(bytes, from, to)) this.#isBlocked = true
  }

  /** The body is not valid: nobody can say where the next request begins. */
  #failBody(): void {
    const call = this.#call
    this.#call = undefined
    call?.abort()
    if (this.#hasResponse) this.destroy()
    else this.#refuse(400)
  }

  #beginRaw(): void {
    this.#state = 'raw'
    this.#closeAfter = true
    this.#writer.start('raw', 0)
    const held = this.#held
    this.#held = []
    for (const piece of held) this.#send(piece, 0, piece.length)
    if (this.#callerEnded) this.#call?.end()
    this.#updateReading()
  }

  /** The response is complete. */
  #finish(): void {
    const isWhole = this.#state !== 'body'
    const call = this.#call
    this.#head = undefined
    this.#call = undefined
    this.#isBlocked = false
    // Answered early: the rest of the body would have to be read just to be thrown away.
    if (!isWhole) call?.abort()
    if (!isWhole || this.#closeAfter || this.#isDraining) {
      this.#linger()
      return
    }
    this.#state = 'head'
    this.#stateTick = this.#deps.sweep.tick
    if (this.#isConsuming) return
    if (this.#held.length > 0) this.#consumeHeld()
    else if (this.#callerEnded) this.#linger()
    this.#updateReading()
  }

  #consumeHeld(): void {
    const held = this.#held
    this.#held = []
    for (const piece of held) this.#consume(piece, 0, piece.length)
    if (this.#callerEnded && this.#state === 'head') this.#linger()
  }

  #refuse(status: number): void {
    const code = refusalCode(status)
    this.#reply(generatedReply(code, { status, request: undefined, date: this.#deps.date.text }))
    this.#linger()
  }

  #reply(reply: Reply): void {
    const isKept = this.#state === 'waiting' && this.#head?.keepAlive === true && !this.#isDraining
    if (!isKept) this.#closeAfter = true
    const isHttp10 = this.#head?.isHttp10 === true
    let connection = ''
    if (!isKept) connection = 'connection: close\r\n'
    else if (isHttp10) connection = 'connection: keep-alive\r\n'
    this.#wire.writeText(`${reply.head.text}${connection}\r\n${reply.body}`)
  }

  /** Says goodbye and gives the caller a moment to read it: closing at once could reset what we sent. */
  #linger(): void {
    if (this.#state === 'lingering' || this.#state === 'closed') return
    this.#state = 'lingering'
    this.#stateTick = this.#deps.sweep.tick
    this.#head = undefined
    this.#call = undefined
    this.#held = []
    this.#isBlocked = false
    this.#wire.end()
    this.#wire.resume()
  }

  #close(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    const call = this.#call
    this.#head = undefined
    this.#call = undefined
    this.#held = []
    this.#deps.sweep.remove(this)
    call?.abort()
    this.#route.onConnectionClosed(this)
  }

  #updateReading(): void {
    if (this.#isBlocked || this.#held.length > 0) this.#wire.pause()
    else this.#wire.resume()
  }
}

function statusOfResult(result: number): number {
  switch (result) {
    case LINE_TOO_LONG:
      return 414
    case HEAD_TOO_LARGE:
      return 431
    case BAD_VERSION:
      return 505
    default:
      return 400
  }
}
