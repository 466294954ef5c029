/**
 * How a destination is balanced: a resolver's `LoadBalancer` (mesh.md 7.6) as the proxy is told of it. Pure.
 */

import type { JsonObject } from '../catalog/types.ts'
import type { CompiledChain } from '../chain/types.ts'
import {
  durationAt,
  flagAt,
  hasField,
  numberAt,
  objectAt,
  objectsIn,
  textAt,
} from '../config-entries/read-field.ts'
import { NS_PER_MS } from '../duration.ts'
import type { BalancePolicy, HashPolicy, LoadBalancer } from './proxy-snapshot.ts'

const RING_SIZE_DEFAULT = 1024
const RING_SIZE_MAX = 65_536

const POLICIES: Readonly<Record<string, BalancePolicy>> = {
  random: 'random',
  round_robin: 'round_robin',
  least_request: 'least_request',
  ring_hash: 'ring_hash',
  maglev: 'maglev',
  peak_ewma: 'peak_ewma',
  p2c_ewma_penalty: 'p2c_ewma_penalty',
}

/** By target id: of the resolver that it belongs to or, of a target that is only failed over to, that comes from. */
export function balancersOf(chain: CompiledChain): ReadonlyMap<string, LoadBalancer> {
  const found = new Map<string, LoadBalancer>()
  const resolvers = Object.values(chain.nodes).filter((node) => node.type === 'resolver')
  for (const { resolver, loadBalancer } of resolvers) {
    const balancer = loadBalancerOf(loadBalancer)
    if (balancer !== undefined) found.set(resolver.target, balancer)
  }
  for (const { resolver, loadBalancer } of resolvers) {
    const balancer = loadBalancerOf(loadBalancer)
    if (balancer === undefined) continue
    for (const target of resolver.failover?.targets ?? []) {
      if (!found.has(target)) found.set(target, balancer)
    }
  }
  return found
}

/** @returns undefined when nothing is asked for */
export function loadBalancerOf(body: JsonObject | undefined): LoadBalancer | undefined {
  if (body === undefined) return undefined
  const slow = objectAt(body, 'SlowStart')
  const windowMs = durationAt(slow, 'Window') / NS_PER_MS
  const choices = numberAt(objectAt(body, 'LeastRequestConfig'), 'ChoiceCount')
  const budget = objectAt(body, 'RetryBudget')
  return {
    policy: POLICIES[textAt(body, 'Policy')] ?? '',
    choices: choices > 0 ? choices : 2,
    ...ringSizeAt(body),
    hashPolicies: objectsIn(body, 'HashPolicies').map(hashPolicyOf),
    panicPercent: numberAt(body, 'PanicThreshold'),
    ...(windowMs > 0
      ? {
          slowStart: {
            windowMs,
            aggression: numberAt(slow, 'Aggression') || 1,
            minPercent: numberAt(slow, 'MinWeightPercent') || 10,
          },
        }
      : {}),
    ...(budget === undefined
      ? {}
      : {
          retryBudget: {
            percent: hasField(budget, 'Percent') ? numberAt(budget, 'Percent') : 20,
            minConcurrency: hasField(budget, 'MinConcurrency')
              ? numberAt(budget, 'MinConcurrency')
              : 3,
          },
        }),
  }
}

/** The defaults are Consul's; a ring beyond RING_SIZE_MAX would take too long to make. */
function ringSizeAt(body: JsonObject): Pick<LoadBalancer, 'ringSize'> {
  const config = objectAt(body, 'RingHashConfig')
  if (config === undefined) return {}
  const max = Math.min(RING_SIZE_MAX, numberAt(config, 'MaximumRingSize') || RING_SIZE_MAX)
  const min = Math.min(max, numberAt(config, 'MinimumRingSize') || RING_SIZE_DEFAULT)
  return { ringSize: { min, max } }
}

function hashPolicyOf(body: JsonObject): HashPolicy {
  const isTerminal = flagAt(body, 'Terminal')
  if (flagAt(body, 'SourceIP')) return { kind: 'source', name: '', isTerminal }
  const name = textAt(body, 'FieldValue')
  switch (textAt(body, 'Field')) {
    case 'query_parameter':
      return { kind: 'query', name, isTerminal }
    case 'cookie': {
      const cookie = objectAt(body, 'CookieConfig')
      const maxAgeS = Math.floor(durationAt(cookie, 'TTL') / NS_PER_MS / 1000)
      const isMade = flagAt(cookie, 'Session') || maxAgeS > 0
      const made = isMade ? { made: { maxAgeS, path: textAt(cookie, 'Path') } } : {}
      return { kind: 'cookie', name, isTerminal, ...made }
    }
    default:
      return { kind: 'header', name: name.toLowerCase(), isTerminal }
  }
}
