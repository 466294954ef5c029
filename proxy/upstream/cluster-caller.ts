/**
 * Calls from one local identity to one destination: picks an instance for each attempt and uses the pool of
 * connections to it.
 *
 * Guarantees: a second attempt goes to another instance when there is one. Pools of instances that left the
 * destination are let go when their last connection is.
 */

import type { UpstreamSettings } from '../../core/mesh/proxy-snapshot.ts'
import { OUTLIER_DEFAULTS } from '../../core/resilience/outlier.ts'
import { allowsRetry, RETRY_BUDGET_DEFAULT } from '../../core/resilience/retry-budget.ts'
import { Call, type CallTarget } from '../exchange/call.ts'
import type { ProxyCounters } from '../exchange/counters.ts'
import { HedgedCall, mayHedge } from '../exchange/hedged-call.ts'
import type { Failure, RequestSink, ResponseSink } from '../exchange/types.ts'
import type { RequestHead } from '../http1/message.ts'
import { disconnectReason } from '../http1/replies.ts'
import { type CallSource, requestHash } from '../routing/request-hash.ts'
import type { Swept } from '../sockets/idle-sweep.ts'
import type { ClusterStats } from '../telemetry/stats-store.ts'
import type { Identity } from '../tls/identity.ts'
import type { Cluster } from './cluster.ts'
import { Endpoint } from './endpoint.ts'
import { EndpointPool, type PoolDeps } from './endpoint-pool.ts'
import { UpstreamUsage } from './upstream-usage.ts'

export interface ClusterCallerDeps extends Omit<PoolDeps, 'stats' | 'usage'> {
  readonly counters: ProxyCounters
}

const OVERLOADED: Failure = {
  code: 'UPSTREAM_OVERLOADED',
  reason: disconnectReason('overflow'),
  retry: 'final',
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
  readonly #usage = new UpstreamUsage(() => this.#waiting)

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

  /** Limits and thresholds hold from the next exchange on. */
  set settings(settings: UpstreamSettings) {
    this.#usage.settings = settings
  }

  /** @param source who calls; asked only where the destination's policies hash */
  open(
    head: RequestHead | undefined,
    caller: ResponseSink,
    source: () => CallSource | undefined,
  ): RequestSink {
    const policies = this.#cluster.hashPolicies
    const hash = policies.length > 0 ? requestHash(policies, head, source()) : undefined
    if (head?.hedge !== undefined && mayHedge(head)) {
      const options = { hedge: head.hedge, hash }
      return new HedgedCall(this, head, caller, this.#deps, options).start()
    }
    const call = new Call(this, head, caller, this.#deps)
    call.hash = hash
    return call.start()
  }

  attempt(call: Call): void {
    const usage = this.#usage
    const isRequest = call.head !== undefined
    if (isRequest ? !usage.mayRequest : !usage.mayStream) {
      this.stats.connections.overflows++
      call.onFailed(OVERLOADED)
      return
    }
    const now = this.#deps.clock.now()
    const endpoint = this.#cluster.pick(call, now)
    if (endpoint === undefined) {
      call.onFailed({
        code: 'UPSTREAM_UNHEALTHY',
        reason: 'no healthy upstream',
        retry: 'final',
      })
      return
    }
    call.triedEndpoint = endpoint
    call.isHeld = true
    call.heldAt = now
    endpoint.active++
    if (isRequest) usage.requests++
    else usage.streams++
    let pool = this.#pools.get(endpoint)
    if (pool === undefined) {
      pool = new EndpointPool(this.#cluster, endpoint, this.#identity, {
        ...this.#deps,
        stats: this.stats,
        usage,
      })
      this.#pools.set(endpoint, pool)
    }
    pool.acquire(call)
  }

  failed(call: Call, failure: Failure, isReused: boolean): void {
    const endpoint = call.triedEndpoint
    if (!call.isHeld || !(endpoint instanceof Endpoint)) return
    if (failure.retry === 'never-sent') {
      if (!endpoint.avoidance.hasFailed) this.stats.ejections++
      endpoint.avoidance.failed(this.#deps.clock.now())
    }
    // A fresh connection that ends without an answer may be a refusal of who we are: no fault of the instance.
    const isItsFault =
      failure.code === 'UPSTREAM_TIMEOUT' ||
      failure.code === 'UPSTREAM_INVALID' ||
      failure.retry === 'never-sent' ||
      (failure.retry === 'maybe-sent' && isReused)
    if (isItsFault) this.#countFailure(endpoint)
  }

  answered(call: Call, status: number, now: number): void {
    const endpoint = call.triedEndpoint
    if (!(endpoint instanceof Endpoint)) return
    if (endpoint.avoidance.hasFailed) endpoint.avoidance.succeeded()
    if (status >= 500) this.#countFailure(endpoint)
    else endpoint.outlier.succeeded()
    if (call.isHeld) this.#cluster.answered(endpoint, { status, at: now, since: call.heldAt })
  }

  released(call: Call): void {
    if (!call.isHeld) return
    call.isHeld = false
    if (call.triedEndpoint instanceof Endpoint) call.triedEndpoint.active--
    if (call.head === undefined) this.#usage.streams--
    else this.#usage.requests--
  }

  beginRetry(): boolean {
    const budget = this.#cluster.spec.loadBalancer?.retryBudget ?? RETRY_BUDGET_DEFAULT
    if (!allowsRetry(budget, this.#usage.requests, this.#usage.retries)) return false
    this.#usage.retries++
    return true
  }

  retryEnded(): void {
    this.#usage.retries--
  }

  forget(call: Call): void {
    for (const pool of this.#pools.values()) pool.forget(call)
    for (const pool of this.#leaving) pool.forget(call)
  }

  #countFailure(endpoint: Endpoint): void {
    const settings = this.#usage.settings.outlier ?? OUTLIER_DEFAULTS
    if (!endpoint.outlier.failed(settings)) return
    if (!this.#cluster.eject(endpoint, settings)) return
    this.stats.ejections++
    this.#deps.log.warn('an instance is left out for a while: its answers failed in a row', {
      endpoint: endpoint.spec.id,
      cluster: this.#cluster.spec.id,
      failures: settings.maxFailures,
    })
  }

  get #waiting(): number {
    let waiting = 0
    for (const pool of this.#pools.values()) waiting += pool.waiting
    return waiting
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
