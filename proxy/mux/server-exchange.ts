/**
 * One exchange on the called side of a mux connection: passes a request or stream on, sends back the answer.
 *
 * What fails before an answer is told to the caller's proxy as a RESET code, so that it can try elsewhere
 * where that is safe; a denial is answered with 403 here. After its end it is forgotten and sends nothing.
 */

import type { ErrorCode } from '../../core/errors.ts'
import type { Failure, RequestSink, ResponseSink } from '../exchange/types.ts'
import type { HeadParser } from '../http1/head-parser.ts'
import {
  BODY_LENGTH,
  BODY_NONE,
  type RequestHead,
  type ResponseHead,
  wireText,
} from '../http1/message.ts'
import { generatedReply } from '../http1/replies.ts'
import { trailerText } from '../http1/trailers.ts'
import {
  FLAG_END,
  RESET,
  RESET_CANCEL,
  RESET_DENIED,
  RESET_INVALID,
  RESET_PROTOCOL,
  RESET_REFUSED,
  RESET_TIMEOUT,
  RESET_UPSTREAM,
  RESPONSE,
} from './format.ts'
import type { MuxLink } from './link.ts'
import { Receiving } from './receiving.ts'
import { Sending } from './sending.ts'

export interface ServerExchangeOwner {
  readonly link: MuxLink
  forget(exchange: ServerExchange): void
  httpDate(): string
}

const RESET_CODES: Readonly<Partial<Record<ErrorCode, number>>> = {
  PERMISSION_DENIED: RESET_DENIED,
  UPSTREAM_TIMEOUT: RESET_TIMEOUT,
  DEADLINE_EXCEEDED: RESET_TIMEOUT,
  UPSTREAM_INVALID: RESET_INVALID,
}

/** What is no failure of the way: the caller's proxy passes the answer on. */
function isAnswered({ code, retry }: Failure): boolean {
  if (code === 'UPSTREAM_OVERLOADED') return retry === 'final'
  return code === 'PERMISSION_DENIED' || code === 'RATE_LIMITED' || code === 'TOO_LARGE'
}

export class ServerExchange implements ResponseSink {
  readonly id: number
  /** undefined for a raw stream. */
  readonly head: RequestHead | undefined
  readonly #owner: ServerExchangeOwner
  readonly #sending: Sending
  readonly #receiving: Receiving
  /** Body bytes that must still come; -1 when the length is not known. */
  #bodyRemaining: number
  #call: RequestSink | undefined
  #hasResponse = false
  #isRaw: boolean
  #cancelAfterEnd = false
  #isOver = false

  constructor(
    owner: ServerExchangeOwner,
    id: number,
    head: RequestHead | undefined,
    isWhole: boolean,
  ) {
    const { link } = owner
    this.id = id
    this.head = head
    this.#owner = owner
    this.#isRaw = head === undefined
    this.#bodyRemaining = head?.body === BODY_LENGTH ? head.length : -1
    this.#sending = new Sending(link.out, id, link.peerWindow)
    this.#receiving = new Receiving(link.out, id, link.budget)
    if (isWhole) this.#receiving.isEnded = true
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** Connects the exchange with the call it began; a failure may have been reported before. */
  begin(opened: RequestSink | Failure): void {
    if ('retry' in opened) this.onFailed(opened)
    else if (this.#isOver) opened.abort()
    else this.#call = opened
  }

  /** Ends the exchange from this side: judged again and denied, or the connection ends. */
  cut(failure: Failure): void {
    if (this.#isOver) return
    this.#call?.abort()
    this.onFailed(failure)
  }

  /** The connection is gone. */
  drop(): void {
    if (this.#isOver) return
    this.#over()
    this.#call?.abort()
  }

  onInterim(head: ResponseHead): void {
    if (!this.#isOver) this.#owner.link.out.text(RESPONSE, 0, this.id, wireText(head))
  }

  onResponse(head: ResponseHead): void {
    if (this.#isOver) return
    this.#hasResponse = true
    if (head.upgrade) this.#isRaw = true
    const isWhole = head.body === BODY_NONE && !head.upgrade
    if (isWhole) this.#sending.isEnded = true
    this.#owner.link.out.text(RESPONSE, isWhole ? FLAG_END : 0, this.id, wireText(head))
  }

  onData(bytes: Buffer, from: number, to: number): boolean {
    return this.#isOver || this.#sending.data(bytes, from, to)
  }

  onTrailers(text: string): void {
    this.#sending.trailers(text)
  }

  onResponseEnd(): void {
    if (this.#isOver) return
    this.#sending.end()
    if (this.#receiving.isEnded) {
      if (this.#sending.isEnded) this.#over()
    } else if (!this.#isRaw) {
      // Answered before the request was whole: tell the caller to stop, once the answer is out.
      if (this.#sending.isEnded) this.#reset(RESET_CANCEL)
      else this.#cancelAfterEnd = true
    }
  }

  onFailed(failure: Failure): void {
    if (this.#isOver) return
    this.#call = undefined
    if (this.head !== undefined && !this.#hasResponse && isAnswered(failure)) {
      this.#reply(this.head, failure)
    } else if (failure.retry === 'never-sent') {
      this.#reset(RESET_REFUSED)
    } else {
      this.#reset(RESET_CODES[failure.code] ?? RESET_UPSTREAM)
    }
  }

  resumeRequest(): void {
    if (!this.#isOver) this.#receiving.resume()
  }

  /** The socket has room again. */
  onRoomy(): void {
    if (!this.#isOver && this.#sending.isClear) this.#call?.resumeResponse()
  }

  onWindow(bytes: number): boolean {
    const result = this.#sending.grant(bytes)
    if (this.#sending.isEnded) this.#afterSending()
    else if (result === 'resume') this.#call?.resumeResponse()
    return result !== 'invalid'
  }

  onReset(): void {
    if (this.#isOver) return
    this.#over()
    this.#call?.abort()
  }

  /** Request bytes. @returns false when the peer broke the rules of the mux */
  onRequestData(bytes: Buffer, from: number, to: number, isEnd: boolean): boolean {
    const size = to - from
    if (!this.#receiving.accept(size)) return false
    if (this.#bodyRemaining >= 0) {
      this.#bodyRemaining -= size
      if (this.#bodyRemaining < 0 || (isEnd && this.#bodyRemaining > 0)) return this.#invalid()
    }
    if (size > 0) {
      const isRoomy = this.#call?.data(bytes, from, to) ?? true
      if (this.#isOver) return true
      this.#receiving.consumed(size, isRoomy)
    }
    if (isEnd) this.#requestEnded('')
    return true
  }

  /** @param parser fresh, for trailers. @returns false when the frame breaks the rules of the mux */
  onRequestTrailers(parser: HeadParser, bytes: Buffer, from: number, to: number): boolean {
    if (this.#isRaw || this.#receiving.isEnded) return false
    const isWhole = parser.parse(bytes, from, to) === to
    const text = isWhole ? trailerText(parser, bytes, from) : ''
    parser.reset()
    if (!isWhole || this.#bodyRemaining > 0) return this.#invalid()
    this.#requestEnded(text)
    return true
  }

  #requestEnded(trailers: string): void {
    this.#receiving.close()
    const call = this.#call
    if (this.#sending.isEnded) this.#over()
    if (trailers !== '') call?.trailers(trailers)
    call?.end()
  }

  /** The backlog has left, END included. */
  #afterSending(): void {
    if (this.#isOver) return
    if (this.#cancelAfterEnd) this.#reset(RESET_CANCEL)
    else if (this.#receiving.isEnded) this.#over()
  }

  #invalid(): true {
    const call = this.#call
    this.#reset(RESET_PROTOCOL)
    call?.abort()
    return true
  }

  #reply(head: RequestHead, { code, reason }: Failure): void {
    const date = this.#owner.httpDate()
    const reply = generatedReply(code, { reason, request: head, date })
    const { out } = this.#owner.link
    const isWhole = reply.head.body === BODY_NONE
    out.text(RESPONSE, isWhole ? FLAG_END : 0, this.id, wireText(reply.head))
    if (!isWhole) {
      const body = Buffer.from(reply.body, 'latin1')
      this.#sending.data(body, 0, body.length)
      this.#sending.end()
    }
    if (this.#receiving.isEnded) this.#over()
    else this.#reset(RESET_CANCEL)
  }

  #reset(code: number): void {
    this.#owner.link.out.numbers(RESET, this.id, code)
    this.#over()
  }

  #over(): void {
    this.#isOver = true
    this.#sending.stop()
    this.#receiving.close()
    this.#owner.forget(this)
  }
}
