/**
 * Spans as OTLP/HTTP takes them in JSON: lowerCamelCase, ids in hex, kinds as numbers, 64 bits as decimal text
 * (mesh.md 11.7; opentelemetry-proto, collector/trace/v1). Pure.
 */

import type { Span } from './span.ts'

const KINDS = { server: 2, client: 3 } as const
const STATUS_ERROR = 2
/** W3C's flag of a sampled trace; all that is exported was sampled. */
const SAMPLED = 1

/** One resource for each service that speaks, as backends group by it. */
export function otlpJson(spans: readonly Span[], version: string): string {
  const byService = Map.groupBy(spans, (span) => span.service)
  const resourceSpans = [...byService].map(([service, own]) => ({
    resource: { attributes: [attribute('service.name', service)] },
    scopeSpans: [{ scope: { name: 'fairlead', version }, spans: own.map(otlpSpan) }],
  }))
  return JSON.stringify({ resourceSpans })
}

function otlpSpan(span: Span): object {
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    ...(span.parentId === '' ? {} : { parentSpanId: span.parentId }),
    ...(span.traceState === '' ? {} : { traceState: span.traceState }),
    flags: SAMPLED,
    name: span.name,
    kind: KINDS[span.kind],
    startTimeUnixNano: nanos(span.startedAt),
    endTimeUnixNano: nanos(span.startedAt + span.durationMs),
    attributes: [
      ...span.attributes.map(([name, value]) => attribute(name, value)),
      ...(span.remoteService === '' ? [] : [attribute('peer.service', span.remoteService)]),
    ],
    status: span.isError ? { code: STATUS_ERROR } : {},
  }
}

function attribute(key: string, value: string | number): object {
  return {
    key,
    value: typeof value === 'number' ? { intValue: String(value) } : { stringValue: value },
  }
}

/** Beyond what a number holds exactly: whole milliseconds and their fraction apart. */
function nanos(epochMs: number): string {
  const whole = Math.floor(epochMs)
  return String(BigInt(whole) * 1_000_000n + BigInt(Math.round((epochMs - whole) * 1_000_000)))
}
