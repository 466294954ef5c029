/**
 * The balancer of each policy. Here and not in the core because the ring is a package's.
 */

import type { Balancer } from '../../core/balance/balancer.ts'
import { Maglev } from '../../core/balance/maglev.ts'
import { RandomChoices } from '../../core/balance/random-choices.ts'
import { RingHash } from '../../core/balance/ring-hash.ts'
import { RoundRobin } from '../../core/balance/round-robin.ts'
import type { BalancePolicy, RingSize } from '../../core/mesh/proxy-snapshot.ts'
import type { Rng } from '../../core/rng.ts'
import { HashRing } from '../../runtime/hash-ring/hash-ring.ts'

export interface BalancedEntries {
  /** What an entry is recognised by in other lists. */
  readonly keys: readonly string[]
  readonly weights: readonly number[]
  /** Of least_request. */
  readonly choices: number
  readonly rng: Rng
  /** Of ring_hash. */
  readonly ringSize: RingSize | undefined
}

export function balancerOf(policy: Exclude<BalancePolicy, ''>, entries: BalancedEntries): Balancer {
  const { keys, weights, choices, rng, ringSize } = entries
  switch (policy) {
    case 'random':
      return new RandomChoices(weights, 1, rng)
    case 'least_request':
      return new RandomChoices(weights, choices, rng)
    case 'peak_ewma':
    case 'p2c_ewma_penalty':
      return new RandomChoices(weights, 2, rng)
    case 'ring_hash':
      return new RingHash(keys, weights, (members) => new HashRing(members, ringSize), rng)
    case 'maglev':
      return new Maglev(keys, weights, rng)
    case 'round_robin':
      return new RoundRobin(weights, rng.range(0, Math.max(1, weights.length)))
  }
}
