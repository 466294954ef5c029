/**
 * A destination: its instances, and which of them the next attempt goes to.
 *
 * Guarantees: only healthy instances of the newest snapshot are picked; one that just could not be reached
 * is passed over while there is another; another than the one that failed is preferred for a second attempt.
 * Instances equal in id, address and port keep their state over snapshots.
 */

import { RoundRobin } from '../../core/balance/round-robin.ts'
import type {
  Cluster as ClusterSpec,
  Endpoint as EndpointSpec,
} from '../../core/mesh/proxy-snapshot.ts'
import { Avoidance } from '../../core/resilience/avoidance.ts'
import type { Rng } from '../../core/rng.ts'
import type { Clock } from '../../core/time.ts'
import type { Membership } from '../telemetry/stats-store.ts'

export class Endpoint {
  spec: EndpointSpec
  readonly avoidance = new Avoidance()
  /** Learned from its first connection: whether it speaks our mux. */
  speaksMux: boolean | undefined = undefined
  /** Learned in the same way, where it does not: whether it speaks HTTP/2. */
  speaksHttp2 = false
  /** It broke off a handshake because none of the protocols we offered suited it. */
  refusesAlpn = false

  constructor(spec: EndpointSpec) {
    this.spec = spec
  }
}

export class Cluster {
  spec: ClusterSpec
  readonly #clock: Clock
  readonly #rng: Rng
  #endpoints: readonly Endpoint[] = []
  #healthy: readonly Endpoint[] = []
  #weights: readonly number[] = []
  #balancer: RoundRobin
  // What `isUsable` compares with during one pick.
  #exclude: object | undefined
  #avoids = false

  constructor(spec: ClusterSpec, deps: { readonly clock: Clock; readonly rng: Rng }) {
    this.spec = spec
    this.#clock = deps.clock
    this.#rng = deps.rng
    this.#balancer = new RoundRobin([], 0)
    this.update(spec)
  }

  /** @returns endpoints that are no longer part of the cluster */
  update(spec: ClusterSpec): readonly Endpoint[] {
    const before = new Map(this.#endpoints.map((endpoint) => [keyOf(endpoint.spec), endpoint]))
    const wasHealthy = this.#healthy
    this.spec = spec
    this.#endpoints = spec.endpoints.map((each) => {
      const known = before.get(keyOf(each))
      before.delete(keyOf(each))
      if (known === undefined) return new Endpoint(each)
      const isSame = known.spec.weight === each.weight && known.spec.healthy === each.healthy
      if (!isSame && each.healthy && !known.spec.healthy) known.avoidance.succeeded()
      known.spec = each
      return known
    })
    this.#healthy = this.#endpoints.filter((endpoint) => endpoint.spec.healthy)
    const isSameSet =
      wasHealthy.length === this.#healthy.length &&
      wasHealthy.every((endpoint, i) => endpoint === this.#healthy[i])
    const weights = this.#healthy.map((endpoint) => endpoint.spec.weight)
    if (!isSameSet || !sameNumbers(weights, this.#weights)) {
      this.#weights = weights
      this.#balancer = new RoundRobin(weights, this.#rng.range(0, Math.max(1, weights.length)))
    }
    return [...before.values()]
  }

  get hasHealthy(): boolean {
    return this.#healthy.length > 0
  }

  /** @param tried the endpoint of an attempt that failed. @returns undefined when none is healthy */
  pick(tried: object | undefined): Endpoint | undefined {
    const size = this.#healthy.length
    if (size <= 1) return this.#healthy[0]
    this.#avoids = false
    for (const endpoint of this.#healthy) if (endpoint.avoidance.hasFailed) this.#avoids = true
    this.#exclude = tried
    let index = this.#balancer.next(this)
    if (index < 0) {
      this.#avoids = false
      index = this.#balancer.next(this)
    }
    this.#exclude = undefined
    return this.#healthy[index]
  }

  isUsable(index: number): boolean {
    const endpoint = this.#healthy[index] as Endpoint
    if (endpoint === this.#exclude) return false
    return !this.#avoids || !endpoint.avoidance.isAvoided(this.#clock.now())
  }

  get membership(): Membership {
    const now = this.#clock.now()
    let ejected = 0
    for (const { avoidance } of this.#endpoints) if (avoidance.isAvoided(now)) ejected++
    return { total: this.#endpoints.length, healthy: this.#healthy.length, ejected }
  }

  /** All instances, also unhealthy ones: connections to them may still be in use. */
  get endpoints(): readonly Endpoint[] {
    return this.#endpoints
  }
}

function keyOf(spec: EndpointSpec): string {
  return `${spec.id}\n${spec.address}\n${spec.port}`
}

function sameNumbers(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i])
}
