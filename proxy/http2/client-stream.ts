/**
 * One stream on the calling side of an HTTP/2 connection: sends a request, reads what comes back.
 *
 * Once it has ended, failed or been aborted it is forgotten by its connection and calls nothing more.
 */

import type { Failure, RequestSink, ResponseSink } from '../exchange/types.ts'
import { INTERIM_RESPONSES_MAX } from '../http1/limits.ts'
import { BODY_LENGTH, BODY_NONE, type RequestHead, type ResponseHead } from '../http1/message.ts'
import { disconnectReason } from '../http1/replies.ts'
import { CANCEL, FLOW_CONTROL_ERROR, PROTOCOL_ERROR, REFUSED_STREAM } from './format.ts'
import { requestBlock, trailerBlock } from './head-block.ts'
import type { Http2Link } from './link.ts'
import { Receiving } from './receiving.ts'
import { Sending, type SendingOwner } from './sending.ts'

export interface ClientStreamOwner {
  readonly link: Http2Link
  readonly scheme: string
  forget(stream: ClientStream): void
  now(): number
}

export const BROKEN: Failure = {
  code: 'UPSTREAM_INVALID',
  reason: disconnectReason('protocol error'),
  retry: 'final',
}
const RESET: Failure = {
  code: 'UPSTREAM_RESET',
  reason: disconnectReason('remote reset'),
  retry: 'maybe-sent',
}
const REFUSED: Failure = { ...RESET, retry: 'never-sent' }
const BROKEN_OFF: Failure = { ...RESET, retry: 'final' }

export class ClientStream implements RequestSink, SendingOwner {
  readonly id: number
  /** Tick of the last sign of life in either direction. */
  lastTick: number
  /** Tick at which the request was complete, -1 before. */
  askedTick = -1
  readonly #owner: ClientStreamOwner
  readonly #head: RequestHead
  readonly #sink: ResponseSink
  readonly #sending: Sending
  readonly #receiving: Receiving
  /** Body bytes that must still go out, and still come; -1 when not known. */
  #requestLeft: number
  #responseLeft = -1
  #hasResponse = false
  #interims = 0
  #isOver = false

  constructor(owner: ClientStreamOwner, id: number, head: RequestHead, sink: ResponseSink) {
    const { link } = owner
    this.id = id
    this.#owner = owner
    this.#head = head
    this.#sink = sink
    this.#requestLeft = head.body === BODY_LENGTH ? head.length : -1
    this.#sending = new Sending({ id, window: link.peer.initialWindow, owner: this }, link)
    this.#receiving = new Receiving(id, link)
    this.lastTick = owner.now()
    const isWhole = head.body === BODY_NONE
    link.out.headers(id, requestBlock(link.encoder, head.text, owner.scheme), isWhole)
    if (!isWhole) return
    this.#sending.isEnded = true
    this.askedTick = this.lastTick
  }

  get isHead(): boolean {
    return this.#head.isHead
  }

  get hasResponse(): boolean {
    return this.#hasResponse
  }

  get responseTimeoutMs(): number | undefined {
    return this.#head.responseTimeoutMs
  }

  data(bytes: Buffer, from: number, to: number): boolean {
    if (this.#isOver) return true
    this.lastTick = this.#owner.now()
    if (this.#requestLeft >= 0) {
      this.#requestLeft -= to - from
      if (this.#requestLeft < 0) {
        this.#reset(CANCEL)
        this.#sink.onFailed(BROKEN)
        return true
      }
    }
    return this.#sending.data(bytes, from, to)
  }

  trailers(text: string): void {
    this.#sending.trailers(text)
  }

  end(): void {
    if (this.#isOver || this.#sending.isEnded) return
    this.askedTick = this.#owner.now()
    if (this.#requestLeft > 0) {
      this.#reset(CANCEL)
      this.#sink.onFailed(BROKEN)
      return
    }
    this.#sending.end()
    if (this.#sending.isEnded) this.onEndSent()
  }

  abort(): void {
    if (!this.#isOver) this.#reset(CANCEL)
  }

  resumeResponse(): void {
    if (!this.#isOver) this.#receiving.resume()
  }

  /** Gives up, telling both sides. */
  fail(failure: Failure, code = CANCEL): void {
    if (this.#isOver) return
    this.#reset(code)
    this.#sink.onFailed(failure)
  }

  /** The connection is gone: there is nobody to tell but the caller. */
  lose(failure: Failure): void {
    if (this.#isOver) return
    this.#over()
    this.#sink.onFailed(failure)
  }

  onClear(): void {
    if (!this.#isOver) this.#sink.resumeRequest()
  }

  onEndSent(): void {
    if (!this.#isOver && this.#receiving.isEnded) this.#over()
  }

  sendTrailers(text: string): void {
    const { link } = this.#owner
    link.out.headers(this.id, trailerBlock(link.encoder, text), true)
  }

  /** The socket has room again. */
  onRoomy(): void {
    if (!this.#isOver && this.#sending.isClear) this.#sink.resumeRequest()
  }

  /** @returns false when the peer granted what cannot be */
  onWindow(bytes: number): boolean {
    this.lastTick = this.#owner.now()
    return this.#isOver || this.#sending.grant(bytes)
  }

  onReset(code: number): void {
    if (this.#isOver) return
    this.#over()
    if (code === REFUSED_STREAM && !this.#hasResponse) this.#sink.onFailed(REFUSED)
    else this.#sink.onFailed(this.#hasResponse ? BROKEN_OFF : RESET)
  }

  /** @param head undefined when it is malformed */
  onResponse(head: ResponseHead | undefined, isEnd: boolean): void {
    this.lastTick = this.#owner.now()
    if (head === undefined || (head.isInterim && ++this.#interims > INTERIM_RESPONSES_MAX)) {
      this.fail(BROKEN, PROTOCOL_ERROR)
      return
    }
    if (head.isInterim) {
      this.#sink.onInterim(head)
      return
    }
    this.#hasResponse = true
    if (head.body === BODY_LENGTH) this.#responseLeft = head.length
    else if (head.body === BODY_NONE) this.#responseLeft = 0
    this.#sink.onResponse(head)
    // Whoever was given the head may have had enough.
    if (isEnd && !this.#isOver) this.#receivedEnd('')
  }

  onDataFrame(size: number): void {
    if (this.#isOver) return
    if (!this.#hasResponse || this.#receiving.isEnded) this.fail(BROKEN, PROTOCOL_ERROR)
    else if (!this.#receiving.accept(size)) this.fail(BROKEN, FLOW_CONTROL_ERROR)
  }

  onPadding(size: number): void {
    if (!this.#isOver) this.#receiving.consumed(size, true)
  }

  onData(bytes: Buffer, from: number, to: number, isEnd: boolean): void {
    if (this.#isOver) return
    this.lastTick = this.#owner.now()
    const size = to - from
    if (this.#responseLeft >= 0) {
      this.#responseLeft -= size
      if (this.#responseLeft < 0 || (isEnd && this.#responseLeft > 0)) {
        this.fail(BROKEN, PROTOCOL_ERROR)
        return
      }
    }
    if (size > 0) {
      const isRoomy = this.#sink.onData(bytes, from, to)
      if (this.#isOver) return
      this.#receiving.consumed(size, isRoomy)
    }
    if (isEnd) this.#receivedEnd('')
  }

  onTrailers(text: string): void {
    if (this.#isOver) return
    if (this.#receiving.isEnded || this.#responseLeft > 0) this.fail(BROKEN, PROTOCOL_ERROR)
    else this.#receivedEnd(text)
  }

  #receivedEnd(trailers: string): void {
    this.#receiving.close()
    // Answered before the request was whole: the rest of it is of no use to anybody.
    if (this.#sending.isEnded) this.#over()
    else this.#reset(CANCEL)
    if (trailers !== '') this.#sink.onTrailers(trailers)
    this.#sink.onResponseEnd()
  }

  #reset(code: number): void {
    this.#owner.link.out.reset(this.id, code)
    this.#over()
  }

  #over(): void {
    this.#isOver = true
    this.#sending.stop()
    this.#receiving.close()
    this.#owner.forget(this)
  }
}
