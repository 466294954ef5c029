/**
 * The proxy process: puts its parts together and runs them until its agent says otherwise.
 *
 * Learns all it needs over its control socket and keeps serving without an agent. Imports nothing heavy: the
 * logger, the clock and chance come from whoever starts it.
 */

import type { Service } from '../core/lifecycle.ts'
import type { Logger } from '../core/log.ts'
import type { ListenerProblem, ProxyStats } from '../core/mesh/proxy-control.ts'
import type { ProxySnapshot } from '../core/mesh/proxy-snapshot.ts'
import type { Rng } from '../core/rng.ts'
import { type Clock, type Instant, instant } from '../core/time.ts'
import { ControlServer } from './control/control-server.ts'
import type { LogRelay } from './control/relay-log.ts'
import { DataPlane } from './data-plane.ts'

export interface ProxyOptions {
  /** Path of the Unix socket that the agent dials. */
  readonly controlSocket: string
  /** Exit when no agent has been connected for this long, ms; 0: never. */
  readonly orphanTimeoutMs: number
  /** For the agent's log. */
  readonly build?: string
  /** False switches the mux between proxies off. */
  readonly offerMux?: boolean
}

export interface ProxyDeps {
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  /** What `log` writes to, when it is the agent that keeps the log. */
  readonly logRelay?: LogRelay
}

export interface ProxyService extends Service {
  /** Resolves when the proxy has stopped, by whatever cause. */
  readonly ended: Promise<void>
  readonly dataPlane: DataPlane
}

/** Makes the proxy and starts it. @throws FairleadError INVALID_CONFIG when the control socket cannot be opened */
export async function runProxy(options: ProxyOptions, deps: ProxyDeps): Promise<ProxyService> {
  const proxy = new ProxyProcess(options, deps)
  await proxy.start()
  return proxy
}

class ProxyProcess implements ProxyService {
  readonly dataPlane: DataPlane
  readonly ended: Promise<void>
  readonly #control: ControlServer
  readonly #deps: ProxyDeps
  readonly #startedAt: Instant
  #resolveEnded: () => void = () => {}
  #starting: Promise<void> | undefined
  #stopping: Promise<void> | undefined

  constructor(options: ProxyOptions, deps: ProxyDeps) {
    this.#deps = deps
    this.#startedAt = deps.clock.now()
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve
    })
    this.dataPlane = new DataPlane(
      { offerMux: options.offerMux ?? true, version: options.build ?? '' },
      { ...deps, output: (stream, text) => this.#control.output(stream, text) },
    )
    this.#control = new ControlServer(
      {
        socketPath: options.controlSocket,
        orphanTimeoutMs: options.orphanTimeoutMs,
        pid: process.pid,
        build: options.build ?? 'fairlead',
      },
      {
        configure: async (snapshot) => await this.#configure(snapshot),
        stats: () => this.#stats(),
        metrics: () => this.dataPlane.prometheus(),
        tap: (id, filter, sink) => this.dataPlane.observer.tap(id, filter, sink),
        untap: (id) => this.dataPlane.observer.untap(id),
        untapAll: () => this.dataPlane.observer.untapAll(),
        shutdown: (drainMs, why) => this.#shutdown(drainMs, why),
      },
      deps,
    )
  }

  async start(): Promise<void> {
    this.#starting ??= this.#begin()
    await this.#starting
  }

  async #begin(): Promise<void> {
    try {
      await this.#control.listen()
    } catch (err) {
      await this.stop()
      throw err
    }
  }

  async drain(deadline: Instant): Promise<void> {
    const abort = new AbortController()
    const late = this.#deps.clock
      .sleep(Math.max(0, deadline - this.#deps.clock.now()), abort.signal)
      .catch(() => undefined)
    await Promise.race([this.dataPlane.drain(), late])
    abort.abort()
  }

  async stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    await this.#stopping
  }

  async #stop(): Promise<void> {
    this.dataPlane.stop()
    await this.#control.close()
    this.#resolveEnded()
  }

  async #configure(snapshot: ProxySnapshot): Promise<readonly ListenerProblem[]> {
    return await this.dataPlane.configure(snapshot)
  }

  #shutdown(drainMs: number, why: string): void {
    this.#deps.log.info('proxy stops', { reason: why, drainMs })
    const deadline = instant(this.#deps.clock.now() + drainMs)
    void this.drain(deadline).then(async () => await this.stop())
  }

  #stats(): ProxyStats {
    return {
      uptimeMs: Math.round(this.#deps.clock.now() - this.#startedAt),
      rssBytes: process.memoryUsage.rss(),
      ...this.dataPlane.counters,
    }
  }
}
