/**
 * One call on its way to a target: keeps what is needed to try again, and passes everything else through.
 *
 * Guarantees (mesh.md 10.7): what the route of a request asks to be retried is, within its number and time. Without
 * one, what is safe without configuration: one more attempt when the first
 * certainly reached no application; one more for an idempotent request without a body on a reused
 * connection that ended unanswered; none after a response or stream byte. A body is replayed from a copy of
 * at most REPLAY_BYTES_MAX; a longer one is not retried. While no connection is there, the caller waits.
 */

import { ERRORS } from '../../core/errors.ts'
import type { SizeLimits } from '../../core/mesh/proxy-snapshot.ts'
import { type Clock, instant, type Timer } from '../../core/time.ts'
import type { RequestHead, ResponseHead } from '../http1/message.ts'
import type { Fault, FaultPolicy } from '../routing/fault-policy.ts'
import type { RetryPolicy } from '../routing/retry-policy.ts'
import type { ExchangeWatch } from '../telemetry/exchange-watch.ts'
import type { RequestStats } from '../telemetry/request-stats.ts'
import type { ProxyCounters } from './counters.ts'
import { Deadline } from './deadline.ts'
import {
  ABORTED,
  EXPIRED,
  REQUEST_TOO_LARGE,
  RESPONSE_TOO_LARGE,
  TOO_MANY,
} from './own-failures.ts'
import type { Failure, RequestSink, ResponseSink } from './types.ts'

/** Where a call goes: finds or makes a connection for each attempt. */
export interface CallTarget {
  /** Another attempt after one that certainly failed to reach an application may do better. */
  readonly retriesElsewhere: boolean
  /** Tell the caller how long the response took. */
  readonly reportsTime: boolean
  /** Ends in `call.attach` or `call.onFailed`, at once or later. */
  attempt(call: Call): void
  /** The attempt failed. @param isReused its connection had carried another exchange before */
  failed(call: Call, failure: Failure, isReused: boolean): void
  /** The attempt was answered, with this status; 0 for a raw stream. @param now instant of it */
  answered(call: Call, status: number, now: number): void
  /** The attempt is over, however it ended. May be called more than once. */
  released(call: Call): void
  /** A retry that the route asks for fits into what the destination bears; then it counts until `retryEnded`. */
  beginRetry(): boolean
  retryEnded(): void
  /** The call, still waiting for a connection, is given up. */
  forget(call: Call): void
}

const REPLAY_BYTES_MAX = 64 * 1024
/** Of a request whose route gives no time (mesh.md 10.6). */
const REQUEST_TIMEOUT_MS = 15_000

/** Longer than the coarsest timer of a calling side. */
const CALLED_SIDE_GRACE_MS = 3000

export interface CallDeps {
  readonly counters: ProxyCounters
  readonly clock: Clock
}

export class Call implements RequestSink, ResponseSink {
  /** undefined for a raw stream. */
  readonly head: RequestHead | undefined
  /** The endpoint of the last attempt, for choosing another. */
  triedEndpoint: object | undefined
  /** The attempt counts at its endpoint, from this instant on. */
  isHeld = false
  heldAt = 0
  /** By the policies of the destination, for those that hash. */
  hash: number | undefined
  readonly #target: CallTarget
  readonly #caller: ResponseSink
  readonly #deps: CallDeps
  /** When the call began. */
  readonly #startedAt: number
  readonly #routeTimeoutMs: number | undefined
  /** Until the call is counted. */
  #stats: RequestStats | undefined
  readonly #watch: ExchangeWatch | undefined
  /** Of the answer, 0 before it. */
  #status = 0
  #upstream: RequestSink | undefined
  #isReused = false
  /** Bytes without heads: a stream, or what follows 101. */
  #isRaw: boolean
  /** The body so far, while it may still have to be sent again; undefined once it need not. */
  #replay: Buffer[] | undefined
  #replayBytes = 0
  #isReplayable = true
  #trailers = ''
  #hasEnded = false
  #isCommitted = false
  #isOver = false
  #elsewhereTried = false
  /** Attempts that the route's policy asked for. */
  #retries = 0
  readonly #sizes: SizeLimits | undefined
  #requestBytes = 0
  #responseBytes = 0
  #backoff: Timer | undefined
  #deadline: Deadline | undefined
  #expiry: Timer | undefined
  #holdsRetry = false
  /** Whose wait on purpose it is in. */
  #delayedBy: FaultPolicy | undefined
  #staleTried = false
  #hasRetried = false

  constructor(
    target: CallTarget,
    head: RequestHead | undefined,
    caller: ResponseSink,
    deps: CallDeps,
  ) {
    this.#target = target
    this.head = head
    this.#isRaw = head === undefined
    this.#caller = caller
    this.#deps = deps
    const stats = head?.stats
    this.#startedAt = target.reportsTime || stats !== undefined ? deps.clock.now() : 0
    this.#routeTimeoutMs = head?.responseTimeoutMs
    this.#stats = stats
    this.#watch = head?.watch
    this.#sizes = head?.sizes
    if (stats !== undefined) stats.active++
  }

  /** May report a failure to the caller before it returns. */
  start(): RequestSink {
    const { head } = this
    if (head !== undefined) {
      this.#deps.counters.requestsTotal++
      if (head.hasTimeout || head.responseTimeoutMs !== undefined) this.#expect(head)
      if (head.isTooMany) this.onFailed(TOO_MANY)
      else if (head.sizes !== undefined && head.length > head.sizes.request) {
        this.onFailed(REQUEST_TOO_LARGE)
      }
      if (this.#isOver) return this
    }
    const fault = head?.fault
    if (fault === undefined) this.#attempt()
    else if (fault.delayMs > 0) this.#wait(fault)
    else this.#afterWait(fault)
    return this
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /**
   * A connection has taken the call: its head has been sent there.
   *
   * @param isReused the connection had carried another exchange before
   */
  attach(upstream: RequestSink, isReused: boolean): void {
    this.#watch?.attempted(this.triedEndpoint)
    this.#upstream = upstream
    this.#isReused = isReused
    const replay = this.#replay
    if (replay === undefined && !this.#hasEnded) return
    let isRoomy = true
    for (const piece of replay ?? []) isRoomy = upstream.data(piece, 0, piece.length)
    if (this.#replayBytes > REPLAY_BYTES_MAX) this.#stopReplay()
    if (this.#hasEnded) {
      if (this.#trailers !== '') upstream.trailers(this.#trailers)
      upstream.end()
    } else if (isRoomy && this.#upstream === upstream) {
      this.#caller.resumeRequest()
    }
  }

  data(bytes: Buffer, from: number, to: number): boolean {
    if (this.#isOver) return true
    if (this.#watch !== undefined) this.#watch.receivedBytes += to - from
    if (this.#sizes !== undefined && !this.#isRaw) {
      this.#requestBytes += to - from
      if (this.#requestBytes > this.#sizes.request) {
        this.#giveUp(REQUEST_TOO_LARGE)
        return true
      }
    }
    if (!this.#isCommitted && this.#isReplayable) this.#keep(bytes, from, to)
    // Without a connection the caller waits; what it had read already is kept.
    return this.#upstream?.data(bytes, from, to) ?? false
  }

  trailers(text: string): void {
    this.#trailers = text
    this.#upstream?.trailers(text)
  }

  end(): void {
    this.#hasEnded = true
    this.#upstream?.end()
  }

  abort(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#count(this.#status)
    this.#stopWork()
  }

  resumeResponse(): void {
    this.#upstream?.resumeResponse()
  }

  onInterim(head: ResponseHead): void {
    this.#caller.onInterim(head)
  }

  onResponse(head: ResponseHead): void {
    const policy = this.head?.retry
    const now = this.#deps.clock.now()
    this.#target.answered(this, judgedStatus(head), now)
    if (policy?.retriesStatus(head.status) === true && this.#mayRetry(policy)) {
      this.#target.released(this)
      const upstream = this.#upstream
      this.#upstream = undefined
      upstream?.abort()
      this.#retry(policy)
      return
    }
    if (
      this.#sizes !== undefined &&
      head.length > this.#sizes.response &&
      this.head?.isHead !== true
    ) {
      this.#giveUp(RESPONSE_TOO_LARGE)
      return
    }
    this.#commit()
    this.#status = head.status
    this.#watch?.responded(head)
    if (head.upgrade) this.#isRaw = true
    if (this.#target.reportsTime) {
      const ms = Math.round(now - this.#startedAt)
      head.text += `x-envoy-upstream-service-time: ${ms}\r\n`
    }
    const edits = this.head?.responseEdits
    if (edits !== undefined) for (const edit of edits) head.text = edit.apply(head.text)
    this.#caller.onResponse(head)
  }

  onData(bytes: Buffer, from: number, to: number): boolean {
    if (!this.#isCommitted) {
      this.#target.answered(this, 0, this.#deps.clock.now())
      this.#commit()
    }
    if (this.#sizes !== undefined && !this.#isRaw) {
      this.#responseBytes += to - from
      if (this.#responseBytes > this.#sizes.response) {
        this.#giveUp(RESPONSE_TOO_LARGE)
        return true
      }
    }
    if (this.#watch !== undefined) this.#watch.sentBytes += to - from
    return this.#caller.onData(bytes, from, to)
  }

  onTrailers(text: string): void {
    this.#caller.onTrailers(text)
  }

  onResponseEnd(): void {
    this.#count(this.#status)
    this.#finish()
    // A raw stream goes on in the other direction. Else the connection may be another call's from now on.
    if (!this.#isRaw) {
      this.#isOver = true
      this.#upstream = undefined
    }
    this.#caller.onResponseEnd()
  }

  onFailed(failure: Failure): void {
    if (this.#isOver) return
    this.#upstream = undefined
    this.#target.failed(this, failure, this.#isReused)
    this.#target.released(this)
    if (this.#mayTryAgain(failure)) {
      this.#deps.counters.retries++
      this.#countRetry()
      this.#attempt()
      return
    }
    const policy = this.head?.retry
    if (policy !== undefined && this.#isRetried(policy, failure) && this.#mayRetry(policy)) {
      this.#retry(policy)
      return
    }
    this.#isOver = true
    this.#finish()
    if (this.head !== undefined) this.#deps.counters.requestsFailed++
    this.#countFailure(failure, policy)
    this.#caller.onFailed(failure)
  }

  resumeRequest(): void {
    this.#caller.resumeRequest()
  }

  /** Nothing more is done for it, here or further on. */
  #stopWork(): void {
    this.#backoff?.cancel()
    if (this.#delayedBy !== undefined) this.#delayedBy.waiting--
    this.#finish()
    const upstream = this.#upstream
    this.#upstream = undefined
    if (upstream === undefined) this.#target.forget(this)
    else upstream.abort()
  }

  /** The answer is wanted by a time, which goes with the request. */
  #expect(head: RequestHead): void {
    const { clock } = this.#deps
    const now = clock.now()
    this.#deadline = Deadline.of(head, now)
    const endsAt = this.#deadline?.callerEndsAt
    if (endsAt === undefined) return
    if (endsAt <= now) {
      this.#expire()
      return
    }
    // It is the calling side that ends it and says so; the called one makes sure.
    const graceMs = this.#target.reportsTime ? 0 : CALLED_SIDE_GRACE_MS
    this.#expiry = clock.timer(instant(endsAt + graceMs), () => this.#expire())
  }

  #expire(): void {
    if (!this.#isOver) this.#giveUp(EXPIRED)
  }

  #giveUp(failure: Failure): void {
    this.#isOver = true
    this.#deps.counters.requestsFailed++
    this.#countFailure(failure, undefined)
    this.#stopWork()
    this.#caller.onFailed(failure)
  }

  #mayTryAgain(failure: Failure): boolean {
    if (this.#isCommitted || !this.#isReplayable) return false
    if (failure.retry === 'never-sent') {
      if (this.#elsewhereTried || !(this.#target.retriesElsewhere || this.#isReused)) return false
      this.#elsewhereTried = true
      return true
    }
    if (failure.retry !== 'maybe-sent' || !this.#isReused || this.#staleTried) return false
    if (this.head?.isIdempotent !== true || this.#replayBytes > 0) return false
    this.#staleTried = true
    return true
  }

  /** Nothing was passed on, all that was sent is still at hand, and neither number nor time is used up. */
  #mayRetry(policy: RetryPolicy): boolean {
    if (this.#isCommitted || !this.#isReplayable || this.head?.upgrade === true) return false
    if (this.#retries >= policy.attemptsMax || this.#remainingMs === 0) return false
    if (this.#deadline?.leftMs(this.#deps.clock.now()) === 0) return false
    this.#holdsRetry ||= this.#target.beginRetry()
    return this.#holdsRetry
  }

  /** Of the time that the route gives the request; undefined without a limit of its own. */
  get #remainingMs(): number | undefined {
    const perTry = this.head?.perTryTimeoutMs
    const wholeMs = this.#routeTimeoutMs ?? (perTry === undefined ? undefined : REQUEST_TIMEOUT_MS)
    if (wholeMs === undefined || wholeMs === 0) return undefined
    return Math.max(0, wholeMs - (this.#deps.clock.now() - this.#startedAt))
  }

  #retry(policy: RetryPolicy): void {
    this.#retries++
    this.#deps.counters.retries++
    this.#countRetry()
    const { clock } = this.#deps
    const waitMs = policy.backoffMs(this.#retries)
    this.#backoff = clock.timer(instant(clock.now() + waitMs), () => {
      this.#backoff = undefined
      this.#attempt()
    })
  }

  /** The attempt gets what is left of the time, or its own part of it. */
  #attempt(): void {
    const { head } = this
    if (head !== undefined && (head.perTryTimeoutMs !== undefined || this.#retries > 0)) {
      const leftMs = this.#remainingMs
      const { perTryTimeoutMs = Number.POSITIVE_INFINITY } = head
      // 0 would mean no limit.
      const ms = Math.max(1, Math.min(perTryTimeoutMs, leftMs ?? Number.POSITIVE_INFINITY))
      if (Number.isFinite(ms)) head.responseTimeoutMs = ms
    }
    if (head !== undefined) this.#deadline?.tell(head, this.#deps.clock.now())
    this.#target.attempt(this)
  }

  /** An attempt that used up its own time is a lost one while the request has time left. */
  #isRetried(policy: RetryPolicy, failure: Failure): boolean {
    if (failure.code === 'UPSTREAM_TIMEOUT' && this.head?.perTryTimeoutMs !== undefined) {
      return policy.retriesFailure({ ...failure, retry: 'maybe-sent' })
    }
    return policy.retriesFailure(failure)
  }

  #wait(fault: Fault): void {
    const { clock } = this.#deps
    this.#delayedBy = fault.policy
    this.#watch?.delayed()
    fault.policy.waiting++
    this.#backoff = clock.timer(instant(clock.now() + fault.delayMs), () => {
      this.#backoff = undefined
      this.#delayedBy = undefined
      fault.policy.waiting--
      this.#afterWait(fault)
    })
  }

  #afterWait({ abortStatus }: Fault): void {
    if (abortStatus === 0) this.#attempt()
    else this.onFailed({ ...ABORTED, status: abortStatus })
  }

  #keep(bytes: Buffer, from: number, to: number): void {
    this.#replay ??= []
    this.#replay.push(Buffer.from(bytes.subarray(from, to)))
    this.#replayBytes += to - from
    // Beyond the bound the copy only lives on until a connection has taken it.
    if (this.#replayBytes > REPLAY_BYTES_MAX && this.#upstream !== undefined) this.#stopReplay()
  }

  #stopReplay(): void {
    this.#isReplayable = false
    this.#replay = undefined
  }

  #countRetry(): void {
    this.#hasRetried = true
    if (this.#stats !== undefined) this.#stats.retries++
  }

  #countFailure(failure: Failure, policy: RetryPolicy | undefined): void {
    const stats = this.#stats
    if (stats === undefined) return
    if (failure.code === 'UPSTREAM_TIMEOUT' || failure === EXPIRED) stats.timeouts++
    if (policy?.retriesFailure(failure) === true) stats.retriesExhausted++
    // Once its head is out, an answer has the status that the caller saw.
    this.#count(
      this.#status === 0 ? (failure.status ?? ERRORS[failure.code].httpStatus) : this.#status,
      failure,
    )
  }

  /** @param failure that ended it; undefined for an answer, or a caller that went away */
  #count(status: number, failure?: Failure): void {
    const stats = this.#stats
    if (stats === undefined) return
    this.#stats = undefined
    if (this.#hasRetried && status > 0 && status < 500) stats.retriesRewarded++
    stats.ended(status, this.#deps.clock.now() - this.#startedAt)
    this.#watch?.ended(status, failure, this.triedEndpoint)
  }

  #commit(): void {
    this.#isCommitted = true
    if (this.#deadline?.isOfCall === false) this.#expiry?.cancel()
    this.#replay = undefined
  }

  #finish(): void {
    this.#expiry?.cancel()
    this.#target.released(this)
    if (!this.#holdsRetry) return
    this.#holdsRetry = false
    this.#target.retryEnded()
  }
}

/** An instance that turns away what is too much for it is not ill, as other answers of 5xx make it look. */
function judgedStatus({ status, text }: ResponseHead): number {
  return status === 503 && text.includes('x-envoy-overloaded: true') ? 429 : status
}
