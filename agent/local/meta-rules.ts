/**
 * Limits of service metadata and weights (http-api.md 11.1), in the words clients see.
 */

import type { StringMap, Weights } from '../../core/catalog/types.ts'
import { META_KEY_LENGTH_MAX, META_PAIRS_MAX, META_VALUE_LENGTH_MAX, WEIGHT_MAX } from './limits.ts'

const META_KEY = /^[A-Za-z0-9_-]+$/
const RESERVED_PREFIX = 'consul-'
/** Written by mesh gateways themselves. */
const GATEWAY_KEY = 'consul-wan-federation'

/** @returns what is wrong with the metadata of a service, or undefined */
export function metaProblem(meta: StringMap, kind: string): string | undefined {
  const pairs = Object.entries(meta)
  if (pairs.length > META_PAIRS_MAX) {
    return `Node metadata cannot contain more than ${META_PAIRS_MAX} key/value pairs`
  }
  for (const [key, value] of pairs) {
    const reason = pairProblem(key, value, kind)
    if (reason !== undefined) {
      return `Couldn't load metadata pair ('${key}', '${value}'): ${reason}`
    }
  }
  return undefined
}

function pairProblem(key: string, value: string, kind: string): string | undefined {
  if (key === '') return 'Key cannot be blank'
  if (!META_KEY.test(key)) return 'Key contains invalid characters'
  if (key.length > META_KEY_LENGTH_MAX) {
    return `Key is too long (limit: ${META_KEY_LENGTH_MAX} characters)`
  }
  if (key.startsWith(RESERVED_PREFIX) && !(kind === 'mesh-gateway' && key === GATEWAY_KEY)) {
    return `Key prefix '${RESERVED_PREFIX}' is reserved for internal use`
  }
  if (value.length > META_VALUE_LENGTH_MAX) {
    return `Value is too long (limit: ${META_VALUE_LENGTH_MAX} characters)`
  }
  return undefined
}

/** @returns what is wrong with the weights, or undefined */
export function weightsProblem(weights: Weights): string | undefined {
  if (weights.passing < 1) return 'Passing must be greater than 0'
  if (weights.warning < 0) return 'Warning must be greater or equal than 0'
  if (weights.passing > WEIGHT_MAX || weights.warning > WEIGHT_MAX) {
    return `DNS Weight must be between 0 and ${WEIGHT_MAX}`
  }
  return undefined
}
