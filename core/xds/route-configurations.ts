/**
 * Routes of an upstream for Envoy (mesh.md 10.6 to 10.8, 14.7). Pure.
 *
 * What Envoy cannot be told as it is meant is not there: core/mesh/routes.ts names such fields in the log.
 */

import type { JsonObject } from '../catalog/types.ts'
import type {
  HeaderEdits,
  NamedMatch,
  RequestMatch,
  RetrySpec,
  RouteSpec,
  SplitSpec,
  TextMatch,
} from '../mesh/proxy-snapshot.ts'
import { seconds } from './clusters.ts'
import { TYPE_URLS } from './resource-types.ts'

/** Envoy adds integers: a weight of 0.01 % is one. */
const WEIGHT_SCALE = 100

/** @returns a resource of its own, so that a changed split touches no listener */
export function routeConfiguration(name: string, routes: readonly RouteSpec[]): JsonObject {
  return {
    '@type': TYPE_URLS.routes,
    name,
    virtualHosts: [{ name, domains: ['*'], routes: routes.map(routeOf) }],
  }
}

/** @returns the part of a listener whose requests all go to one cluster */
export function inlineRoutes(name: string, cluster: string, timeoutMs?: number): JsonObject {
  const route = { cluster, ...(timeoutMs === undefined ? {} : { timeout: seconds(timeoutMs) }) }
  return {
    name,
    virtualHosts: [{ name, domains: ['*'], routes: [{ match: { prefix: '/' }, route }] }],
  }
}

function routeOf(spec: RouteSpec): JsonObject {
  return {
    match: matchOf(spec.match),
    route: {
      ...clusterOf(spec.splits),
      ...(spec.prefixRewrite === '' ? {} : { prefixRewrite: spec.prefixRewrite }),
      ...(spec.requestTimeoutMs === undefined ? {} : { timeout: seconds(spec.requestTimeoutMs) }),
      ...(spec.retry === undefined ? {} : { retryPolicy: retryPolicy(spec.retry) }),
    },
    ...editsOf('request', spec.requestHeaders),
    ...editsOf('response', spec.responseHeaders),
  }
}

function clusterOf(splits: readonly SplitSpec[]): JsonObject {
  const [only] = splits
  const isPlain = only?.requestHeaders === undefined && only?.responseHeaders === undefined
  if (splits.length === 1 && isPlain) return { cluster: only?.clusterId ?? '' }
  const clusters = splits.map((split) => ({
    name: split.clusterId,
    weight: Math.max(1, Math.round(split.weight * WEIGHT_SCALE)),
    ...editsOf('request', split.requestHeaders),
    ...editsOf('response', split.responseHeaders),
  }))
  return { weightedClusters: { clusters } }
}

function retryPolicy(retry: RetrySpec): JsonObject {
  const conditions = [...retry.conditions]
  if (retry.statusCodes.length > 0) conditions.push('retriable-status-codes')
  return {
    retryOn: conditions.join(','),
    numRetries: retry.retriesMax,
    ...(retry.statusCodes.length === 0 ? {} : { retriableStatusCodes: [...retry.statusCodes] }),
  }
}

function matchOf(match: RequestMatch): JsonObject {
  const headers = match.headers.map(namedMatch)
  if (match.methods.length > 0) {
    const regex = match.methods.join('|')
    headers.push({ name: ':method', stringMatch: { safeRegex: { regex } } })
  }
  return {
    ...pathOf(match.path),
    ...(match.ignoreCase ? { caseSensitive: false } : {}),
    ...(headers.length === 0 ? {} : { headers }),
    ...(match.query.length === 0 ? {} : { queryParameters: match.query.map(namedMatch) }),
  }
}

function pathOf(path: TextMatch | undefined): JsonObject {
  switch (path?.kind) {
    case 'exact':
      return { path: path.value }
    case 'regex':
      return { safeRegex: { regex: path.value } }
    case 'prefix':
      return { prefix: path.value }
    case undefined:
    case 'present':
    case 'suffix':
      return { prefix: '/' }
  }
}

function namedMatch(match: NamedMatch): JsonObject {
  const common = { name: match.name, ...(match.invert ? { invertMatch: true } : {}) }
  switch (match.kind) {
    case 'present':
      return { ...common, presentMatch: true }
    case 'regex':
      return { ...common, stringMatch: { safeRegex: { regex: match.value } } }
    case 'exact':
    case 'prefix':
    case 'suffix':
      return { ...common, stringMatch: { [match.kind]: match.value } }
  }
}

function editsOf(side: 'request' | 'response', edits: HeaderEdits | undefined): JsonObject {
  if (edits === undefined) return {}
  const options = [
    ...edits.set.map((pair) => headerOption(pair, 'OVERWRITE_IF_EXISTS_OR_ADD')),
    ...edits.add.map((pair) => headerOption(pair, 'APPEND_IF_EXISTS_OR_ADD')),
  ]
  return {
    ...(options.length === 0 ? {} : { [`${side}HeadersToAdd`]: options }),
    ...(edits.remove.length === 0 ? {} : { [`${side}HeadersToRemove`]: [...edits.remove] }),
  }
}

/** A per cent sign begins one of Envoy's variables; ours are plain texts. */
function headerOption([key, value]: readonly [string, string], appendAction: string): JsonObject {
  return { header: { key, value: value.replaceAll('%', '%%') }, appendAction }
}
