/**
 * `MaxRequestBytes` and `MaxResponseBytes` of service-defaults: their rules, and how the proxy is told of them. Pure.
 */

import type { JsonObject } from '../catalog/types.ts'
import type { SizeLimits } from '../mesh/proxy-snapshot.ts'
import { numberAt } from './read-field.ts'

export function sizeLimitsProblem(serviceDefaults: JsonObject): string | undefined {
  for (const key of ['MaxRequestBytes', 'MaxResponseBytes']) {
    if (numberAt(serviceDefaults, key) < 0) return `${key} cannot be negative: 0 means no limit`
  }
  return undefined
}

/** @returns undefined without any */
export function sizeLimitsOf(serviceDefaults: JsonObject | undefined): SizeLimits | undefined {
  const request = numberAt(serviceDefaults, 'MaxRequestBytes') || Number.MAX_SAFE_INTEGER
  const response = numberAt(serviceDefaults, 'MaxResponseBytes') || Number.MAX_SAFE_INTEGER
  const isLimited = Math.min(request, response) < Number.MAX_SAFE_INTEGER
  return isLimited ? { request, response } : undefined
}
