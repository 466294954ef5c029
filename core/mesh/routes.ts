/**
 * From a compiled chain to what the proxy needs to send calls along it (mesh.md 9.7). Pure.
 *
 * Guarantees: the last route of a listener matches everything; legs without weight are left out. Fields whose
 * behaviour this proxy does not have are named by `unsupportedIn`.
 */

import type { JsonObject } from '../catalog/types.ts'
import type { ChainNode, ChainResolver, ChainRoute, CompiledChain } from '../chain/types.ts'
import { routeRateLimitOf } from '../config-entries/rate-limits.ts'
import {
  durationAt,
  flagAt,
  hasField,
  listAt,
  numberAt,
  objectAt,
  objectsIn,
  textAt,
  textsAt,
} from '../config-entries/read-field.ts'
import { faultOf } from '../config-entries/route-fault.ts'
import { NS_PER_MS } from '../duration.ts'
import type {
  HeaderEdits,
  NamedMatch,
  RequestMatch,
  RetrySpec,
  RouteSpec,
  SplitSpec,
  TextMatch,
} from './proxy-snapshot.ts'

export interface ChainRouting {
  readonly clusterId: string
  readonly failover: readonly string[]
  /** undefined: every call goes to the cluster. */
  readonly routes: readonly RouteSpec[] | undefined
}

/** mesh.md 10.7. */
export const BACKOFF_BASE_MS = 25

const EVERYTHING: RequestMatch = {
  path: undefined,
  ignoreCase: false,
  headers: [],
  query: [],
  methods: [],
}

export function routingOf(chain: CompiledChain): ChainRouting {
  const start = chain.nodes[chain.startNode]
  switch (start?.type) {
    case undefined:
      return { clusterId: '', failover: [], routes: undefined }
    case 'resolver':
      return { ...destinationOf(chain, chain.startNode), routes: timedRoute(chain, start.resolver) }
    case 'splitter': {
      const route = routeOf(chain, undefined, chain.startNode)
      return { ...firstOf(route), routes: [route] }
    }
    case 'router': {
      const routes = start.routes.map((r) => ({
        ...routeOf(chain, r.definition, r.nextNode),
        ...mirrorsAt(chain, r),
      }))
      const last = routes.at(-1)
      return { ...firstOf(last), routes }
    }
  }
}

/** A resolver's own time limit counts only where the chain begins with it (mesh.md 7.6). */
function timedRoute(
  chain: CompiledChain,
  { requestTimeoutNs }: ChainResolver,
): readonly RouteSpec[] | undefined {
  if (requestTimeoutNs <= 0) return undefined
  const requestTimeoutMs = requestTimeoutNs / NS_PER_MS
  return [{ ...routeOf(chain, undefined, chain.startNode), requestTimeoutMs }]
}

function firstOf(route: RouteSpec | undefined): { clusterId: string; failover: readonly string[] } {
  const split = route?.splits[0]
  return { clusterId: split?.clusterId ?? '', failover: split?.failover ?? [] }
}

function destinationOf(
  chain: CompiledChain,
  key: string,
): { readonly clusterId: string; readonly failover: readonly string[] } {
  const node = chain.nodes[key]
  if (node?.type !== 'resolver') return { clusterId: '', failover: [] }
  const nameOf = (id: string): string => chain.targets[id]?.name ?? ''
  return {
    clusterId: nameOf(node.resolver.target),
    failover: (node.resolver.failover?.targets ?? []).map(nameOf),
  }
}

function routeOf(
  chain: CompiledChain,
  definition: JsonObject | undefined,
  nextNode: string,
): RouteSpec {
  const destination = objectAt(definition, 'Destination')
  const match = objectAt(objectAt(definition, 'Match'), 'HTTP')
  return {
    match: match === undefined ? EVERYTHING : requestMatch(match),
    splits: splitsOf(chain, chain.nodes[nextNode], nextNode),
    prefixRewrite: textAt(destination, 'PrefixRewrite'),
    requestTimeoutMs: hasField(destination, 'RequestTimeout')
      ? Math.max(0, durationAt(destination, 'RequestTimeout') / NS_PER_MS)
      : undefined,
    retry: retryOf(destination),
    ...perTryOf(destination),
    ...faultAt(destination),
    ...rateLimitAt(destination),
    requestHeaders: editsAt(destination, 'RequestHeaders'),
    responseHeaders: editsAt(destination, 'ResponseHeaders'),
  }
}

function mirrorsAt(chain: CompiledChain, { mirrors }: ChainRoute): Pick<RouteSpec, 'mirrors'> {
  if (mirrors === undefined) return {}
  return {
    mirrors: mirrors.map(({ nextNode, percent, keepsHost }) => ({
      percent,
      keepsHost,
      splits: splitsOf(chain, chain.nodes[nextNode], nextNode),
    })),
  }
}

function perTryOf(
  destination: JsonObject | undefined,
): Pick<RouteSpec, 'perTryTimeoutMs' | 'hedge'> {
  const perTryTimeoutMs = durationAt(destination, 'PerTryTimeout') / NS_PER_MS
  if (perTryTimeoutMs <= 0) return {}
  if (!flagAt(destination, 'HedgeOnPerTryTimeout')) return { perTryTimeoutMs }
  const attemptsMax = numberAt(destination, 'NumRetries') || 1
  return { perTryTimeoutMs, hedge: { delayMs: perTryTimeoutMs, attemptsMax } }
}

function rateLimitAt(destination: JsonObject | undefined): Pick<RouteSpec, 'rateLimit'> {
  const rateLimit = routeRateLimitOf(destination)
  return rateLimit === undefined ? {} : { rateLimit }
}

function faultAt(destination: JsonObject | undefined): Pick<RouteSpec, 'fault'> {
  const fault = faultOf(destination)
  return fault === undefined ? {} : { fault }
}

/** A number of retries alone names nothing that would be retried. */
function retryOf(destination: JsonObject | undefined): RetrySpec | undefined {
  const conditions = listAt(destination, 'RetryOn').map(String)
  if (flagAt(destination, 'RetryOnConnectFailure')) conditions.push('connect-failure')
  const statusCodes = listAt(destination, 'RetryOnStatusCodes').filter(
    (status) => typeof status === 'number',
  )
  if (conditions.length === 0 && statusCodes.length === 0) return undefined
  const retriesMax = numberAt(destination, 'NumRetries') || 1
  const backoff = objectAt(destination, 'RetryBackoff')
  if (backoff === undefined) return { retriesMax, conditions, statusCodes }
  const baseMs = durationAt(backoff, 'Base') / NS_PER_MS || BACKOFF_BASE_MS
  const maxMs = Math.max(baseMs, durationAt(backoff, 'Max') / NS_PER_MS || 10 * baseMs)
  return { retriesMax, conditions, statusCodes, backoff: { baseMs, maxMs } }
}

function splitsOf(
  chain: CompiledChain,
  node: ChainNode | undefined,
  key: string,
): readonly SplitSpec[] {
  if (node?.type !== 'splitter') {
    const destination = destinationOf(chain, key)
    return [{ weight: 1, ...destination, requestHeaders: undefined, responseHeaders: undefined }]
  }
  return node.splits
    .filter((split) => split.weight > 0)
    .map((split) => ({
      weight: split.weight,
      ...destinationOf(chain, split.nextNode),
      requestHeaders: editsAt(split.definition, 'RequestHeaders'),
      responseHeaders: editsAt(split.definition, 'ResponseHeaders'),
    }))
}

function requestMatch(http: JsonObject): RequestMatch {
  return {
    path: pathMatch(http),
    ignoreCase: flagAt(http, 'CaseInsensitive'),
    headers: objectsIn(http, 'Header').map((header) => ({
      ...namedMatch(header, ['Exact', 'Prefix', 'Suffix', 'Regex']),
      name: textAt(header, 'Name').toLowerCase(),
    })),
    query: objectsIn(http, 'QueryParam').map((parameter) =>
      namedMatch(parameter, ['Exact', 'Regex']),
    ),
    methods: listAt(http, 'Methods').map((method) => String(method).toUpperCase()),
    ...sourcesOf(http),
  }
}

function sourcesOf(http: JsonObject): Pick<RequestMatch, 'sources'> {
  const sources = listAt(http, 'SourceService').map(String)
  return sources.length === 0 ? {} : { sources }
}

function pathMatch(http: JsonObject): TextMatch | undefined {
  for (const [key, kind] of [
    ['PathExact', 'exact'],
    ['PathPrefix', 'prefix'],
    ['PathRegex', 'regex'],
  ] as const) {
    const value = textAt(http, key)
    if (value !== '') return { kind, value }
  }
  return undefined
}

const KINDS = { Exact: 'exact', Prefix: 'prefix', Suffix: 'suffix', Regex: 'regex' } as const

function namedMatch(body: JsonObject, keys: readonly (keyof typeof KINDS)[]): NamedMatch {
  const common = { name: textAt(body, 'Name'), invert: flagAt(body, 'Invert') }
  for (const key of keys) {
    const value = textAt(body, key)
    if (value !== '') return { ...common, kind: KINDS[key], value }
  }
  return { ...common, kind: 'present', value: '' }
}

function editsAt(body: JsonObject | undefined, key: string): HeaderEdits | undefined {
  const edits = objectAt(body, key)
  if (edits === undefined) return undefined
  const pairs = (of: string): (readonly [string, string])[] =>
    Object.entries(textsAt(edits, of)).map(([name, value]) => [name.toLowerCase(), value])
  const remove = listAt(edits, 'Remove').map((name) => String(name).toLowerCase())
  return { remove, set: pairs('Set'), add: pairs('Add') }
}

/** Fields of a route's destination that are stored and compiled, and not obeyed yet. */
const UNSUPPORTED = ['IdleTimeout']

/** @returns names of fields in the chain that this proxy does not obey, sorted */
export function unsupportedIn(chain: CompiledChain): readonly string[] {
  const found = new Set<string>()
  for (const node of Object.values(chain.nodes)) {
    if (node.type === 'router') {
      for (const { definition } of node.routes) {
        const destination = objectAt(definition, 'Destination')
        for (const field of UNSUPPORTED) {
          if (hasField(destination, field)) found.add(`Destination.${field}`)
        }
        const isHedged = flagAt(destination, 'HedgeOnPerTryTimeout')
        if (
          hasField(destination, 'NumRetries') &&
          retryOf(destination) === undefined &&
          !isHedged
        ) {
          found.add('Destination.NumRetries without a condition')
        }
      }
    }
  }
  return [...found].sort()
}
