/**
 * Rules of service-router (mesh.md 7.4). Regular expressions are judged by RE2, which cannot be made to blow up.
 */

import type { JsonObject } from '../catalog/types.ts'
import { regexProblem } from '../filter/regex.ts'
import { methodsProblem } from '../mesh/http-methods.ts'
import { headerEditsProblem } from './header-edits.ts'
import { routeRateLimitProblem } from './rate-limits.ts'
import {
  durationAt,
  flagAt,
  hasField,
  listAt,
  numberAt,
  objectAt,
  objectsIn,
  textAt,
} from './read-field.ts'
import { faultProblem } from './route-fault.ts'
import { mirrorProblem } from './route-mirror.ts'

const RETRY_CONDITIONS: ReadonlySet<string> = new Set([
  '5xx',
  'gateway-error',
  'reset',
  'connect-failure',
  'envoy-ratelimited',
  'retriable-4xx',
  'refused-stream',
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
])

export function serviceRouterProblem(body: JsonObject): string | undefined {
  for (const [i, route] of objectsIn(body, 'Routes').entries()) {
    const match = objectAt(objectAt(route, 'Match'), 'HTTP')
    const problem =
      pathProblem(match) ??
      headersProblem(match) ??
      queryProblem(match) ??
      methodsProblem(listAt(match, 'Methods').map(String)) ??
      destinationProblem(objectAt(route, 'Destination'), match)
    if (problem !== undefined) return `Route[${i}] ${problem}`
  }
  return undefined
}

function pathProblem(match: JsonObject | undefined): string | undefined {
  let given = 0
  for (const key of ['PathExact', 'PathPrefix', 'PathRegex']) {
    const path = textAt(match, key)
    if (path === '') continue
    given += 1
    if (key === 'PathRegex') {
      const problem = regexProblem(path)
      if (problem !== undefined) return `PathRegex is not a valid regular expression: ${problem}`
    } else if (!path.startsWith('/')) {
      return `${key} doesn't start with '/': "${path}"`
    }
  }
  if (given <= 1) return undefined
  return 'should only contain at most one of PathExact, PathPrefix, or PathRegex'
}

function headersProblem(match: JsonObject | undefined): string | undefined {
  for (const [j, header] of objectsIn(match, 'Header').entries()) {
    if (textAt(header, 'Name') === '') return `Header[${j}] missing required Name field`
    const given = matchersGiven(header, ['Exact', 'Prefix', 'Suffix', 'Regex'])
    if (given !== 1) {
      return `Header[${j}] should only contain one of Present, Exact, Prefix, Suffix, or Regex`
    }
    const problem = regexProblem(textAt(header, 'Regex'))
    if (problem !== undefined) return `Header[${j}] Regex is not valid: ${problem}`
  }
  return undefined
}

function queryProblem(match: JsonObject | undefined): string | undefined {
  for (const [j, parameter] of objectsIn(match, 'QueryParam').entries()) {
    if (textAt(parameter, 'Name') === '') return `QueryParam[${j}] missing required Name field`
    const given = matchersGiven(parameter, ['Exact', 'Regex'])
    if (given > 1) return `QueryParam[${j}] should only contain one of Present, Exact, or Regex`
    const problem = regexProblem(textAt(parameter, 'Regex'))
    if (problem !== undefined) return `QueryParam[${j}] Regex is not valid: ${problem}`
  }
  return undefined
}

function matchersGiven(matcher: JsonObject, keys: readonly string[]): number {
  const texts = keys.filter((key) => textAt(matcher, key) !== '').length
  return texts + (flagAt(matcher, 'Present') ? 1 : 0)
}

function destinationProblem(
  destination: JsonObject | undefined,
  match: JsonObject | undefined,
): string | undefined {
  if (destination === undefined) return undefined
  const hasPath = textAt(match, 'PathExact') !== '' || textAt(match, 'PathPrefix') !== ''
  if (textAt(destination, 'PrefixRewrite') !== '' && !hasPath) {
    return 'cannot make use of PrefixRewrite without configuring either PathExact or PathPrefix'
  }
  for (const condition of listAt(destination, 'RetryOn')) {
    if (!RETRY_CONDITIONS.has(String(condition))) {
      return `contains an invalid retry condition: "${String(condition)}"`
    }
  }
  for (const status of listAt(destination, 'RetryOnStatusCodes')) {
    if (typeof status !== 'number' || status < 100 || status > 599) {
      return `contains an invalid status code: ${String(status)}`
    }
  }
  const headers = headerEditsProblem(destination)
  if (headers !== undefined) return headers
  if (durationAt(destination, 'PerTryTimeout') < 0) return 'PerTryTimeout cannot be negative'
  if (
    flagAt(destination, 'HedgeOnPerTryTimeout') &&
    durationAt(destination, 'PerTryTimeout') <= 0
  ) {
    return 'HedgeOnPerTryTimeout needs a PerTryTimeout, after which the next attempt begins'
  }
  const shaping =
    faultProblem(destination) ?? mirrorProblem(destination) ?? routeRateLimitProblem(destination)
  if (shaping !== undefined) return shaping
  if (numberAt(destination, 'NumRetries') < 0) return 'NumRetries cannot be negative'
  const hasTimeout = hasField(destination, 'RequestTimeout')
  if (hasTimeout && durationAt(destination, 'RequestTimeout') < 0) {
    return 'RequestTimeout cannot be negative'
  }
  return undefined
}
