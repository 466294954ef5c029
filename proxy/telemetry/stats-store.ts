/**
 * All series of this proxy: what it counts for each destination and listener, by name.
 *
 * Guarantees: the same object for the same name, over snapshots and connections; totals never go down. Bounds:
 * SERIES_MAX series of requests and ROUTES_MAX routes a destination; what comes beyond them is counted under
 * OVERFLOW, so that no caller can fill the memory by varying what it sends.
 */

import type { AdaptiveLimit } from '../../core/resilience/adaptive-limit.ts'
import { ConnectionStats } from './connection-stats.ts'
import { RequestStats } from './request-stats.ts'

const SERIES_MAX = 20_000
const ROUTES_MAX = 100
export const OVERFLOW = 'other'

/** How many instances a destination has; asked when figures are read. */
export interface Membership {
  readonly total: number
  readonly healthy: number
  /** Kept away from because they failed. */
  readonly ejected: number
}

/** Calls from one local service to one destination. */
export class ClusterStats {
  readonly source: string
  readonly clusterId: string
  readonly connections = new ConnectionStats()
  /** undefined while no snapshot has the destination. */
  membership: (() => Membership) | undefined
  ejections = 0
  readonly #store: StatsStore
  readonly #requests = new Map<string, RequestStats>()

  constructor(source: string, clusterId: string, store: StatsStore) {
    this.source = source
    this.clusterId = clusterId
    this.#store = store
  }

  /** @param prefix of the listener's figures */
  requestsBy(prefix: string, route: string): RequestStats {
    return this.#store.requests(this.#requests, `${prefix} ${route}`, () => [prefix, route])
  }

  get requests(): Iterable<RequestStats> {
    return this.#requests.values()
  }
}

/** What came to one listener. */
export class ListenerStats {
  readonly kind: 'inbound' | 'outbound'
  /** The service behind an inbound listener; the one an outbound one leads to. */
  readonly service: string
  /** `public_listener`, `upstream.web.default.default.dc1` (mesh.md 11.2). */
  readonly prefix: string
  readonly connections = new ConnectionStats()
  /** Raw streams that rules turned away. */
  streamsDenied = 0
  noRoute = 0
  /** Of the application behind an inbound listener; undefined where none is set. */
  concurrency: AdaptiveLimit | undefined
  readonly #store: StatsStore
  readonly #bySource = new Map<string, RequestStats>()

  constructor(kind: 'inbound' | 'outbound', service: string, prefix: string, store: StatsStore) {
    this.kind = kind
    this.service = service
    this.prefix = prefix
    this.#store = store
  }

  /** Requests of one calling service, on the called side. */
  requestsOf(source: string): RequestStats {
    return this.#store.requests(this.#bySource, source, () => [this.prefix, ''])
  }

  get requests(): Iterable<readonly [source: string, stats: RequestStats]> {
    return this.#bySource
  }
}

export class StatsStore {
  readonly #clusters = new Map<string, ClusterStats>()
  readonly #listeners = new Map<string, ListenerStats>()
  #series = 0

  cluster(source: string, clusterId: string): ClusterStats {
    const key = `${source} ${clusterId}`
    let stats = this.#clusters.get(key)
    if (stats === undefined) {
      stats = new ClusterStats(source, clusterId, this)
      this.#clusters.set(key, stats)
    }
    return stats
  }

  listener(kind: 'inbound' | 'outbound', service: string, prefix: string): ListenerStats {
    const key = `${kind} ${service} ${prefix}`
    let stats = this.#listeners.get(key)
    if (stats === undefined) {
      stats = new ListenerStats(kind, service, prefix, this)
      this.#listeners.set(key, stats)
    }
    return stats
  }

  get clusters(): Iterable<ClusterStats> {
    return this.#clusters.values()
  }

  get listeners(): Iterable<ListenerStats> {
    return this.#listeners.values()
  }

  /** One of `known`, made when it is new and there is room for it. */
  requests(
    known: Map<string, RequestStats>,
    name: string,
    wordsOf: () => readonly [prefix: string, route: string],
  ): RequestStats {
    const found = known.get(name)
    if (found !== undefined) return found
    const hasRoom = known.size < ROUTES_MAX && this.#series < SERIES_MAX
    const key = hasRoom ? name : OVERFLOW
    let stats = known.get(key)
    if (stats === undefined) {
      const [prefix, route] = wordsOf()
      stats = new RequestStats(prefix, hasRoom || route === '' ? route : OVERFLOW)
      known.set(key, stats)
      this.#series++
    }
    return stats
  }
}
