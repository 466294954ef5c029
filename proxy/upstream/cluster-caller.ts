/**
 * Calls from one local identity to one destination: picks an instance for each attempt and uses the pool of
 * connections to it.
 *
 * Guarantees: a second attempt goes to another instance when there is one. Pools of instances that left the
 * destination are let go when their last connection is.
 */

import { Call, type CallTarget } from '../exchange/call.ts'
import type { ProxyCounters } from '../exchange/counters.ts'
import type { RequestSink, ResponseSink } from '../exchange/types.ts'
import type { RequestHead } from '../http1/message.ts'
import type { Swept } from '../sockets/idle-sweep.ts'
import type { ClusterStats } from '../telemetry/stats-store.ts'
import type { Identity } from '../tls/identity.ts'
import { type Cluster, Endpoint } from './cluster.ts'
import { EndpointPool, type PoolDeps } from './endpoint-pool.ts'

export interface ClusterCallerDeps extends Omit<PoolDeps, 'stats'> {
  readonly counters: ProxyCounters
}

export class ClusterCaller implements CallTarget, Swept {
  readonly retriesElsewhere = true
  readonly reportsTime = true
  readonly #cluster: Cluster
  /** Where calls are counted. */
  readonly stats: ClusterStats
  readonly #deps: ClusterCallerDeps
  #identity: Identity
  readonly #pools = new Map<Endpoint, EndpointPool>()
  /** Pools of instances that are gone. */
  readonly #leaving = new Set<EndpointPool>()

  constructor(cluster: Cluster, identity: Identity, stats: ClusterStats, deps: ClusterCallerDeps) {
    this.#cluster = cluster
    this.stats = stats
    this.#identity = identity
    this.#deps = deps
    deps.sweep.add(this)
  }

  /** No connection is left. */
  get isUnused(): boolean {
    return this.#pools.size === 0 && this.#leaving.size === 0
  }

  open(head: RequestHead | undefined, caller: ResponseSink): RequestSink {
    return new Call(this, head, caller, this.#deps).start()
  }

  attempt(call: Call): void {
    const endpoint = this.#cluster.pick(call.triedEndpoint)
    if (endpoint === undefined) {
      call.onFailed({
        code: 'UPSTREAM_UNHEALTHY',
        reason: 'no healthy upstream',
        retry: 'final',
      })
      return
    }
    call.triedEndpoint = endpoint
    let pool = this.#pools.get(endpoint)
    if (pool === undefined) {
      pool = new EndpointPool(this.#cluster, endpoint, this.#identity, {
        ...this.#deps,
        stats: this.stats,
      })
      this.#pools.set(endpoint, pool)
    }
    pool.acquire(call)
  }

  missed(call: Call): void {
    if (call.triedEndpoint instanceof Endpoint) {
      if (!call.triedEndpoint.avoidance.hasFailed) this.stats.ejections++
      call.triedEndpoint.avoidance.failed(this.#deps.clock.now())
    }
  }

  answered(call: Call): void {
    const endpoint = call.triedEndpoint
    if (endpoint instanceof Endpoint && endpoint.avoidance.hasFailed) endpoint.avoidance.succeeded()
  }

  forget(call: Call): void {
    for (const pool of this.#pools.values()) pool.forget(call)
    for (const pool of this.#leaving) pool.forget(call)
  }

  rotate(identity: Identity): void {
    this.#identity = identity
    for (const pool of this.#pools.values()) pool.rotate(identity)
  }

  /** Endpoints that the newest snapshot no longer has. */
  removeEndpoints(endpoints: readonly Endpoint[]): void {
    for (const endpoint of endpoints) {
      const pool = this.#pools.get(endpoint)
      if (pool === undefined) continue
      this.#pools.delete(endpoint)
      pool.retire()
      if (!pool.isUnused) this.#leaving.add(pool)
    }
  }

  /** No new exchanges; what runs ends by itself. */
  retire(): void {
    this.removeEndpoints([...this.#pools.keys()])
  }

  destroy(): void {
    this.#deps.sweep.remove(this)
    for (const pool of this.#pools.values()) pool.destroy()
    for (const pool of this.#leaving) pool.destroy()
    this.#pools.clear()
    this.#leaving.clear()
  }

  onTick(tick: number): void {
    for (const pool of this.#pools.values()) pool.sweepIdle(tick)
    for (const pool of this.#leaving) if (pool.isUnused) this.#leaving.delete(pool)
  }
}
