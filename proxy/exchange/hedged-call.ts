/**
 * A request that is sent to a second instance when the first takes long; who answers first is heard (mesh.md 10.7).
 *
 * Only what may be sent twice and has no body. Guarantees: the caller gets one answer, whole, of one instance; the others are cut
 * as soon as it begins, and so is everything when the caller goes away. An answer of 5xx wins only when nobody else is asked any
 * more. Further attempts come out of the retry budget of the destination, prefer other instances and are counted as retries;
 * figures and logs see one request.
 */

import { ERRORS } from '../../core/errors.ts'
import { type Clock, type Instant, instant, type Timer } from '../../core/time.ts'
import { BODY_NONE, type RequestHead, type ResponseHead } from '../http1/message.ts'
import type { ExchangeWatch } from '../telemetry/exchange-watch.ts'
import type { RequestStats } from '../telemetry/request-stats.ts'
import { Call, type CallDeps, type CallTarget } from './call.ts'
import { newCounters } from './counters.ts'
import { copyOf } from './head-copy.ts'
import type { Failure, RequestSink, ResponseSink } from './types.ts'

/** When the next attempt begins, and how many there are beside the first. */
export interface Hedge {
  readonly delayMs: number
  readonly attemptsMax: number
}

/** A fault put in its way would only be met by the first attempt. */
export function mayHedge(head: RequestHead): boolean {
  const isBare = head.body === BODY_NONE && !head.upgrade
  return isBare && head.isIdempotent && head.fault === undefined && !head.isTooMany
}

/** What single attempts count, which nobody asks for. */
const UNCOUNTED = newCounters()

export class HedgedCall implements RequestSink {
  readonly #target: CallTarget
  readonly #head: RequestHead
  readonly #caller: ResponseSink
  readonly #deps: CallDeps
  readonly #attemptDeps: CallDeps
  readonly #hedge: Hedge
  readonly #clock: Clock
  readonly #hash: number | undefined
  readonly #startedAt: Instant
  readonly #stats: RequestStats | undefined
  readonly #watch: ExchangeWatch | undefined
  /** Those that may still answer. */
  readonly #open = new Set<Attempt>()
  #started = 0
  #timer: Timer | undefined
  #winner: Attempt | undefined
  #status = 0
  #isOver = false

  /** @param hash of the request, for destinations whose policy asks for one */
  constructor(
    target: CallTarget,
    head: RequestHead,
    caller: ResponseSink,
    deps: CallDeps,
    options: { readonly hedge: Hedge; readonly hash: number | undefined },
  ) {
    this.#target = target
    this.#head = head
    this.#caller = caller
    this.#deps = deps
    this.#hedge = options.hedge
    this.#hash = options.hash
    this.#clock = deps.clock
    this.#startedAt = deps.clock.now()
    this.#attemptDeps = { clock: deps.clock, counters: UNCOUNTED }
    this.#stats = head.stats
    this.#watch = head.watch
    // Here it is counted and followed, and not by each attempt.
    head.stats = undefined
    head.watch = undefined
    head.perTryTimeoutMs = undefined
  }

  /** May report a failure to the caller before it returns. */
  start(): RequestSink {
    this.#deps.counters.requestsTotal++
    if (this.#stats !== undefined) this.#stats.active++
    const next = copyOf(this.#head)
    this.#begin(this.#head, undefined)
    if (!this.#isOver) this.#arm(next)
    return this
  }

  data(): boolean {
    return true
  }

  trailers(): void {}

  end(): void {}

  abort(): void {
    if (this.#isOver) return
    this.#over(this.#status, undefined, this.#winner)
    this.#cutAllBut(undefined)
  }

  resumeResponse(): void {
    this.#winner?.call?.resumeResponse()
  }

  /** @returns false when this answer is not the one that the caller gets */
  answered(attempt: Attempt, head: ResponseHead): boolean {
    if (this.#isOver || this.#winner !== undefined) return false
    if (head.status >= 500 && this.#open.size > 1) {
      this.#open.delete(attempt)
      attempt.cut()
      return false
    }
    this.#winner = attempt
    this.#timer?.cancel()
    this.#cutAllBut(attempt)
    this.#status = head.status
    this.#watch?.responded(head)
    return true
  }

  passed(bytes: number): void {
    if (this.#watch !== undefined) this.#watch.sentBytes += bytes
  }

  ended(attempt: Attempt): void {
    if (this.#isOver || attempt !== this.#winner) return
    this.#open.delete(attempt)
    this.#over(this.#status, undefined, attempt)
    this.#caller.onResponseEnd()
  }

  lost(attempt: Attempt, failure: Failure): void {
    this.#open.delete(attempt)
    if (this.#isOver) return
    // The time of the request is over, not that of one attempt.
    const isFinal = failure.code === 'DEADLINE_EXCEEDED'
    if (attempt !== this.#winner && this.#open.size > 0 && !isFinal) return
    this.#deps.counters.requestsFailed++
    const status = this.#status || (failure.status ?? ERRORS[failure.code].httpStatus)
    this.#over(status, failure, attempt)
    this.#cutAllBut(undefined)
    this.#caller.onFailed(failure)
  }

  /** Nothing was heard of the others yet that the caller could have been told. */
  get isAlone(): boolean {
    return this.#started === 1
  }

  #begin(head: RequestHead, avoided: object | undefined): void {
    const attempt = new Attempt(this, this.#caller, this.#started > 0 ? this.#target : undefined)
    this.#started++
    this.#open.add(attempt)
    const call = new Call(this.#target, head, attempt, this.#attemptDeps)
    call.hash = this.#hash
    call.triedEndpoint = avoided
    attempt.call = call
    call.start()
    this.#watch?.attempted(call.triedEndpoint)
  }

  #arm(next: RequestHead): void {
    if (this.#started > this.#hedge.attemptsMax) return
    const at = instant(this.#clock.now() + this.#hedge.delayMs)
    this.#timer = this.#clock.timer(at, () => {
      this.#timer = undefined
      if (this.#isOver || this.#winner !== undefined || !this.#target.beginRetry()) return
      this.#deps.counters.retries++
      if (this.#stats !== undefined) this.#stats.retries++
      const following = copyOf(next)
      const limitMs = next.responseTimeoutMs
      if (limitMs !== undefined && limitMs > 0) {
        next.responseTimeoutMs = Math.max(1, limitMs - (this.#clock.now() - this.#startedAt))
      }
      let slow: object | undefined
      for (const { call } of this.#open) slow = call?.triedEndpoint
      this.#begin(next, slow)
      if (!this.#isOver) this.#arm(following)
    })
  }

  #cutAllBut(kept: Attempt | undefined): void {
    for (const attempt of [...this.#open]) {
      if (attempt === kept) continue
      this.#open.delete(attempt)
      attempt.cut()
    }
  }

  #over(status: number, failure: Failure | undefined, last: Attempt | undefined): void {
    this.#isOver = true
    this.#timer?.cancel()
    const stats = this.#stats
    if (stats !== undefined) {
      if (failure?.code === 'UPSTREAM_TIMEOUT' || failure?.code === 'DEADLINE_EXCEEDED')
        stats.timeouts++
      if (this.#started > 1 && status > 0 && status < 500) stats.retriesRewarded++
      stats.ended(status, this.#clock.now() - this.#startedAt)
    }
    this.#watch?.ended(status, failure, last?.call?.triedEndpoint)
  }
}

/** What one instance answers. */
class Attempt implements ResponseSink {
  call: Call | undefined
  readonly #of: HedgedCall
  readonly #caller: ResponseSink
  /** Whose budget it was taken from. */
  #budget: CallTarget | undefined
  #isHeard = false

  constructor(of: HedgedCall, caller: ResponseSink, budget: CallTarget | undefined) {
    this.#of = of
    this.#caller = caller
    this.#budget = budget
  }

  onInterim(head: ResponseHead): void {
    if (this.#of.isAlone) this.#caller.onInterim(head)
  }

  onResponse(head: ResponseHead): void {
    this.#isHeard = this.#of.answered(this, head)
    if (this.#isHeard) this.#caller.onResponse(head)
  }

  onData(bytes: Buffer, from: number, to: number): boolean {
    if (!this.#isHeard) return true
    this.#of.passed(to - from)
    return this.#caller.onData(bytes, from, to)
  }

  onTrailers(text: string): void {
    if (this.#isHeard) this.#caller.onTrailers(text)
  }

  onResponseEnd(): void {
    this.#settle()
    this.#of.ended(this)
  }

  onFailed(failure: Failure): void {
    this.#settle()
    this.#of.lost(this, failure)
  }

  resumeRequest(): void {}

  cut(): void {
    this.#settle()
    this.call?.abort()
  }

  #settle(): void {
    this.#budget?.retryEnded()
    this.#budget = undefined
  }
}
