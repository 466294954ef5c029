/**
 * `Fault` of a route's destination (mesh.md 10.9): its rules, and how the proxy is told of it. Pure.
 */

import type { JsonObject } from '../catalog/types.ts'
import { NS_PER_MS } from '../duration.ts'
import type { FaultSpec } from '../mesh/proxy-snapshot.ts'
import { durationAt, flagAt, hasField, numberAt, objectAt, textAt } from './read-field.ts'
import { parseTimestamp } from './timestamp.ts'

const KEYS: ReadonlySet<string> = new Set([
  'Delay',
  'Abort',
  'HeaderControlled',
  'MaxActive',
  'ExpiresAt',
])

export function faultProblem(destination: JsonObject): string | undefined {
  const fault = objectAt(destination, 'Fault')
  if (fault === undefined) return hasField(destination, 'Fault') ? 'Fault must be a map' : undefined
  const unknown = Object.keys(fault).find((key) => !KEYS.has(key))
  if (unknown !== undefined) return `Fault.${unknown} is not supported: use ${[...KEYS].join(', ')}`
  const delay = objectAt(fault, 'Delay')
  const abort = objectAt(fault, 'Abort')
  for (const [name, body] of [
    ['Delay', delay],
    ['Abort', abort],
  ] as const) {
    const percent = numberAt(body, 'Percent')
    if (percent < 0 || percent > 100) return `Fault.${name}.Percent must be 0 to 100`
  }
  if (
    delay !== undefined &&
    durationAt(delay, 'Fixed') <= 0 &&
    !flagAt(fault, 'HeaderControlled')
  ) {
    return 'Fault.Delay.Fixed must be a duration above 0, as "250ms"'
  }
  if (hasField(abort, 'GRPCStatus')) {
    return 'Fault.Abort.GRPCStatus is not supported: with HTTPStatus gRPC callers get the status that goes with it'
  }
  const status = numberAt(abort, 'HTTPStatus')
  if (abort !== undefined && (status < 200 || status > 599) && !flagAt(fault, 'HeaderControlled')) {
    return 'Fault.Abort.HTTPStatus must be 200 to 599'
  }
  if (numberAt(fault, 'MaxActive') < 0) return 'Fault.MaxActive cannot be negative'
  const until = textAt(fault, 'ExpiresAt')
  if (until !== '' && parseTimestamp(until) === undefined) {
    return `Fault.ExpiresAt must be a time such as "2026-12-31T18:00:00Z", not "${until}"`
  }
  return undefined
}

/** @returns undefined when there is none. A percentage that is absent is 100 */
export function faultOf(destination: JsonObject | undefined): FaultSpec | undefined {
  const fault = objectAt(destination, 'Fault')
  if (fault === undefined) return undefined
  const delay = objectAt(fault, 'Delay')
  const abort = objectAt(fault, 'Abort')
  const expiresAt = parseTimestamp(textAt(fault, 'ExpiresAt'))
  return {
    delayMs: durationAt(delay, 'Fixed') / NS_PER_MS,
    delayPercent: percentOf(delay),
    abortStatus: numberAt(abort, 'HTTPStatus'),
    abortPercent: percentOf(abort),
    isHeaderControlled: flagAt(fault, 'HeaderControlled'),
    maxActive: numberAt(fault, 'MaxActive'),
    ...(expiresAt === undefined ? {} : { expiresAt }),
  }
}

function percentOf(body: JsonObject | undefined): number {
  if (body === undefined) return 0
  return hasField(body, 'Percent') ? numberAt(body, 'Percent') : 100
}
