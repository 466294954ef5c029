/**
 * One hop of a request in a trace, and what is told of it.
 */

import type { ExchangeRecord } from '../exchange/record.ts'

export interface Span {
  readonly traceId: string
  readonly spanId: string
  /** '' for the first of its trace. */
  readonly parentId: string
  readonly traceState: string
  readonly debug: boolean
  readonly kind: 'client' | 'server'
  readonly name: string
  /** Of whose proxy made it, and of the other side. */
  readonly service: string
  readonly remoteService: string
  /** `address:port` of the other side; '' when it is not known. */
  readonly remoteAddress: string
  /** Epoch ms, with fractions. */
  readonly startedAt: number
  readonly durationMs: number
  readonly isError: boolean
  readonly attributes: readonly (readonly [name: string, value: string | number])[]
}

export interface SpanIds {
  readonly traceId: string
  readonly spanId: string
  readonly parentId: string
  readonly traceState: string
  readonly debug: boolean
}

export function spanOf(record: ExchangeRecord, ids: SpanIds, node: string): Span {
  const isOutbound = record.direction === 'outbound'
  const path = record.path.split('?', 1)[0] ?? ''
  return {
    ...ids,
    kind: isOutbound ? 'client' : 'server',
    name: `${record.method} ${record.destination}`,
    service: isOutbound ? record.source : record.destination,
    remoteService: isOutbound ? record.destination : record.source,
    remoteAddress: isOutbound ? record.upstreamHost : record.remoteAddress,
    startedAt: record.startedAt,
    durationMs: record.durationMs,
    isError: record.status === 0 || record.status >= 500,
    attributes: present([
      ['component', 'proxy'],
      ['node_id', node],
      ['http.method', record.method],
      ['http.url', `http://${record.requestField('host') ?? record.destination}${record.path}`],
      ['url.path', path],
      ['http.protocol', record.protocol],
      ['http.status_code', record.status],
      ['request_size', record.receivedBytes],
      ['response_size', record.sentBytes],
      ['response_flags', record.flags.length === 0 ? '-' : record.flags.join(',')],
      ['upstream_cluster', record.cluster],
      ['peer.address', record.remoteAddress],
      ['user_agent', record.requestField('user-agent') ?? ''],
      ['guid:x-request-id', record.requestField('x-request-id') ?? ''],
    ]),
  }
}

function present(attributes: Span['attributes']): Span['attributes'] {
  return attributes.filter(([, value]) => value !== '')
}
