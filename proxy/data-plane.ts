/**
 * Listeners, destinations and connections under one snapshot: the proxy without its control socket.
 *
 * Guarantees: `configure` with an equal snapshot changes nothing; with another, only what differs. A snapshot
 * that cannot be applied (a certificate that does not fit its key) leaves the one before in force.
 */

import type { Server } from 'node:net'
import type { Logger } from '../core/log.ts'
import type { ListenerProblem } from '../core/mesh/proxy-control.ts'
import type { ProxySnapshot } from '../core/mesh/proxy-snapshot.ts'
import type { Rng } from '../core/rng.ts'
import type { Clock, Instant } from '../core/time.ts'
import { newCounters, type ProxyCounters } from './exchange/counters.ts'
import { Mirrors } from './exchange/mirror.ts'
import { HttpDate } from './http1/replies.ts'
import { TokenJudge } from './jwt/token-judge.ts'
import type { InheritPort } from './listeners/bind.ts'
import { LimitedLog } from './listeners/limited-log.ts'
import { ListenerSet } from './listeners/listener-set.ts'
import { ProcessCallers } from './listeners/process-callers.ts'
import { MeshState } from './mesh-state.ts'
import { BlockPool } from './mux/frame-writer.ts'
import { IdleSweep } from './sockets/idle-sweep.ts'
import { Turn } from './sockets/turn.ts'
import type { Output } from './telemetry/access-log.ts'
import { MetricsListeners } from './telemetry/metrics-listeners.ts'
import { Observer } from './telemetry/observer.ts'
import { prometheusPage } from './telemetry/prometheus-page.ts'
import { StatsStore } from './telemetry/stats-store.ts'
import { Lifetimes } from './upstream/lifetimes.ts'

export interface DataPlaneOptions {
  readonly offerMux: boolean
  /** Told to collectors of spans. */
  readonly version?: string
}

export class DataPlane {
  readonly counters: ProxyCounters = newCounters()
  readonly listeners: ListenerSet
  /** All that is counted by destination and listener. */
  readonly store = new StatsStore()
  readonly observer: Observer
  readonly #sweep: IdleSweep
  readonly #lifetimes: Lifetimes
  readonly #tokens: TokenJudge
  readonly #mesh: MeshState
  readonly #callers: ProcessCallers
  readonly #clock: Clock
  readonly #startedAt: Instant
  readonly #metrics: MetricsListeners
  readonly #mirrors = new Mirrors()
  #datacenter = ''
  #isRetired = false
  #nodeName = ''

  constructor(
    options: DataPlaneOptions,
    deps: {
      readonly clock: Clock
      readonly rng: Rng
      readonly log: Logger
      /** Of the agent; without one, access logs can only go to files. */
      readonly output?: Output
      /** While a process before this one has the ports. */
      readonly inherit?: () => InheritPort | undefined
    },
  ) {
    const { clock, rng, log } = deps
    const inherit = deps.inherit ?? (() => undefined)
    this.observer = new Observer({
      clock,
      log,
      rng: rng.fork('telemetry'),
      output: deps.output ?? (() => false),
      version: options.version ?? '',
      nodeName: () => this.#nodeName,
    })
    this.#metrics = new MetricsListeners(() => this.prometheus(), log, inherit)
    this.#clock = clock
    this.#startedAt = clock.now()
    const sweep = new IdleSweep(clock)
    this.#sweep = sweep
    const lifetimes = new Lifetimes(clock, sweep)
    this.#lifetimes = lifetimes
    this.#tokens = new TokenJudge(clock)
    const shared = {
      clock,
      log,
      sweep,
      turn: new Turn(),
      pool: new BlockPool(),
      lifetimes,
      tokens: this.#tokens,
      store: this.store,
      observer: this.observer,
      counters: this.counters,
      date: new HttpDate(() => clock.wall()),
    }
    this.#mesh = new MeshState({ ...shared, ...options, rng: rng.fork('balance') })
    this.#callers = new ProcessCallers({ clock, log })
    this.listeners = new ListenerSet({
      ...shared,
      rng: rng.fork('requests'),
      callers: this.#callers,
      mirrors: this.#mirrors,
      refusals: new LimitedLog(log, sweep),
      inherit,
      identity: (id) => this.#mesh.identity(id),
      caller: (clusterId, failover, identityId) =>
        this.#mesh.callerAlong(clusterId, failover, identityId),
      trustDomain: () => this.#mesh.trustDomain,
      datacenter: () => this.#datacenter,
    })
    sweep.start()
  }

  /** @returns the listeners that could not be bound. @throws when a certificate cannot be used */
  async configure(snapshot: ProxySnapshot): Promise<readonly ListenerProblem[]> {
    this.#datacenter = snapshot.datacenter
    this.#nodeName = snapshot.nodeName
    this.observer.configure(snapshot.telemetry)
    const renewed = this.#mesh.update(snapshot)
    this.#lifetimes.revoke(snapshot.revoked)
    this.#tokens.update(snapshot.jwtProviders)
    this.#callers.update(snapshot.callers)
    const problems = await this.listeners.apply(snapshot, renewed)
    if (this.#isRetired) return []
    const unbound = await this.#metrics.apply(snapshot.telemetry?.metricsBinds ?? [])
    return [...problems, ...unbound]
  }

  /** All figures, for a scrape. */
  prometheus(): string {
    return prometheusPage(this.store, {
      datacenter: this.#datacenter,
      uptimeMs: this.#clock.now() - this.#startedAt,
      rssBytes: process.memoryUsage.rss(),
      dropped: this.observer.dropped,
      mirrorsDropped: this.#mirrors.dropped,
    })
  }

  /** Stops accepting; resolves when the last exchange has ended. */
  async drain(): Promise<void> {
    await this.listeners.drain()
  }

  /** The server that listens on a port (bindText), for a successor. */
  serverOf(bind: string): Server | undefined {
    return this.listeners.serverOf(bind) ?? this.#metrics.serverOf(bind)
  }

  /** As ListenerSet.retire has it. What is configured from now on holds for what is still open. */
  async retire(patienceMs: number): Promise<void> {
    this.#isRetired = true
    this.#metrics.close()
    await this.listeners.retire(patienceMs)
  }

  stop(): void {
    this.listeners.destroy()
    this.#metrics.close()
    void this.observer.close()
    this.#mesh.destroy()
    this.#callers.stop()
    this.#sweep.stop()
  }
}
