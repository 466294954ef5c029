/**
 * `AdaptiveConcurrency` of service-defaults: its rules, and how the proxy is told of it. Pure.
 */

import type { JsonObject } from '../catalog/types.ts'
import type { AdaptiveLimitSettings } from '../resilience/adaptive-limit.ts'
import { flagAt, numberAt, objectAt } from './read-field.ts'

const MIN_DEFAULT = 4
const MAX_DEFAULT = 1000

export function adaptiveConcurrencyProblem(serviceDefaults: JsonObject): string | undefined {
  const body = objectAt(serviceDefaults, 'AdaptiveConcurrency')
  if (body === undefined) return undefined
  for (const key of ['MinConcurrency', 'MaxConcurrency']) {
    if (numberAt(body, key) < 0) return `AdaptiveConcurrency.${key} cannot be negative`
  }
  const { min, max } = boundsOf(body)
  return min <= max
    ? undefined
    : `AdaptiveConcurrency.MinConcurrency (${min}) must not be above MaxConcurrency (${max})`
}

/** @returns undefined where it is off, the default */
export function adaptiveConcurrencyOf(
  serviceDefaults: JsonObject | undefined,
): AdaptiveLimitSettings | undefined {
  const body = objectAt(serviceDefaults, 'AdaptiveConcurrency')
  return body !== undefined && flagAt(body, 'Enabled') ? boundsOf(body) : undefined
}

function boundsOf(body: JsonObject): AdaptiveLimitSettings {
  return {
    min: numberAt(body, 'MinConcurrency') || MIN_DEFAULT,
    max: numberAt(body, 'MaxConcurrency') || MAX_DEFAULT,
  }
}
