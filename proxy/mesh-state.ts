/**
 * Everything of the snapshot that listeners look up at the moment of a call: identities, destinations, and
 * the callers that join the two.
 *
 * Guarantees: what is equal in two snapshots is the same object after the second, so connections stay; a
 * changed leaf or root gives new contexts and leaves open connections alone.
 */

import { sameData } from '../core/catalog/equality.ts'
import { callerName } from '../core/mesh/demand.ts'
import type {
  CallerSettings,
  ProxyIdentity,
  ProxySnapshot,
  UpstreamSettings,
} from '../core/mesh/proxy-snapshot.ts'
import type { Rng } from '../core/rng.ts'
import type { StatsStore } from './telemetry/stats-store.ts'
import { Identity } from './tls/identity.ts'
import { Cluster } from './upstream/cluster.ts'
import { ClusterCaller, type ClusterCallerDeps } from './upstream/cluster-caller.ts'

export interface MeshStateDeps extends ClusterCallerDeps {
  readonly rng: Rng
  readonly store: StatsStore
}

const NO_SETTINGS: UpstreamSettings = {}

interface KnownIdentity {
  readonly source: ProxyIdentity
  readonly identity: Identity
}

export class MeshState {
  trustDomain = ''
  readonly #deps: MeshStateDeps
  readonly #identities = new Map<string, KnownIdentity>()
  readonly #clusters = new Map<string, Cluster>()
  /** By cluster, then by identity; made when first called. */
  readonly #callers = new Map<Cluster, Map<string, ClusterCaller>>()
  /** Callers whose destination or identity is gone, until their connections are. */
  readonly #leaving = new Set<ClusterCaller>()
  #roots: readonly string[] = []
  readonly #settings = new Map<string, CallerSettings>()

  constructor(deps: MeshStateDeps) {
    this.#deps = deps
  }

  /** @returns ids of identities that were added or renewed. @throws when a certificate cannot be used */
  update(snapshot: ProxySnapshot): ReadonlySet<string> {
    const changed = this.#updateIdentities(snapshot)
    this.trustDomain = snapshot.trustDomain.toLowerCase()
    this.#updateClusters(snapshot)
    this.#updateCallers(changed)
    this.#updateSettings(snapshot.callerSettings ?? [])
    for (const caller of this.#leaving) {
      if (!caller.isUnused) continue
      caller.destroy()
      this.#leaving.delete(caller)
    }
    return changed
  }

  identity(id: string): Identity | undefined {
    return this.#identities.get(id)?.identity
  }

  /** @returns undefined when the snapshot has no such destination or identity */
  caller(clusterId: string, identityId: string): ClusterCaller | undefined {
    const cluster = this.#clusters.get(clusterId)
    const identity = this.#identities.get(identityId)?.identity
    if (cluster === undefined || identity === undefined) return undefined
    let callers = this.#callers.get(cluster)
    if (callers === undefined) {
      callers = new Map()
      this.#callers.set(cluster, callers)
    }
    let caller = callers.get(identityId)
    if (caller === undefined) {
      const stats = this.#deps.store.cluster(callerName(identityId), clusterId)
      stats.membership = () => cluster.membership
      caller = new ClusterCaller(cluster, identity, stats, this.#deps)
      caller.settings = this.#settingsOf(identityId, clusterId)
      callers.set(identityId, caller)
    }
    return caller
  }

  /** Towards the first of the destinations with a healthy instance, or the first where none has one. */
  callerAlong(
    clusterId: string,
    failover: readonly string[],
    identityId: string,
  ): ClusterCaller | undefined {
    if (failover.length === 0 || this.#clusters.get(clusterId)?.hasHealthy === true) {
      return this.caller(clusterId, identityId)
    }
    const next = failover.find((id) => this.#clusters.get(id)?.hasHealthy === true)
    return this.caller(next ?? clusterId, identityId)
  }

  destroy(): void {
    for (const callers of this.#callers.values()) {
      for (const caller of callers.values()) caller.destroy()
    }
    for (const caller of this.#leaving) caller.destroy()
    this.#callers.clear()
    this.#leaving.clear()
  }

  #updateIdentities(snapshot: ProxySnapshot): Set<string> {
    const newRoots = !sameData(this.#roots, snapshot.rootsPem)
    const gone = new Set(this.#identities.keys())
    const fresh: KnownIdentity[] = []
    for (const source of snapshot.identities) {
      gone.delete(source.id)
      const known = this.#identities.get(source.id)
      if (known !== undefined && !newRoots && sameData(known.source, source)) continue
      fresh.push({ source, identity: new Identity(source, snapshot.rootsPem) })
    }
    // All contexts are made before anything changes: a bad certificate leaves the old state whole.
    this.#roots = snapshot.rootsPem
    for (const known of fresh) this.#identities.set(known.source.id, known)
    for (const id of gone) this.#identities.delete(id)
    return new Set(fresh.map((known) => known.source.id))
  }

  #updateClusters(snapshot: ProxySnapshot): void {
    const gone = new Set(this.#clusters.keys())
    for (const spec of snapshot.clusters) {
      gone.delete(spec.id)
      const known = this.#clusters.get(spec.id)
      if (known === undefined) {
        this.#clusters.set(spec.id, new Cluster(spec, this.#deps))
        continue
      }
      if (sameData(known.spec, spec)) continue
      const removed = known.update(spec)
      for (const caller of this.#callers.get(known)?.values() ?? []) {
        caller.removeEndpoints(removed)
      }
    }
    for (const id of gone) {
      const cluster = this.#clusters.get(id)
      this.#clusters.delete(id)
      if (cluster === undefined) continue
      for (const caller of this.#callers.get(cluster)?.values() ?? []) this.#let(caller)
      this.#callers.delete(cluster)
    }
  }

  #updateCallers(changed: ReadonlySet<string>): void {
    for (const callers of this.#callers.values()) {
      for (const [id, caller] of callers) {
        const identity = this.identity(id)
        if (identity === undefined) {
          callers.delete(id)
          this.#let(caller)
        } else if (changed.has(id)) {
          caller.rotate(identity)
        }
      }
    }
  }

  #updateSettings(settings: readonly CallerSettings[]): void {
    this.#settings.clear()
    for (const each of settings) this.#settings.set(each.identityId, each)
    for (const [cluster, callers] of this.#callers) {
      for (const [id, caller] of callers) caller.settings = this.#settingsOf(id, cluster.spec.id)
    }
  }

  #settingsOf(identityId: string, clusterId: string): UpstreamSettings {
    const settings = this.#settings.get(identityId)
    return settings?.byCluster[clusterId] ?? settings?.defaults ?? NO_SETTINGS
  }

  #let(caller: ClusterCaller): void {
    caller.retire()
    caller.stats.membership = undefined
    this.#leaving.add(caller)
  }
}
