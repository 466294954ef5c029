/**
 * Taps: which requests somebody wants to watch, and what is told of each. Pure.
 *
 * Fields of requests are only told when asked for, and those that carry secrets never.
 */

import type { Json } from '../catalog/types.ts'
import type { ExchangeRecord } from './record.ts'

export interface TapFilter {
  /** Local service that calls or is called; '' for any. */
  readonly service: string
  /** Service on the other side. */
  readonly to: string
  readonly from: string
  readonly direction: '' | 'inbound' | 'outbound'
  readonly method: string
  /** Prefix of the path. */
  readonly path: string
  /** `503`, `5xx`, `error` (5xx or no answer); '' for any. */
  readonly status: string
  readonly maxPerSecond: number
  readonly withFields: boolean
}

export const TAP_RATE_DEFAULT = 100
export const TAP_RATE_MAX = 10_000
const STATUS = /^(?:[1-5]\d\d|[1-5]xx|error|)$/
const SECRET =
  /^(?:authorization|proxy-authorization|cookie|set-cookie|x-consul-token|x-api-key)$|token|secret|password/

/** @returns what is wrong with a filter, undefined when nothing is */
export function tapFilterProblem(filter: TapFilter): string | undefined {
  if (!STATUS.test(filter.status)) {
    return `Invalid status "${filter.status}"; use a status, a class like 5xx, or error`
  }
  if (!['', 'inbound', 'outbound'].includes(filter.direction)) {
    return `Invalid direction "${filter.direction}"; use inbound or outbound`
  }
  const { maxPerSecond } = filter
  if (!Number.isInteger(maxPerSecond) || maxPerSecond < 1 || maxPerSecond > TAP_RATE_MAX) {
    return `Invalid max-rps; use a whole number from 1 to ${TAP_RATE_MAX}`
  }
  return undefined
}

export function tapMatches(filter: TapFilter, record: ExchangeRecord): boolean {
  const own = record.direction === 'outbound' ? record.source : record.destination
  return (
    isAnyOr(filter.direction, record.direction) &&
    isAnyOr(filter.service, own) &&
    isAnyOr(filter.to, record.destination) &&
    isAnyOr(filter.from, record.source) &&
    isAnyOr(filter.method.toUpperCase(), record.method) &&
    record.path.startsWith(filter.path) &&
    statusMatches(filter.status, record.status)
  )
}

function isAnyOr(wanted: string, value: string): boolean {
  return wanted === '' || wanted === value
}

function statusMatches(wanted: string, status: number): boolean {
  if (wanted === '') return true
  if (wanted === 'error') return status === 0 || status >= 500
  return wanted.endsWith('xx')
    ? Math.floor(status / 100) === Number(wanted[0])
    : status === Number(wanted)
}

/** As the API tells it: names of fields in Consul's spelling. */
export interface TapEvent {
  readonly Time: string
  readonly Direction: 'inbound' | 'outbound'
  readonly Source: string
  readonly Destination: string
  readonly SourceIdentity: string
  readonly TLS: string
  readonly Method: string
  readonly Authority: string
  readonly Path: string
  readonly Status: number
  readonly Flags: string
  readonly Details: string
  readonly Route: string
  readonly Cluster: string
  readonly Upstream: string
  readonly Caller: string
  readonly Attempts: number
  readonly LatencyMs: number
  readonly FirstByteMs: number | null
  readonly RequestBytes: number
  readonly ResponseBytes: number
  readonly RequestID: string
  readonly TraceID: string
  readonly Headers?: Readonly<Record<string, Json>>
}

export function tapEvent(
  record: ExchangeRecord,
  fields: readonly (readonly [name: string, value: string])[] | undefined,
): TapEvent {
  return {
    Time: new Date(record.startedAt).toISOString(),
    Direction: record.direction,
    Source: record.source,
    Destination: record.destination,
    SourceIdentity: record.peerUri,
    TLS: record.tlsVersion,
    Method: record.method,
    Authority: record.requestField('host') ?? '',
    Path: record.path,
    Status: record.status,
    Flags: record.flags.join(','),
    Details: record.details,
    Route: record.route,
    Cluster: record.cluster,
    Upstream: record.upstreamHost,
    Caller: record.remoteAddress,
    Attempts: record.attempts,
    LatencyMs: Math.round(record.durationMs * 1000) / 1000,
    FirstByteMs:
      record.responseStartMs === undefined
        ? null
        : Math.round(record.responseStartMs * 1000) / 1000,
    RequestBytes: record.receivedBytes,
    ResponseBytes: record.sentBytes,
    RequestID: record.requestField('x-request-id') ?? '',
    TraceID: record.traceId,
    ...(fields === undefined ? {} : { Headers: Object.fromEntries(fields.map(redacted)) }),
  }
}

function redacted([name, value]: readonly [string, string]): readonly [string, string] {
  return [name, SECRET.test(name) ? '(not shown)' : value]
}
