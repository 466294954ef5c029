/**
 * Spans as Zipkin takes them at `/api/v2/spans`: one JSON list (mesh.md 11.7; zipkin2-api.yaml). Pure.
 */

import type { Span } from './span.ts'

export function zipkinJson(spans: readonly Span[]): string {
  return JSON.stringify(spans.map(zipkinSpan))
}

function zipkinSpan(span: Span): object {
  const remote = {
    ...(span.remoteService === '' ? {} : { serviceName: span.remoteService.toLowerCase() }),
    ...endpointAddress(span.remoteAddress),
  }
  return {
    traceId: span.traceId,
    id: span.spanId,
    ...(span.parentId === '' ? {} : { parentId: span.parentId }),
    ...(span.debug ? { debug: true } : {}),
    name: span.name.toLowerCase(),
    kind: span.kind === 'client' ? 'CLIENT' : 'SERVER',
    timestamp: Math.round(span.startedAt * 1000),
    // 0 would say that it is not known.
    duration: Math.max(1, Math.round(span.durationMs * 1000)),
    localEndpoint: { serviceName: span.service.toLowerCase() },
    ...(Object.keys(remote).length === 0 ? {} : { remoteEndpoint: remote }),
    tags: {
      ...Object.fromEntries(span.attributes.map(([name, value]) => [name, String(value)])),
      ...(span.isError ? { error: 'true' } : {}),
    },
  }
}

function endpointAddress(text: string): object {
  const parts = /^(?:\[(.+)\]|([^[\]:]+)):(\d+)$/.exec(text)
  if (parts === null) return {}
  const [, ipv6, ipv4, port] = parts
  const isV4 = ipv4 !== undefined && /^\d+(?:\.\d+){3}$/.test(ipv4)
  return {
    ...(ipv6 === undefined ? {} : { ipv6 }),
    ...(isV4 ? { ipv4 } : {}),
    port: Number(port),
  }
}
