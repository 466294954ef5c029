/**
 * `RateLimits` of service-defaults (mesh.md 7.1, 10.9): its rules, and how the proxy is told of it. Pure.
 */

import type { JsonObject } from '../catalog/types.ts'
import { regexProblem } from '../filter/regex.ts'
import type { InboundRateLimits, TextMatch } from '../mesh/proxy-snapshot.ts'
import type { RateLimit } from '../resilience/token-bucket.ts'
import { hasField, numberAt, objectAt, objectsIn, textAt } from './read-field.ts'

const PATHS = [
  ['PathExact', 'exact'],
  ['PathPrefix', 'prefix'],
  ['PathRegex', 'regex'],
] as const

export function rateLimitsProblem(serviceDefaults: JsonObject): string | undefined {
  const limits = objectAt(serviceDefaults, 'RateLimits')
  if (limits === undefined) return undefined
  const unknown = Object.keys(limits).find((key) => key !== 'InstanceLevel')
  if (unknown !== undefined) return `RateLimits.${unknown} is not supported: use InstanceLevel`
  const level = objectAt(limits, 'InstanceLevel')
  const routes = objectsIn(level, 'Routes')
  if (routes.length === 0 && !hasField(level, 'RequestsPerSecond')) {
    return 'RateLimits.InstanceLevel needs RequestsPerSecond or Routes'
  }
  const own = limitProblem(level, 'RateLimits.InstanceLevel', routes.length === 0)
  if (own !== undefined) return own
  for (const [i, route] of routes.entries()) {
    const name = `RateLimits.InstanceLevel.Routes[${i}]`
    const given = PATHS.filter(([key]) => textAt(route, key) !== '')
    if (given.length !== 1) {
      return `${name} must have exactly one of PathExact, PathPrefix, or PathRegex`
    }
    const regex = regexProblem(textAt(route, 'PathRegex'))
    if (regex !== undefined) return `${name}.PathRegex is not a valid regular expression: ${regex}`
    const problem = limitProblem(route, name, true)
    if (problem !== undefined) return problem
  }
  return undefined
}

/** `RateLimit` of a route's destination, which holds at each calling proxy. */
export function routeRateLimitProblem(destination: JsonObject): string | undefined {
  const limit = objectAt(destination, 'RateLimit')
  return limit === undefined ? undefined : limitProblem(limit, 'RateLimit', true)
}

export function routeRateLimitOf(destination: JsonObject | undefined): RateLimit | undefined {
  const limit = objectAt(destination, 'RateLimit')
  return limit === undefined ? undefined : limitOf(limit)
}

function limitProblem(
  body: JsonObject | undefined,
  name: string,
  isNeeded: boolean,
): string | undefined {
  const perSecond = numberAt(body, 'RequestsPerSecond')
  if (perSecond < 0 || (isNeeded && perSecond === 0)) {
    return `${name}.RequestsPerSecond must be greater than 0`
  }
  return numberAt(body, 'RequestsMaxBurst') < 0
    ? `${name}.RequestsMaxBurst cannot be negative`
    : undefined
}

/** @returns undefined when nothing is limited */
export function rateLimitsOf(
  serviceDefaults: JsonObject | undefined,
): InboundRateLimits | undefined {
  const level = objectAt(objectAt(serviceDefaults, 'RateLimits'), 'InstanceLevel')
  if (level === undefined) return undefined
  const all = limitOf(level)
  const routes: { path: TextMatch; limit: RateLimit }[] = []
  for (const route of objectsIn(level, 'Routes')) {
    const limit = limitOf(route)
    const found = PATHS.find(([key]) => textAt(route, key) !== '')
    if (limit === undefined || found === undefined) continue
    routes.push({ path: { kind: found[1], value: textAt(route, found[0]) }, limit })
  }
  if (all === undefined && routes.length === 0) return undefined
  return { routes, ...(all === undefined ? {} : { all }) }
}

function limitOf(body: JsonObject): RateLimit | undefined {
  const requestsPerSecond = numberAt(body, 'RequestsPerSecond')
  if (requestsPerSecond <= 0) return undefined
  const burst = Math.max(1, numberAt(body, 'RequestsMaxBurst') || requestsPerSecond)
  return { requestsPerSecond, burst }
}
