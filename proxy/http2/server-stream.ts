/**
 * One stream on the called side of an HTTP/2 connection: passes a request on, sends back the answer.
 *
 * What fails before an answer is answered by the proxy itself (http1/replies.ts); what fails after its head ends the
 * stream with RST_STREAM, which is how a caller knows that a body is not whole. After its end it is forgotten and
 * sends nothing.
 */

import type { Failure, RequestSink, ResponseSink } from '../exchange/types.ts'
import { BODY_LENGTH, BODY_NONE, type RequestHead, type ResponseHead } from '../http1/message.ts'
import { generatedReply, type Reply } from '../http1/replies.ts'
import {
  FLOW_CONTROL_ERROR,
  INTERNAL_ERROR,
  NO_ERROR,
  PROTOCOL_ERROR,
  STREAM_CLOSED,
} from './format.ts'
import { responseBlock, trailerBlock } from './head-block.ts'
import type { Http2Link } from './link.ts'
import { Receiving } from './receiving.ts'
import { Sending, type SendingOwner } from './sending.ts'

export interface ServerStreamOwner {
  readonly link: Http2Link
  /** @param wasReset by RST_STREAM of ours: the peer may not know yet */
  forget(stream: ServerStream, wasReset: boolean): void
  httpDate(): string
}

export class ServerStream implements ResponseSink, SendingOwner {
  readonly id: number
  /** undefined for a request that was refused while reading it. */
  readonly head: RequestHead | undefined
  readonly #owner: ServerStreamOwner
  readonly #sending: Sending
  readonly #receiving: Receiving
  /** Body bytes that must still come from the caller, and from the called side; -1 when not known. */
  #requestLeft: number
  #responseLeft = -1
  #call: RequestSink | undefined
  #hasResponse = false
  /** The response is complete, as far as the called side is concerned. */
  #isAnswered = false
  #isOver = false

  constructor(
    owner: ServerStreamOwner,
    request: { readonly id: number; readonly head: RequestHead | undefined },
    isWhole: boolean,
  ) {
    const { link } = owner
    const { id, head } = request
    this.id = id
    this.head = head
    this.#owner = owner
    this.#requestLeft = head?.body === BODY_LENGTH ? head.length : -1
    this.#sending = new Sending({ id, window: link.peer.initialWindow, owner: this }, link)
    this.#receiving = new Receiving(id, link)
    if (isWhole) this.#receiving.isEnded = true
  }

  get isRequestWhole(): boolean {
    return this.#receiving.isEnded
  }

  /** Connects the stream with the call it began; a failure may have been reported before. */
  begin(opened: RequestSink | Failure): void {
    if ('retry' in opened) this.onFailed(opened)
    else if (this.#isOver || this.#isAnswered) opened.abort()
    else this.#call = opened
  }

  /** Ends the stream from this side: judged again and denied. */
  cut(failure: Failure): void {
    if (this.#isOver) return
    if (this.#isAnswered) {
      this.reset(INTERNAL_ERROR)
      return
    }
    this.#call?.abort()
    this.onFailed(failure)
  }

  /** The connection is gone. */
  drop(): void {
    if (this.#isOver) return
    const call = this.#call
    this.#over(false)
    call?.abort()
  }

  /** The peer broke the rules of this stream. */
  reset(code: number): void {
    if (this.#isOver) return
    const call = this.#call
    this.#owner.link.out.reset(this.id, code)
    this.#over(true)
    call?.abort()
  }

  /** A reply of the proxy's own. */
  reply({ head, body }: Reply): void {
    this.onResponse(head)
    if (head.body !== BODY_NONE) {
      const bytes = Buffer.from(body, 'latin1')
      this.onData(bytes, 0, bytes.length)
    }
    this.onResponseEnd()
  }

  onInterim(head: ResponseHead): void {
    if (this.#isOver || this.#hasResponse) return
    const { link } = this.#owner
    link.out.headers(this.id, responseBlock(link.encoder, head.status, head.text), false)
  }

  onResponse(head: ResponseHead): void {
    if (this.#isOver) return
    this.#hasResponse = true
    const { link } = this.#owner
    const isWhole = head.body === BODY_NONE
    if (head.body === BODY_LENGTH) this.#responseLeft = head.length
    if (isWhole) this.#sending.isEnded = true
    link.out.headers(this.id, responseBlock(link.encoder, head.status, head.text), isWhole)
  }

  onData(bytes: Buffer, from: number, to: number): boolean {
    if (this.#isOver) return true
    if (this.#responseLeft >= 0) {
      this.#responseLeft -= to - from
      if (this.#responseLeft < 0) {
        this.reset(INTERNAL_ERROR)
        return true
      }
    }
    return this.#sending.data(bytes, from, to)
  }

  onTrailers(text: string): void {
    this.#sending.trailers(text)
  }

  onResponseEnd(): void {
    if (this.#isOver) return
    if (this.#responseLeft > 0) {
      this.reset(INTERNAL_ERROR)
      return
    }
    this.#isAnswered = true
    this.#sending.end()
    if (this.#sending.isEnded) this.onEndSent()
  }

  onFailed(failure: Failure): void {
    if (this.#isOver) return
    this.#call = undefined
    if (this.#hasResponse) {
      this.reset(INTERNAL_ERROR)
      return
    }
    const date = this.#owner.httpDate()
    this.reply(generatedReply(failure.code, { ...failure, request: this.head, date }))
  }

  resumeRequest(): void {
    if (!this.#isOver) this.#receiving.resume()
  }

  onClear(): void {
    if (!this.#isOver) this.#call?.resumeResponse()
  }

  onEndSent(): void {
    if (this.#isOver) return
    if (this.#receiving.isEnded) {
      this.#over(false)
      return
    }
    // Answered before the request was whole: the rest of it is of no use (RFC 9113 8.1).
    const call = this.#call
    this.#owner.link.out.reset(this.id, NO_ERROR)
    this.#over(true)
    call?.abort()
  }

  sendTrailers(text: string): void {
    const { link } = this.#owner
    link.out.headers(this.id, trailerBlock(link.encoder, text), true)
  }

  /** The socket has room again. */
  onRoomy(): void {
    if (!this.#isOver && this.#sending.isClear) this.#call?.resumeResponse()
  }

  /** @returns false when the peer granted what cannot be */
  onWindow(bytes: number): boolean {
    return this.#isOver || this.#sending.grant(bytes)
  }

  /** The peer gives the stream up. @returns whether an answer was still to come */
  onReset(): boolean {
    if (this.#isOver) return false
    const call = this.#call
    const wasBusy = !this.#isAnswered
    this.#over(false)
    call?.abort()
    return wasBusy
  }

  /** @returns the code that ends the stream, or NO_ERROR */
  onRequestFrame(size: number): number {
    if (this.#receiving.isEnded) return STREAM_CLOSED
    return this.#receiving.accept(size) ? NO_ERROR : FLOW_CONTROL_ERROR
  }

  onPadding(size: number): void {
    if (!this.#isOver) this.#receiving.consumed(size, true)
  }

  /** @returns the code that ends the stream, or NO_ERROR */
  onRequestData(bytes: Buffer, from: number, to: number, isEnd: boolean): number {
    const size = to - from
    if (this.#requestLeft >= 0) {
      this.#requestLeft -= size
      if (this.#requestLeft < 0 || (isEnd && this.#requestLeft > 0)) return PROTOCOL_ERROR
    }
    if (size > 0) {
      const isRoomy = this.#call?.data(bytes, from, to) ?? true
      if (this.#isOver) return NO_ERROR
      this.#receiving.consumed(size, isRoomy)
    }
    if (isEnd) this.#requestEnded('')
    return NO_ERROR
  }

  /** @returns the code that ends the stream, or NO_ERROR */
  onRequestTrailers(text: string): number {
    if (this.#requestLeft > 0) return PROTOCOL_ERROR
    this.#requestEnded(text)
    return NO_ERROR
  }

  #requestEnded(trailers: string): void {
    this.#receiving.close()
    const call = this.#call
    if (this.#sending.isEnded && this.#isAnswered) this.#over(false)
    if (trailers !== '') call?.trailers(trailers)
    call?.end()
  }

  #over(wasReset: boolean): void {
    this.#isOver = true
    this.#call = undefined
    this.#sending.stop()
    this.#receiving.close()
    this.#owner.forget(this, wasReset)
  }
}
