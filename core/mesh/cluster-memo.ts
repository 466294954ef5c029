/**
 * The clusters of the last snapshot, so that one that is made of the same things is not made again, and is known by
 * being the same object to be the same. Pure.
 *
 * Guarantees: what `of` returns equals what `make` would have made, as long as lists of instances are never changed in
 * place. Bound: the clusters of two passes.
 */

import { sameData } from '../catalog/equality.ts'
import type { HealthEntry, Locality } from '../catalog/types.ts'
import type { ChainTarget } from '../chain/types.ts'
import type { Cluster, LoadBalancer } from './proxy-snapshot.ts'

/** All that a cluster depends on. */
export interface ClusterOrigin {
  readonly target: ChainTarget
  readonly entries: readonly HealthEntry[]
  readonly trustDomain: string
  readonly protocol: string
  readonly loadBalancer: LoadBalancer | undefined
  /** Where the callers are. */
  readonly locality: Locality | undefined
}

interface Made {
  readonly origin: ClusterOrigin
  readonly cluster: Cluster
}

export class ClusterMemo {
  #last = new Map<string, Made>()
  #now = new Map<string, Made>()

  of(origin: ClusterOrigin, make: (origin: ClusterOrigin) => Cluster): Cluster {
    const known = this.#last.get(origin.target.name)
    const made =
      known !== undefined && isSame(known.origin, origin)
        ? known
        : { origin, cluster: make(origin) }
    this.#now.set(origin.target.name, made)
    return made.cluster
  }

  /** Forgets what was not asked for since the last call. */
  endPass(): void {
    this.#last = this.#now
    this.#now = new Map()
  }
}

function isSame(one: ClusterOrigin, other: ClusterOrigin): boolean {
  return (
    one.entries === other.entries &&
    one.trustDomain === other.trustDomain &&
    one.protocol === other.protocol &&
    sameData(one.loadBalancer, other.loadBalancer) &&
    sameData(one.locality, other.locality) &&
    sameData(one.target, other.target)
  )
}
