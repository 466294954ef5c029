/**
 * One exchange on the calling side of a mux connection: sends a request or a stream, reads what comes back.
 *
 * Once it has ended, failed or been aborted it is forgotten by its connection and calls nothing more.
 */

import type { Failure, RequestSink, ResponseSink } from '../exchange/types.ts'
import type { HeadParser } from '../http1/head-parser.ts'
import { INTERIM_RESPONSES_MAX } from '../http1/limits.ts'
import { BODY_NONE, type RequestHead, type ResponseHead, wireText } from '../http1/message.ts'
import { disconnectReason } from '../http1/replies.ts'
import { interpretResponse } from '../http1/response-head.ts'
import { trailerText } from '../http1/trailers.ts'
import {
  FLAG_END,
  OPEN,
  REQUEST,
  REQUEST_HTTP2,
  RESET,
  RESET_CANCEL,
  RESET_DENIED,
  RESET_INVALID,
  RESET_PROTOCOL,
  RESET_REFUSED,
  RESET_TIMEOUT,
} from './format.ts'
import type { MuxLink } from './link.ts'
import { Receiving } from './receiving.ts'
import { Sending } from './sending.ts'

export interface ClientExchangeOwner {
  readonly link: MuxLink
  forget(exchange: ClientExchange): void
  now(): number
}

const BROKEN: Failure = {
  code: 'UPSTREAM_INVALID',
  reason: disconnectReason('protocol error'),
  retry: 'final',
}

export class ClientExchange implements RequestSink {
  readonly id: number
  /** Tick of the last sign of life in either direction. */
  lastTick: number
  /** Tick at which the request was complete, -1 before. */
  askedTick = -1
  readonly #owner: ClientExchangeOwner
  readonly #head: RequestHead | undefined
  readonly #sink: ResponseSink
  readonly #sending: Sending
  readonly #receiving: Receiving
  #hasResponse = false
  #interims = 0
  #isRaw: boolean
  #isOver = false

  constructor(
    owner: ClientExchangeOwner,
    id: number,
    head: RequestHead | undefined,
    sink: ResponseSink,
  ) {
    const { link } = owner
    this.id = id
    this.#owner = owner
    this.#head = head
    this.#sink = sink
    this.#isRaw = head === undefined
    this.#sending = new Sending(link.out, id, link.peerWindow)
    this.#receiving = new Receiving(link.out, id, link.budget)
    this.lastTick = owner.now()
    if (head === undefined) {
      link.out.empty(OPEN, 0, id)
      return
    }
    const isWhole = head.body === BODY_NONE && !head.upgrade
    const kind = head.isHttp2 ? REQUEST_HTTP2 : REQUEST
    link.out.text(kind, isWhole ? FLAG_END : 0, id, wireText(head))
    if (isWhole) this.#sending.isEnded = true
    if (head.body === BODY_NONE) this.askedTick = this.lastTick
  }

  get hasResponse(): boolean {
    return this.#hasResponse
  }

  get responseTimeoutMs(): number | undefined {
    return this.#head?.responseTimeoutMs
  }

  /** Bytes in both directions without a response head: a stream or what follows 101. */
  get isRaw(): boolean {
    return this.#isRaw
  }

  data(bytes: Buffer, from: number, to: number): boolean {
    if (this.#isOver) return true
    this.lastTick = this.#owner.now()
    return this.#sending.data(bytes, from, to)
  }

  trailers(text: string): void {
    this.#sending.trailers(text)
  }

  end(): void {
    if (this.#isOver) return
    this.askedTick = this.#owner.now()
    this.#sending.end()
    if (this.#receiving.isEnded) this.#over()
  }

  abort(): void {
    this.cancel(RESET_CANCEL)
  }

  resumeResponse(): void {
    if (!this.#isOver) this.#receiving.resume()
  }

  cancel(code: number): void {
    if (this.#isOver) return
    this.#owner.link.out.numbers(RESET, this.id, code)
    this.#over()
  }

  fail(failure: Failure): void {
    if (this.#isOver) return
    this.#over()
    this.#sink.onFailed(failure)
  }

  /** The socket has room again. */
  onRoomy(): void {
    if (!this.#isOver && this.#sending.isClear) this.#sink.resumeRequest()
  }

  onWindow(bytes: number): boolean {
    this.lastTick = this.#owner.now()
    const result = this.#sending.grant(bytes)
    if (result === 'resume') this.#sink.resumeRequest()
    return result !== 'invalid'
  }

  onReset(code: number): void {
    this.fail(failureOf(code, this.#hasResponse || (this.#isRaw && this.#receiving.hasReceived)))
  }

  /** @param parser fresh. @returns false when the frame breaks the rules of the mux */
  onResponse(parser: HeadParser, bytes: Buffer, from: number, to: number, isEnd: boolean): boolean {
    const request = this.#head
    if (request === undefined || this.#hasResponse || this.#receiving.isEnded) return false
    this.lastTick = this.#owner.now()
    const end = parser.parse(bytes, from, to)
    const head = end === to ? interpretResponse(parser, bytes, from, request) : undefined
    parser.reset()
    if (head === undefined || !isConsistent(head, isEnd)) {
      this.#owner.link.out.numbers(RESET, this.id, RESET_PROTOCOL)
      this.fail(BROKEN)
      return true
    }
    if (head.isInterim) {
      this.#sink.onInterim(head)
      return ++this.#interims <= INTERIM_RESPONSES_MAX
    }
    this.#hasResponse = true
    if (head.upgrade) this.#isRaw = true
    this.#sink.onResponse(head)
    // Whoever was given the head may have had enough.
    if (isEnd && !this.#isOver) this.#receivedEnd('')
    return true
  }

  /** @returns false when the peer ignored its window */
  onData(bytes: Buffer, from: number, to: number, isEnd: boolean): boolean {
    if (!this.#receiving.accept(to - from)) return false
    if (!this.#hasResponse && !this.#isRaw) return false
    this.lastTick = this.#owner.now()
    if (to > from) {
      const isRoomy = this.#sink.onData(bytes, from, to)
      if (this.#isOver) return true
      this.#receiving.consumed(to - from, isRoomy)
    }
    if (isEnd) this.#receivedEnd('')
    return true
  }

  /** @param parser fresh, for trailers. @returns false when the frame breaks the rules of the mux */
  onTrailers(parser: HeadParser, bytes: Buffer, from: number, to: number): boolean {
    if (!this.#hasResponse || this.#isRaw || this.#receiving.isEnded) return false
    const isWhole = parser.parse(bytes, from, to) === to
    const text = isWhole ? trailerText(parser, bytes, from) : ''
    parser.reset()
    if (isWhole) this.#receivedEnd(text)
    return isWhole
  }

  #receivedEnd(trailers: string): void {
    this.#receiving.close()
    if (this.#sending.isEnded) {
      this.#over()
    } else if (!this.#isRaw) {
      // Answered before the request was whole: the rest of it is of no use to anybody.
      this.#owner.link.out.numbers(RESET, this.id, RESET_CANCEL)
      this.#over()
    }
    if (trailers !== '') this.#sink.onTrailers(trailers)
    this.#sink.onResponseEnd()
  }

  #over(): void {
    this.#isOver = true
    this.#sending.stop()
    this.#receiving.close()
    this.#owner.forget(this)
  }
}

/** An END on the head means no body, and the other way round; a body of zero bytes may do either. */
function isConsistent(head: ResponseHead, isEnd: boolean): boolean {
  if (head.isInterim || head.upgrade) return !isEnd
  return !isEnd || head.body === BODY_NONE
}

function failureOf(code: number, hasAnswer: boolean): Failure {
  switch (code) {
    case RESET_REFUSED:
      return {
        code: 'UPSTREAM_UNREACHABLE',
        reason: disconnectReason('remote connection failure'),
        retry: hasAnswer ? 'final' : 'never-sent',
      }
    case RESET_DENIED:
      return { code: 'PERMISSION_DENIED', reason: 'RBAC: access denied', retry: 'final' }
    case RESET_TIMEOUT:
      return { code: 'UPSTREAM_TIMEOUT', reason: 'upstream request timeout', retry: 'final' }
    case RESET_INVALID:
      return BROKEN
    default:
      return {
        code: 'UPSTREAM_RESET',
        reason: disconnectReason('remote reset'),
        retry: 'final',
      }
  }
}
