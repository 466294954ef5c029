/**
 * The time by which the answer to a request is wanted, from hop to hop (mesh.md 10.6, docs/decisions/0030).
 *
 * `grpc-timeout` bounds the whole call, `x-envoy-expected-rq-timeout-ms` the time to the head of the answer; both carry what is left,
 * so no two clocks need to agree. What a route gives a request without body is told on as well. The shorter one holds; what
 * cannot be read is passed on as it came. Made only for requests that have one.
 */

import { type Instant, instant } from '../../core/time.ts'
import { BODY_NONE, type RequestHead } from '../http1/message.ts'
import { RequestView } from '../http1/request-view.ts'
import { withoutFields } from '../routing/head-edits.ts'

export const GRPC_TIMEOUT = 'grpc-timeout'
export const EXPECTED_TIMEOUT = 'x-envoy-expected-rq-timeout-ms'

const FIELDS: ReadonlySet<string> = new Set([GRPC_TIMEOUT, EXPECTED_TIMEOUT])
const UNIT_MS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
}
/** As many digits as a gRPC timeout may have. */
const VALUE_END = 1e8

export class Deadline {
  /** The earliest of what is asked for. */
  readonly endsAt: Instant
  /** The same without the route's own time, which whoever keeps the connection looks after; undefined without one. */
  readonly callerEndsAt: Instant | undefined
  /** Until the last byte; else until the head of the answer. */
  readonly isOfCall: boolean
  readonly #isGrpc: boolean
  readonly #isHttp: boolean
  /** The head without what is written anew for each attempt. */
  readonly #text: string

  private constructor(
    head: RequestHead,
    now: number,
    times: {
      readonly grpcMs: number | undefined
      readonly askedMs: number | undefined
      readonly httpMs: number | undefined
    },
  ) {
    const { grpcMs = Number.POSITIVE_INFINITY, askedMs = Number.POSITIVE_INFINITY } = times
    const ofCallerMs = Math.min(grpcMs, askedMs)
    this.callerEndsAt = Number.isFinite(ofCallerMs) ? instant(now + ofCallerMs) : undefined
    this.endsAt = instant(now + Math.min(ofCallerMs, times.httpMs ?? Number.POSITIVE_INFINITY))
    this.isOfCall = times.grpcMs !== undefined
    this.#isGrpc = times.grpcMs !== undefined
    this.#isHttp = times.httpMs !== undefined
    this.#text = withoutFields(head.text, FIELDS)
  }

  /** @returns undefined when neither the caller nor the route gives a time that could be told */
  static of(head: RequestHead, now: number): Deadline | undefined {
    // After an upgrade the request is over, and its time with it.
    if (head.upgrade) return undefined
    const view = head.hasTimeout ? new RequestView(head.text) : undefined
    const grpcMs = grpcTimeoutMs(view?.header(GRPC_TIMEOUT))
    const askedMs = expectedMs(view?.header(EXPECTED_TIMEOUT))
    const ofRoute = head.responseTimeoutMs
    const told = head.body === BODY_NONE && ofRoute !== undefined && ofRoute > 0 ? ofRoute : askedMs
    if (grpcMs === undefined && told === undefined) return undefined
    const httpMs = told === undefined ? undefined : Math.min(told, askedMs ?? told)
    return new Deadline(head, now, { grpcMs, askedMs, httpMs })
  }

  leftMs(now: number): number {
    return Math.max(0, this.endsAt - now)
  }

  /** Writes what is left into the head. */
  tell(head: RequestHead, now: number): void {
    const leftMs = Math.max(1, Math.floor(this.leftMs(now)))
    let text = this.#text
    if (this.#isGrpc) text += `${GRPC_TIMEOUT}: ${grpcTimeout(leftMs)}\r\n`
    if (this.#isHttp) text += `${EXPECTED_TIMEOUT}: ${leftMs}\r\n`
    head.text = text
  }
}

/** @returns undefined for what is absent or cannot be read */
export function grpcTimeoutMs(value: string | undefined): number | undefined {
  const found = /^(\d{1,8})([HMSmun])$/.exec(value ?? '')
  if (found === null) return undefined
  return Number(found[1]) * (UNIT_MS[found[2] as string] as number)
}

/** Whole milliseconds, or the finest unit that fits into eight digits. */
export function grpcTimeout(ms: number): string {
  if (ms < VALUE_END) return `${ms}m`
  const s = Math.floor(ms / 1000)
  return s < VALUE_END ? `${s}S` : `${Math.floor(s / 3600)}H`
}

function expectedMs(value: string | undefined): number | undefined {
  if (value === undefined || !/^\d{1,9}$/.test(value)) return undefined
  return Number(value) || undefined
}
