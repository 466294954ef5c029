/**
 * Where spans go and which requests make some, from the Config of proxy-defaults (mesh.md 8.3, 11.7). Pure.
 *
 * `fairlead_tracing` is ours: { otlp_endpoint | zipkin_endpoint, sample_percent, propagate }. Consul's way names a
 * provider in the words of Envoy; of those, Zipkin and OpenTelemetry over HTTP are understood.
 */

import type { Json, JsonObject } from '../catalog/types.ts'
import { PROPAGATIONS, type Propagation } from '../tracing/context.ts'
import type { SpanDestination, TracingSettings } from './proxy-snapshot.ts'

const OURS = 'fairlead_tracing'
/** Keys of Config that are understood here. */
export const TRACING_KEYS: readonly string[] = [
  OURS,
  'envoy_tracing_json',
  'envoy_listener_tracing_json',
  'envoy_extra_static_clusters_json',
]
const DEFAULT_PROPAGATION: readonly Propagation[] = ['w3c', 'b3']

export function tracingSettings(
  config: JsonObject,
  problems: string[],
): TracingSettings | undefined {
  const own = config[OURS]
  if (own !== undefined) {
    if (isObject(own)) return ourTracing(own, problems)
    problems.push(`${OURS} must be an object`)
    return undefined
  }
  const text = config['envoy_tracing_json']
  if (typeof text !== 'string' || text === '') return undefined
  const to = envoyDestination(text, config, problems)
  if (to === undefined) return undefined
  return { to, percent: envoyPercent(config, problems), propagate: DEFAULT_PROPAGATION }
}

function ourTracing(own: JsonObject, problems: string[]): TracingSettings | undefined {
  const otlp = own['otlp_endpoint']
  const zipkin = own['zipkin_endpoint']
  const url = otlp ?? zipkin
  if ((otlp === undefined) === (zipkin === undefined) || typeof url !== 'string' || !isHttp(url)) {
    problems.push(
      `${OURS} needs exactly one of otlp_endpoint and zipkin_endpoint, as http://host:port/path`,
    )
    return undefined
  }
  const percent = own['sample_percent'] ?? 0
  if (typeof percent !== 'number' || percent < 0 || percent > 100) {
    problems.push(`${OURS}.sample_percent must be a number from 0 to 100`)
    return undefined
  }
  const kind = otlp === undefined ? 'zipkin' : 'otlp'
  return {
    to: { kind, url: withPath(url, kind) },
    percent,
    propagate: propagationOf(own['propagate'], problems),
  }
}

function propagationOf(given: Json | undefined, problems: string[]): readonly Propagation[] {
  if (given === undefined) return DEFAULT_PROPAGATION
  const known = Array.isArray(given)
    ? PROPAGATIONS.filter((each) => (given as readonly Json[]).includes(each))
    : []
  if (Array.isArray(given) && known.length === given.length && known.length > 0) return known
  problems.push(`${OURS}.propagate must be a list of ${PROPAGATIONS.join(', ')}`)
  return DEFAULT_PROPAGATION
}

function envoyDestination(
  text: string,
  config: JsonObject,
  problems: string[],
): SpanDestination | undefined {
  const http = at(parse(text), 'http')
  const name = String(at(http, 'name') ?? '')
  const typed = at(http, 'typed_config')
  if (name.endsWith('.zipkin') || name === 'zipkin') {
    const cluster = String(at(typed, 'collector_cluster') ?? '')
    const path = String(at(typed, 'collector_endpoint') ?? '/api/v2/spans')
    const host = clusterAddress(config, cluster)
    if (host !== undefined) return { kind: 'zipkin', url: `http://${host}${path}` }
    problems.push(`envoy_tracing_json: no cluster "${cluster}" in envoy_extra_static_clusters_json`)
    return undefined
  }
  const uri = at(at(at(typed, 'http_service'), 'http_uri'), 'uri')
  if (name.endsWith('.opentelemetry') && typeof uri === 'string' && isHttp(uri)) {
    return { kind: 'otlp', url: withPath(uri, 'otlp') }
  }
  problems.push(
    `envoy_tracing_json: "${name}" is not supported; use envoy.tracers.zipkin, envoy.tracers.opentelemetry with http_service, or ${OURS}`,
  )
  return undefined
}

/** `address:port` of the first endpoint of a static cluster. */
function clusterAddress(config: JsonObject, name: string): string | undefined {
  const text = config['envoy_extra_static_clusters_json']
  if (typeof text !== 'string') return undefined
  // One object, or several with commas between, as Consul puts them into a list.
  const clusters = parse(`[${text}]`)
  if (!Array.isArray(clusters)) return undefined
  const cluster = clusters.find((each) => at(each, 'name') === name)
  const endpoint = first(at(at(cluster, 'load_assignment'), 'endpoints'))
  const address = at(
    at(at(first(at(endpoint, 'lb_endpoints')), 'endpoint'), 'address'),
    'socket_address',
  )
  const host = at(address, 'address')
  const port = at(address, 'port_value')
  if (typeof host !== 'string' || typeof port !== 'number') return undefined
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** Without a word of it nothing is sampled that the caller did not ask for. */
function envoyPercent(config: JsonObject, problems: string[]): number {
  const text = config['envoy_listener_tracing_json']
  if (typeof text !== 'string' || text === '') return 0
  const percent = at(at(parse(text), 'random_sampling'), 'value') ?? 100
  if (typeof percent === 'number' && percent >= 0 && percent <= 100) return percent
  problems.push('envoy_listener_tracing_json: random_sampling.value must be from 0 to 100')
  return 0
}

/** Protobuf's JSON has either spelling. */
function at(value: Json | undefined, name: string): Json | undefined {
  if (!isObject(value)) return undefined
  return (
    value[name] ?? value[name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())]
  )
}

function first(value: Json | undefined): Json | undefined {
  return Array.isArray(value) ? value[0] : undefined
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function parse(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}

function isHttp(url: string): boolean {
  return /^http:\/\/[^/\s?#]+(?:\/[^\s]*)?$/.test(url)
}

function withPath(url: string, kind: 'otlp' | 'zipkin'): string {
  const hasPath = /^http:\/\/[^/]+\/./.test(url)
  if (hasPath) return url
  return `${url.replace(/\/$/, '')}${kind === 'otlp' ? '/v1/traces' : '/api/v2/spans'}`
}
