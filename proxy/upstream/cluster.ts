/**
 * A destination: its instances, and which of them the next attempt goes to.
 *
 * Guarantees: only healthy instances of the newest snapshot are picked, unless so few are that all count as such
 * (mesh.md 10.10); one that just could not be reached, or whose answers failed in a row, is passed over while there is
 * another; another than the one that failed is preferred for a second attempt. Instances equal in id, address and port keep
 * their state over snapshots.
 */

import type { Balancer, Candidates } from '../../core/balance/balancer.ts'
import { RoundRobin } from '../../core/balance/round-robin.ts'
import { sameData } from '../../core/catalog/equality.ts'
import type {
  Cluster as ClusterSpec,
  Endpoint as EndpointSpec,
  HashPolicy,
  LoadBalancer,
} from '../../core/mesh/proxy-snapshot.ts'
import { type ClusterState, mayEject, type OutlierSettings } from '../../core/resilience/outlier.ts'
import type { Rng } from '../../core/rng.ts'
import { type Clock, type Instant, instant } from '../../core/time.ts'
import type { Membership } from '../telemetry/stats-store.ts'
import { balancerOf } from './balancers.ts'
import { Endpoint } from './endpoint.ts'

/** Whom an endpoint is picked for. */
export interface Picker {
  /** undefined for a raw stream. */
  readonly head: object | undefined
  /** The endpoint of an attempt that failed. */
  readonly triedEndpoint: object | undefined
  readonly hash: number | undefined
}

/** An answer, by the instants of its attempt. */
export interface Answer {
  readonly status: number
  readonly since: number
  readonly at: number
}

const NO_POLICIES: readonly HashPolicy[] = []
/** What a failure costs with p2c_ewma_penalty. */
const PENALTY_MS = 5000

// What a pick asks of an endpoint; each of the next gives up one thing more.
const STRICT = 0
/** Those new or just unreachable too. */
const LENIENT = 1
/** Those ejected, and the one tried before, too. */
const ANY = 2

export class Cluster implements Candidates {
  spec: ClusterSpec
  readonly #clock: Clock
  readonly #rng: Rng
  #endpoints: readonly Endpoint[] = []
  /** Those that may be picked. */
  #chosen: readonly Endpoint[] = []
  #healthy = 0
  #weights: readonly number[] = []
  #requestBalancer: Balancer
  #streamBalancer: Balancer
  #balancing: LoadBalancer | undefined
  #comparesLatency = false
  // What `isUsable` and `cost` look at during one pick.
  #exclude: object | undefined
  #strictness = STRICT
  /** Of the instances' distances, and how far this pick goes (mesh.md 10.10). */
  #farthest = 0
  #reach = 0
  #now: Instant

  constructor(spec: ClusterSpec, deps: { readonly clock: Clock; readonly rng: Rng }) {
    this.spec = spec
    this.#clock = deps.clock
    this.#rng = deps.rng
    this.#now = deps.clock.now()
    this.#requestBalancer = new RoundRobin([], 0)
    this.#streamBalancer = this.#requestBalancer
    this.update(spec)
  }

  get hashPolicies(): readonly HashPolicy[] {
    return this.spec.loadBalancer?.hashPolicies ?? NO_POLICIES
  }

  /** @returns endpoints that are no longer part of the cluster */
  update(spec: ClusterSpec): readonly Endpoint[] {
    const now = this.#clock.now()
    const before = new Map(this.#endpoints.map((endpoint) => [keyOf(endpoint.spec), endpoint]))
    const wasChosen = this.#chosen
    this.spec = spec
    this.#endpoints = spec.endpoints.map((each) => {
      const known = before.get(keyOf(each))
      before.delete(keyOf(each))
      if (known === undefined) return new Endpoint(each, now)
      if (each.healthy && !known.spec.healthy) {
        known.avoidance.succeeded()
        known.outlier.forgive()
        known.since = now
      }
      known.spec = each
      return known
    })
    this.#chosen = this.#choose(spec.loadBalancer)
    this.#farthest = 0
    for (const { distance = 0 } of spec.endpoints) {
      if (distance > this.#farthest) this.#farthest = distance
    }
    const isSameSet =
      wasChosen.length === this.#chosen.length &&
      wasChosen.every((endpoint, i) => endpoint === this.#chosen[i])
    const weights = this.#chosen.map((endpoint) => endpoint.spec.weight)
    const isSame = isSameSet && sameNumbers(weights, this.#weights)
    if (!isSame || !sameData(spec.loadBalancer, this.#balancing)) this.#rebalance(weights)
    return [...before.values()]
  }

  get hasHealthy(): boolean {
    return this.#chosen.length > 0
  }

  /** @returns undefined when none may be picked */
  pick(picker: Picker, now: Instant): Endpoint | undefined {
    if (this.#chosen.length <= 1) return this.#chosen[0]
    const balancer = picker.head === undefined ? this.#streamBalancer : this.#requestBalancer
    this.#now = now
    this.#exclude = picker.triedEndpoint
    this.#strictness = STRICT
    this.#reach = 0
    let index = balancer.pick(this, picker.hash)
    while (index < 0 && this.#relax()) index = balancer.pick(this, picker.hash)
    this.#exclude = undefined
    return this.#chosen[index]
  }

  /** Further away first, then less particular. @returns false when there is nothing left to give up */
  #relax(): boolean {
    if (this.#reach < this.#farthest) {
      this.#reach++
      return true
    }
    if (this.#strictness === ANY) return false
    this.#strictness++
    this.#reach = 0
    return true
  }

  isUsable(index: number): boolean {
    const endpoint = this.#chosen[index] as Endpoint
    if (this.#farthest > 0 && (endpoint.spec.distance ?? 0) > this.#reach) return false
    if (this.#strictness === ANY) return true
    if (endpoint === this.#exclude || endpoint.outlier.isEjected(this.#now)) return false
    if (this.#strictness === LENIENT) return true
    if (endpoint.avoidance.hasFailed && endpoint.avoidance.isAvoided(this.#now)) return false
    return this.#isWarm(endpoint)
  }

  cost(index: number): number {
    const endpoint = this.#chosen[index] as Endpoint
    return this.#comparesLatency
      ? endpoint.latency.cost(this.#now, endpoint.active)
      : endpoint.active
  }

  answered(endpoint: Endpoint, { status, at, since }: Answer): void {
    if (!this.#comparesLatency || status === 0) return
    const isPenalised =
      this.#balancing?.policy === 'p2c_ewma_penalty' && (status >= 500 || status === 429)
    endpoint.latency.observe(instant(at), isPenalised ? PENALTY_MS : at - since)
  }

  /** @returns false when the cluster cannot bear it, or chance spared it */
  eject(endpoint: Endpoint, settings: OutlierSettings): boolean {
    const now = this.#clock.now()
    if (endpoint.outlier.isEjected(now) || !mayEject(settings, this.#state(now))) return false
    if (this.#rng.float() * 100 >= settings.enforcing) return false
    endpoint.outlier.eject(now, settings)
    return true
  }

  get membership(): Membership {
    const now = this.#clock.now()
    let ejected = 0
    for (const { avoidance, outlier } of this.#endpoints) {
      if (avoidance.isAvoided(now) || outlier.isEjected(now)) ejected++
    }
    return { total: this.#endpoints.length, healthy: this.#healthy, ejected }
  }

  /** All instances, also unhealthy ones: connections to them may still be in use. */
  get endpoints(): readonly Endpoint[] {
    return this.#endpoints
  }

  /** The healthy ones; all, where fewer are healthy than the panic threshold asks for. */
  #choose(balancing: LoadBalancer | undefined): readonly Endpoint[] {
    const healthy = this.#endpoints.filter((endpoint) => endpoint.spec.healthy)
    this.#healthy = healthy.length
    const share = (100 * healthy.length) / Math.max(1, this.#endpoints.length)
    return share < (balancing?.panicPercent ?? 0) ? this.#endpoints : healthy
  }

  #rebalance(weights: readonly number[]): void {
    const balancing = this.spec.loadBalancer
    this.#weights = weights
    this.#balancing = balancing
    const keys = this.#chosen.map((endpoint) => endpoint.spec.id)
    const policy = balancing?.policy ?? ''
    const make = (of: Parameters<typeof balancerOf>[0]): Balancer =>
      balancerOf(of, {
        keys,
        weights,
        choices: balancing?.choices ?? 2,
        rng: this.#rng,
        ringSize: balancing?.ringSize,
      })
    this.#requestBalancer = make(policy === '' ? 'peak_ewma' : policy)
    this.#streamBalancer = policy === '' ? make('round_robin') : this.#requestBalancer
    this.#comparesLatency = policy === '' || policy === 'peak_ewma' || policy === 'p2c_ewma_penalty'
  }

  /** By chance, so that a new instance gets its share little by little (mesh.md 10.10). */
  #isWarm(endpoint: Endpoint): boolean {
    const slow = this.#balancing?.slowStart
    if (slow === undefined) return true
    const age = (this.#now - endpoint.since) / slow.windowMs
    if (age >= 1) return true
    const share = Math.max(slow.minPercent / 100, age ** (1 / slow.aggression))
    return this.#rng.float() < share
  }

  #state(now: Instant): ClusterState {
    let usable = 0
    let ejected = 0
    for (const endpoint of this.#endpoints) {
      if (endpoint.outlier.isEjected(now)) ejected++
      else if (endpoint.spec.healthy) usable++
    }
    return { total: this.#endpoints.length, usable, ejected }
  }
}

function keyOf(spec: EndpointSpec): string {
  return `${spec.id}\n${spec.address}\n${spec.port}`
}

function sameNumbers(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i])
}
