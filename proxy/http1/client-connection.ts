/**
 * The callee's side of HTTP/1: sends requests over one connection, one after the other, and reads their
 * responses (RFC 9112 9). Works on plain and TLS sockets alike.
 *
 * Guarantees: a connection is reused only when both messages ended exactly where their framing says and the
 * server agreed; anything that arrives unasked ends it. Failures say whether the request can have been seen.
 * Bounds: limits.ts; response and idle times from `Http1ClientOptions`.
 */

import type { Failure, RequestSink, ResponseSink } from '../exchange/types.ts'
import { type IdleSweep, type Swept, ticksOf } from '../sockets/idle-sweep.ts'
import type { Wire, WireHandler } from '../sockets/wire.ts'
import { BodyDecoder, type Transfer } from './body-decoder.ts'
import { BodyWriter } from './body-writer.ts'
import { NEED_MORE } from './head-parser.ts'
import { HeadReader } from './head-reader.ts'
import { INTERIM_RESPONSES_MAX } from './limits.ts'
import {
  BODY_LENGTH,
  BODY_NONE,
  BODY_STREAM,
  type RequestHead,
  type ResponseHead,
  wireText,
} from './message.ts'
import { disconnectReason, type HttpDate } from './replies.ts'
import { interpretResponse } from './response-head.ts'

export interface Http1ClientOptions {
  /** From the end of the request to the head of the response; 0: no limit. */
  readonly responseTimeoutMs: number
  /** Without a byte in either direction during an exchange; 0: no limit. */
  readonly streamIdleMs: number
}

export interface Http1ClientOwner {
  /** The exchange is over and another may begin. */
  onIdle(connection: Http1ClientConnection): void
  /** The connection is closed or must not be used again. At most once. */
  onGone(connection: Http1ClientConnection): void
}

const RESET: Failure = {
  code: 'UPSTREAM_RESET',
  reason: disconnectReason('connection termination'),
  retry: 'maybe-sent',
}
const NEVER_SENT: Failure = { ...RESET, retry: 'never-sent' }
const BROKEN_OFF: Failure = { ...RESET, retry: 'final' }
const INVALID: Failure = {
  code: 'UPSTREAM_INVALID',
  reason: disconnectReason('protocol error'),
  retry: 'final',
}
const TIMEOUT: Failure = {
  code: 'UPSTREAM_TIMEOUT',
  reason: 'upstream request timeout',
  retry: 'final',
}

export class Http1ClientConnection implements WireHandler, RequestSink, Swept {
  /** Tick since which the connection is idle, for its pool. */
  idleTick = 0
  /** What the server promised in Keep-Alive; 0 when nothing. */
  keepAliveMs = 0
  readonly #wire: Wire
  readonly #owner: Http1ClientOwner
  readonly #sweep: IdleSweep
  readonly #date: HttpDate
  readonly #responseTimeoutMs: number
  /** For the exchange under way; 0: no limit. */
  #responseTicks = 0
  readonly #idleTicks: number
  readonly #reader = new HeadReader('response')
  readonly #decoder = new BodyDecoder()
  readonly #writer: BodyWriter
  #sink: ResponseSink | undefined
  #head: RequestHead | undefined
  #response: ResponseHead | undefined
  #requestEnded = true
  #trailers = ''
  #interims = 0
  #sendsBefore = 0
  #isRaw = false
  #isRetired = false
  #isGone = false
  #lastTick = 0
  /** Tick at which the request was complete. */
  #askedTick = 0

  constructor(
    wire: Wire,
    options: Http1ClientOptions,
    deps: { readonly owner: Http1ClientOwner; readonly sweep: IdleSweep; readonly date: HttpDate },
  ) {
    this.#wire = wire
    this.#owner = deps.owner
    this.#sweep = deps.sweep
    this.#date = deps.date
    this.#responseTimeoutMs = options.responseTimeoutMs
    this.#idleTicks = options.streamIdleMs === 0 ? 0 : ticksOf(options.streamIdleMs)
    this.#writer = new BodyWriter(wire)
    wire.handler = this
    this.#sweep.add(this)
  }

  /** Sends a request whose response goes to `sink`; only when idle. */
  begin(head: RequestHead, sink: ResponseSink): void {
    this.#head = head
    this.#sink = sink
    this.#response = undefined
    this.#trailers = ''
    this.#interims = 0
    this.#sendsBefore = this.#wire.sends
    this.#lastTick = this.#sweep.tick
    this.#askedTick = this.#sweep.tick
    const timeoutMs = head.responseTimeoutMs ?? this.#responseTimeoutMs
    this.#responseTicks = timeoutMs === 0 ? 0 : ticksOf(timeoutMs)
    this.#requestEnded = head.body === BODY_NONE
    this.#wire.writeText(wireText(head))
    if (head.body === BODY_STREAM) this.#writer.start('chunked', 0)
    else this.#writer.start(head.body === BODY_LENGTH ? 'length' : 'none', head.length)
  }

  data(bytes: Buffer, from: number, to: number): boolean {
    if (this.#sink === undefined) return true
    this.#lastTick = this.#sweep.tick
    if (this.#writer.accepts(to - from)) return this.#writer.data(bytes, from, to)
    this.#fail(INVALID)
    return true
  }

  trailers(text: string): void {
    this.#trailers = text
  }

  end(): void {
    if (this.#sink === undefined) return
    if (this.#isRaw) {
      this.#requestEnded = true
      this.#wire.end()
      return
    }
    this.#requestEnded = true
    this.#askedTick = this.#sweep.tick
    // Short of its announced length: the server would take the next request for the rest of the body.
    if (!this.#writer.end(this.#trailers)) this.#fail(INVALID)
  }

  abort(): void {
    if (this.#sink === undefined) return
    this.#sink = undefined
    // An orderly end could be taken for that of a caller that still waits for the answer.
    this.#wire.abort()
    this.#discard()
  }

  resumeResponse(): void {
    this.#wire.resume()
  }

  /** Closes an idle connection, or one in use after its exchange. */
  retire(): void {
    if (this.#sink === undefined) this.#discard()
    else this.#isRetired = true
  }

  /** Closes at once; an exchange under way is given up without a word to its caller. */
  destroy(): void {
    this.#sink = undefined
    this.#discard()
  }

  onBytes(bytes: Buffer, length: number): void {
    this.#lastTick = this.#sweep.tick
    let at = 0
    while (at < length) {
      const sink = this.#sink
      // Bytes that nobody asked for: the two sides no longer agree on where messages end.
      if (sink === undefined) {
        this.#discard()
        return
      }
      if (this.#isRaw) {
        if (!sink.onData(bytes, at, length)) this.#wire.pause()
        return
      }
      at =
        this.#response === undefined
          ? this.#readHead(bytes, at, length)
          : this.#readBody(bytes, at, length)
    }
  }

  onEnd(): void {
    const sink = this.#sink
    if (sink === undefined) {
      this.#discard()
      return
    }
    if (this.#isRaw) {
      sink.onResponseEnd()
      return
    }
    if (this.#response !== undefined && this.#decoder.endsWithConnection) {
      this.#sink = undefined
      this.#discard()
      sink.onResponseEnd()
      return
    }
    this.#fail(this.#lossFailure())
  }

  onDrain(): void {
    this.#sink?.resumeRequest()
  }

  onClosed(): void {
    if (this.#sink === undefined || (this.#isRaw && this.#requestEnded)) this.#discard()
    else this.#fail(this.#lossFailure())
  }

  onTick(tick: number): void {
    if (this.#sink === undefined) return
    const isAwaiting = this.#response === undefined && this.#requestEnded
    if (isAwaiting && this.#responseTicks > 0 && tick - this.#askedTick > this.#responseTicks) {
      this.#fail(TIMEOUT)
    } else if (this.#idleTicks > 0 && tick - this.#lastTick > this.#idleTicks) {
      this.#fail(TIMEOUT)
    }
  }

  #readHead(bytes: Buffer, from: number, to: number): number {
    const reader = this.#reader
    const end = reader.read(bytes, from, to)
    if (end < 0) {
      if (end !== NEED_MORE) this.#fail(INVALID)
      return to
    }
    const request = this.#head as RequestHead
    const head = interpretResponse(reader.parser, reader.bytes, reader.base, request)
    reader.reset()
    if (head === undefined || (head.isInterim && ++this.#interims > INTERIM_RESPONSES_MAX)) {
      this.#fail(INVALID)
      return to
    }
    const sink = this.#sink as ResponseSink
    // RFC 9110 6.6.1: who forwards a response without a date gives it one.
    if (!head.hasDate && !head.isInterim) head.text += `date: ${this.#date.text}\r\n`
    if (head.isInterim) {
      sink.onInterim(head)
      return end
    }
    this.#response = head
    if (head.upgrade) {
      this.#isRaw = true
      this.#requestEnded = false
      this.#writer.start('raw', 0)
      sink.onResponse(head)
      return end
    }
    this.#decoder.start(transferOf(head), head.length)
    sink.onResponse(head)
    if (this.#decoder.isDone) this.#finish('', end < to)
    return end
  }

  #readBody(bytes: Buffer, from: number, to: number): number {
    const decoder = this.#decoder
    const at = decoder.next(bytes, from, to)
    if (decoder.dataTo > decoder.dataFrom && this.#sink !== undefined) {
      if (!this.#sink.onData(bytes, decoder.dataFrom, decoder.dataTo)) this.#wire.pause()
    }
    if (decoder.hasFailed) {
      this.#fail(INVALID)
      return to
    }
    if (decoder.isDone) this.#finish(decoder.trailers, at < to)
    return at
  }

  /** @param hasMore bytes follow that belong to no request: the connection cannot be trusted again */
  #finish(trailers: string, hasMore: boolean): void {
    const sink = this.#sink
    const response = this.#response
    if (sink === undefined || response === undefined) return
    this.#sink = undefined
    this.#response = undefined
    this.#wire.resume()
    // Freed before the caller learns of the end, so that its next request can use this connection.
    if (this.#requestEnded && response.keepAlive && !this.#isRetired && !hasMore) {
      this.keepAliveMs = response.keepAliveMs
      this.idleTick = this.#sweep.tick
      this.#owner.onIdle(this)
    } else {
      this.#discard()
    }
    if (trailers !== '') sink.onTrailers(trailers)
    sink.onResponseEnd()
  }

  #lossFailure(): Failure {
    if (this.#response !== undefined || !this.#reader.isFresh) return BROKEN_OFF
    return this.#wire.sends === this.#sendsBefore ? NEVER_SENT : RESET
  }

  #fail(failure: Failure): void {
    const sink = this.#sink
    this.#sink = undefined
    this.#discard()
    sink?.onFailed(failure)
  }

  #discard(): void {
    if (this.#isGone) return
    this.#isGone = true
    this.#sweep.remove(this)
    this.#wire.destroy()
    this.#owner.onGone(this)
  }
}

function transferOf(head: ResponseHead): Transfer {
  if (head.untilClose) return 'close'
  if (head.body === BODY_STREAM) return 'chunked'
  return head.body === BODY_NONE ? 'none' : 'length'
}
