/**
 * Clusters of the proxy: the targets of compiled chains with their instances (mesh.md 1.4, 10.2). Pure.
 *
 * A target that lies elsewhere (another datacentre, a peer) is a cluster without instances, so that calls go on
 * to where it fails over to. A target whose instances are not known yet is none.
 */

import type { HealthEntry, Locality } from '../catalog/types.ts'
import { type CompiledChain, isHttpLike } from '../chain/types.ts'
import { NS_PER_MS } from '../duration.ts'
import type { ClusterMemo, ClusterOrigin } from './cluster-memo.ts'
import { balancersOf } from './load-balancer.ts'
import { protocolOf } from './protocol.ts'
import type { Cluster, Endpoint } from './proxy-snapshot.ts'
import { serviceSpiffeUri } from './spiffe.ts'

/** mesh.md 10.2: weights above this are cut. */
const WEIGHT_MAX = 128

export interface ClusterInputs {
  readonly datacenter: string
  readonly trustDomain: string
  /** Where this host is; undefined when nobody said so. */
  readonly locality: Locality | undefined
  /** By service; a missing key means not known yet. */
  readonly instances: ReadonlyMap<string, readonly HealthEntry[]>
  /** By upstream. */
  readonly chains: ReadonlyMap<string, CompiledChain>
  /** Those of a subset; none when the expression cannot be used. */
  readonly matching: (entries: readonly HealthEntry[], filter: string) => readonly HealthEntry[]
}

/** Of a target that lies elsewhere. */
const NO_INSTANCES: readonly HealthEntry[] = []

/** One for each target, by name. */
export function clustersOf(inputs: ClusterInputs, memo: ClusterMemo): readonly Cluster[] {
  const clusters = new Map<string, Cluster>()
  for (const chain of inputs.chains.values()) {
    const { targets, protocol } = chain
    const balancers = balancersOf(chain)
    for (const target of Object.values(targets)) {
      const loadBalancer = balancers.get(target.id)
      const known = clusters.get(target.name)
      if (known !== undefined && (known.loadBalancer !== undefined || !loadBalancer)) continue
      const isHere = target.peer === '' && target.datacenter === inputs.datacenter
      const entries = isHere ? inputs.instances.get(target.service) : NO_INSTANCES
      if (entries === undefined) continue
      const { trustDomain, locality } = inputs
      const origin = { target, entries, trustDomain, protocol, loadBalancer, locality }
      clusters.set(
        target.name,
        memo.of(origin, () => clusterOf(inputs, origin)),
      )
    }
  }
  memo.endPass()
  return [...clusters.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
}

function clusterOf(
  inputs: ClusterInputs,
  { target, entries, trustDomain, protocol, loadBalancer, locality }: ClusterOrigin,
): Cluster {
  const chosen =
    target.subsetFilter === '' ? entries : inputs.matching(entries, target.subsetFilter)
  const near = target.localityMode === 'failover' ? locality : undefined
  const endpoints = chosen.map((entry) => ({
    ...endpointOf(entry, target.onlyPassing),
    ...distanceFrom(near, entry.service.locality ?? entry.node.locality),
  }))
  return {
    id: target.name,
    serviceName: target.service,
    sni: target.sni,
    spiffeUris: [serviceSpiffeUri(trustDomain, target.datacenter, target.service)],
    endpoints: endpoints.sort((a, b) => (a.id < b.id ? -1 : 1)),
    connectTimeoutMs: target.connectTimeoutNs / NS_PER_MS,
    ...(isHttpLike(protocol) ? { protocol: protocolOf(protocol) } : {}),
    ...(loadBalancer === undefined ? {} : { loadBalancer }),
  }
}

/** mesh.md 10.10. @param own undefined where all are taken alike */
function distanceFrom(
  own: Locality | undefined,
  other: Locality | undefined,
): Pick<Endpoint, 'distance'> {
  if (own === undefined) return {}
  if (other === undefined || other.region !== own.region) return { distance: 2 }
  return other.zone === own.zone ? {} : { distance: 1 }
}

function endpointOf(entry: HealthEntry, onlyPassing: boolean): Endpoint {
  let status: 'passing' | 'warning' | 'critical' = 'passing'
  for (const check of entry.checks) {
    if (check.status === 'critical') status = 'critical'
    else if (check.status === 'warning' && status === 'passing') status = 'warning'
  }
  const weights = entry.service.weights
  const weight = status === 'warning' ? weights.warning : weights.passing
  const isUp = status === 'passing' || (status === 'warning' && !onlyPassing)
  return {
    id: `${entry.node.node}/${entry.service.id}`,
    address: entry.service.address || entry.node.address,
    port: entry.service.port,
    weight: Math.min(WEIGHT_MAX, Math.max(1, weight)),
    healthy: isUp && weight > 0,
  }
}
