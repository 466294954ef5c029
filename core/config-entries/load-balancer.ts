/**
 * Rules of a service-resolver's LoadBalancer (mesh.md 7.6).
 */

import type { JsonObject } from '../catalog/types.ts'
import {
  durationAt,
  flagAt,
  hasField,
  numberAt,
  objectAt,
  objectsIn,
  textAt,
} from './read-field.ts'

const POLICIES: ReadonlySet<string> = new Set([
  '',
  'random',
  'round_robin',
  'least_request',
  'ring_hash',
  'maglev',
  // Of Fairlead's own.
  'peak_ewma',
  'p2c_ewma_penalty',
])
const HASHING: ReadonlySet<string> = new Set(['ring_hash', 'maglev'])
const HASH_FIELDS: ReadonlySet<string> = new Set(['header', 'cookie', 'query_parameter'])

export function loadBalancerProblem(balancer: JsonObject | undefined): string | undefined {
  if (balancer === undefined) return undefined
  const policy = textAt(balancer, 'Policy')
  if (!POLICIES.has(policy)) return `Bad LoadBalancer policy: "${policy}" is not supported`
  if (hasField(balancer, 'RingHashConfig') && policy !== 'ring_hash') {
    return `Bad LoadBalancer configuration. RingHashConfig specified for incompatible load balancing policy "${policy}"`
  }
  if (hasField(balancer, 'LeastRequestConfig') && policy !== 'least_request') {
    return `Bad LoadBalancer configuration. LeastRequestConfig specified for incompatible load balancing policy "${policy}"`
  }
  const policies = objectsIn(balancer, 'HashPolicies')
  if (policies.length > 0 && !HASHING.has(policy)) {
    return `Bad LoadBalancer configuration. HashPolicies specified for non-hash-based Policy: "${policy}"`
  }
  for (const [i, hashPolicy] of policies.entries()) {
    const problem = hashPolicyProblem(hashPolicy)
    if (problem !== undefined) return `Bad LoadBalancer HashPolicy[${i}]: ${problem}`
  }
  return ringProblem(objectAt(balancer, 'RingHashConfig')) ?? extensionsProblem(balancer)
}

function ringProblem(config: JsonObject | undefined): string | undefined {
  const min = numberAt(config, 'MinimumRingSize')
  const max = numberAt(config, 'MaximumRingSize')
  if (min < 0 || max < 0) return 'Bad LoadBalancer configuration. Ring sizes must be >= 0'
  if (max === 0 || min <= max) return undefined
  return 'Bad LoadBalancer configuration. MinimumRingSize must not be above MaximumRingSize'
}

function hashPolicyProblem(policy: JsonObject): string | undefined {
  const field = textAt(policy, 'Field')
  const value = textAt(policy, 'FieldValue')
  if (field !== '' && !HASH_FIELDS.has(field)) return `"${field}" is not a supported field`
  if (flagAt(policy, 'SourceIP')) {
    if (field !== '')
      return `A single hash policy cannot hash both a source address and a "${field}"`
    if (value !== '') return 'A FieldValue cannot be specified when hashing SourceIP'
  }
  if (field !== '' && value === '') return `Field "${field}" was specified without a FieldValue`
  if (value !== '' && field === '') return 'FieldValue requires a Field to apply to'
  const cookie = objectAt(policy, 'CookieConfig')
  if (cookie === undefined) return undefined
  if (field !== 'cookie') return `cookie_config provided for "${field}"`
  if (flagAt(cookie, 'Session') && durationAt(cookie, 'TTL') !== 0) {
    return 'a session cookie cannot have an associated TTL'
  }
  return undefined
}

/** Keys of Fairlead's own. */
function extensionsProblem(balancer: JsonObject): string | undefined {
  const panic = numberAt(balancer, 'PanicThreshold')
  if (panic < 0 || panic > 100) return 'LoadBalancer.PanicThreshold must be 0 to 100'
  const budget = objectAt(balancer, 'RetryBudget')
  const percent = numberAt(budget, 'Percent')
  if (percent < 0 || percent > 100) return 'LoadBalancer.RetryBudget.Percent must be 0 to 100'
  const slow = objectAt(balancer, 'SlowStart')
  if (durationAt(slow, 'Window') < 0) return 'LoadBalancer.SlowStart.Window must be >= 0'
  return undefined
}
