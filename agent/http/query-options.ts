/**
 * The query parameters that every read takes, with their exact errors (http-api.md 1.5, 5, 6).
 *
 * Guarantees: what comes out is consistent (never stale and consistent at once) and within bounds; parameters
 * that do not belong to reads are left alone.
 */

import type { StringMap } from '../../core/catalog/types.ts'
import { parseDurationMs } from '../../core/duration.ts'
import { FairleadError } from '../../core/errors.ts'
import type { Consistency, ReadOptions } from '../../core/rpc/server-api.ts'
import type { HttpCall } from './call.ts'

/** `node-meta` pairs of one request; a node itself has at most as many. */
export const NODE_META_MAX = 64

export interface ReadParameters {
  readonly datacenter: string | undefined
  readonly consistency: Consistency
  /** 0 does not block. */
  readonly minIndex: number
  readonly waitMs: number
  readonly maxStaleMs: number | undefined
  readonly cached: CacheControl | undefined
  /** Name of a node, '' for none; `_agent` is resolved. */
  readonly near: string
  readonly nodeMeta: StringMap | undefined
  readonly filter: string
  /** Proxies are shown with what config entries say about them. */
  readonly mergeCentral: boolean
}

/** What `?cached` came with. */
export interface CacheControl {
  readonly mustRevalidate: boolean
  readonly maxAgeMs: number | undefined
  readonly staleIfErrorMs: number | undefined
}

const PLAIN: ReadParameters = {
  datacenter: undefined,
  consistency: 'default',
  minIndex: 0,
  waitMs: 0,
  maxStaleMs: undefined,
  cached: undefined,
  near: '',
  nodeMeta: undefined,
  filter: '',
  mergeCentral: false,
}

/** @throws FairleadError BAD_REQUEST */
export function readParameters(call: HttpCall): ReadParameters {
  refuseTenancy(call)
  const { query } = call
  if (query.isEmpty) return withDiscoveryDefault(call, PLAIN)
  refusePeering(call)
  const blocking = blockingParameters(call)
  return withDiscoveryDefault(call, {
    datacenter: datacenterOf(call),
    ...blocking,
    ...consistencyParameters(call),
    near: nearOf(call),
    nodeMeta: nodeMetaOf(query.all('node-meta')),
    filter: query.get('filter'),
    mergeCentral: query.has('merge-central-config'),
  })
}

/** `discovery_max_stale`: reads of catalog and health that ask for no mode may be so old (http-api.md 5). */
function withDiscoveryDefault(call: HttpCall, parameters: ReadParameters): ReadParameters {
  const maxStaleMs = call.agent.config.discoveryMaxStaleMs
  if (maxStaleMs <= 0 || parameters.consistency !== 'default') return parameters
  if (call.query.has('leader') || !DISCOVERY_PATH.test(call.path)) return parameters
  return { ...parameters, consistency: 'stale', maxStaleMs }
}

const DISCOVERY_PATH = /^\/v1\/(?:catalog|health)\//

/** Options of a read that goes to the servers. */
export function readOptions(call: HttpCall, parameters: ReadParameters): ReadOptions {
  const { datacenter, consistency, minIndex, waitMs, maxStaleMs } = parameters
  const isPlain = minIndex === 0 && datacenter === undefined && maxStaleMs === undefined
  if (isPlain) return PLAIN_OPTIONS[consistency]
  return {
    consistency,
    ...(datacenter === undefined ? {} : { datacenter }),
    ...(maxStaleMs === undefined ? {} : { maxStaleMs }),
    ...(minIndex === 0 ? {} : { minIndex, waitMs, signal: call.signal }),
  }
}

const PLAIN_OPTIONS: Readonly<Record<Consistency, ReadOptions>> = {
  default: { consistency: 'default' },
  consistent: { consistency: 'consistent' },
  stale: { consistency: 'stale' },
}

/** The datacentre asked for; undefined for the agent's own. */
export function datacenterOf(call: HttpCall): string | undefined {
  const asked = call.query.get('datacenter') || call.query.get('dc')
  return asked === '' || asked === call.agent.config.datacenter ? undefined : asked
}

/** Namespaces and partitions exist only as `default`. @throws FairleadError BAD_REQUEST */
export function refuseTenancy(call: HttpCall): void {
  refuseHeader('X-Consul-Namespace', call.header('x-consul-namespace'), 'Namespaces')
  refuseHeader('X-Consul-Partition', call.header('x-consul-partition'), 'Partitions')
  if (call.query.isEmpty) return
  for (const [name, noun] of TENANCY) {
    const value = call.query.get(name)
    if (value === '' || value === 'default') continue
    throw bad(`Invalid query parameter: "${name}" - ${noun} are a Consul Enterprise feature`)
  }
}

/** Without cluster peers nothing was imported from one: an answer with local data would be wrong. */
function refusePeering({ query }: HttpCall): void {
  const peer = query.get('peer')
  const group = query.get('sg') || query.get('sameness-group')
  if (peer !== '' && group !== '') {
    throw bad('peer-name and sameness-group are mutually exclusive')
  }
  if (peer === '' && group === '') return
  throw new FairleadError(
    'NOT_SUPPORTED',
    'Cluster peering is not supported by this version of Fairlead',
  )
}

const TENANCY = [
  ['ns', 'Namespaces'],
  ['namespace', 'Namespaces'],
  ['partition', 'Partitions'],
] as const

function refuseHeader(name: string, value: string | undefined, noun: string): void {
  if (value === undefined || value === '' || value === 'default') return
  throw bad(`Invalid header: "${name}" - ${noun} are a Consul Enterprise feature`)
}

/** `wait` and `index` alone, for endpoints that block in the agent. */
export function blockingParameters(call: HttpCall): {
  readonly minIndex: number
  readonly waitMs: number
} {
  const waitMs = waitOf(call)
  const index = call.query.get('index')
  if (index !== '' && !/^[0-9]{1,20}$/.test(index)) throw bad('Invalid index')
  return { minIndex: Math.min(Number(index), Number.MAX_SAFE_INTEGER), waitMs }
}

/** @throws FairleadError BAD_REQUEST */
export function waitOf(call: HttpCall): number {
  const wait = call.query.get('wait')
  const { queryTimeDefaultMs, queryTimeMaxMs } = call.agent.config.http
  if (wait === '') return queryTimeDefaultMs
  const waitMs = parseDurationMs(wait)
  if (waitMs === undefined) throw bad('Invalid wait time')
  return waitMs <= 0 ? queryTimeDefaultMs : Math.min(waitMs, queryTimeMaxMs)
}

function consistencyParameters(
  call: HttpCall,
): Pick<ReadParameters, 'consistency' | 'maxStaleMs' | 'cached'> {
  const { query } = call
  const isConsistent = query.has('consistent')
  let isStale = query.has('stale')
  let maxStaleMs: number | undefined
  const maxStale = query.get('max_stale')
  if (maxStale !== '') {
    maxStaleMs = parseDurationMs(maxStale)
    if (maxStaleMs === undefined) throw bad(`Invalid max_stale value ${JSON.stringify(maxStale)}`)
    if (maxStaleMs > 0) isStale = true
    else maxStaleMs = undefined
  }
  if (isStale && isConsistent) {
    throw bad('Cannot specify ?stale with ?consistent, conflicting semantics.')
  }
  const isCached = query.has('cached') && call.agent.config.http.useCache
  if (isCached && isConsistent) {
    throw bad('Cannot specify ?cached with ?consistent, conflicting semantics.')
  }
  let consistency: Consistency = 'default'
  if (isConsistent) consistency = 'consistent'
  else if (isStale) consistency = 'stale'
  const cached = isCached ? cacheControlOf(call.header('cache-control') ?? '') : undefined
  return { consistency, maxStaleMs, cached }
}

/** Directives it does not know are left alone; a bad number is refused. */
function cacheControlOf(header: string): CacheControl {
  let mustRevalidate = false
  let maxAgeMs: number | undefined
  let staleIfErrorMs: number | undefined
  for (const part of header.toLowerCase().split(',')) {
    const [name, value] = part.trim().split('=', 2)
    if (name === 'must-revalidate') mustRevalidate = true
    else if (name === 'max-age') maxAgeMs = secondsOf(value)
    else if (name === 'stale-if-error') staleIfErrorMs = secondsOf(value)
  }
  return { mustRevalidate, maxAgeMs, staleIfErrorMs }
}

function secondsOf(value: string | undefined): number {
  if (value === undefined || !/^[0-9]{1,12}$/.test(value)) {
    throw bad('Invalid Cache-Control header.')
  }
  return Number(value) * 1000
}

function nearOf(call: HttpCall): string {
  const near = call.query.get('near')
  return near === '_agent' ? call.agent.local.nodeName : near
}

function nodeMetaOf(pairs: readonly string[]): StringMap | undefined {
  if (pairs.length === 0) return undefined
  if (pairs.length > NODE_META_MAX) {
    throw bad(`Too many node-meta parameters: ${pairs.length}, at most ${NODE_META_MAX}`)
  }
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf(':')
      return at === -1 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + 1)]
    }),
  )
}

function bad(message: string): FairleadError {
  return new FairleadError('BAD_REQUEST', message)
}
