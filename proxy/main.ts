/**
 * The proxy process: puts its parts together and runs them until its agent says otherwise.
 *
 * Learns all it needs over its control socket and keeps serving without an agent. Imports nothing heavy: the
 * logger, the clock and chance come from whoever starts it. Gives its place to a successor, and takes that of a
 * predecessor, without a connection lost (docs/decisions/0032).
 */

import type { Service } from '../core/lifecycle.ts'
import type { Logger } from '../core/log.ts'
import type { ListenerProblem, ProxyStats } from '../core/mesh/proxy-control.ts'
import type { ProxySnapshot } from '../core/mesh/proxy-snapshot.ts'
import type { Rng } from '../core/rng.ts'
import { type Clock, type Instant, instant, type Timer } from '../core/time.ts'
import { ControlServer } from './control/control-server.ts'
import type { LogRelay } from './control/relay-log.ts'
import { DataPlane } from './data-plane.ts'
import { type ParentChannel, Predecessor } from './handover/predecessor.ts'
import { Successor } from './handover/successor.ts'
import type { InheritPort } from './listeners/bind.ts'

export interface ProxyOptions {
  /** Path of the Unix socket that the agent dials. */
  readonly controlSocket: string
  /** Exit when no agent has been connected for this long, ms; 0: never. */
  readonly orphanTimeoutMs: number
  /** For the agent's log. */
  readonly build?: string
  /** False switches the mux between proxies off. */
  readonly offerMux?: boolean
  /** Program and arguments of a proxy that takes this one's place when `handOver` is not told another. */
  readonly successor?: readonly [string, ...string[]]
}

export interface ProxyDeps {
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  /** What `log` writes to, when it is the agent that keeps the log. */
  readonly logRelay?: LogRelay
  /** Of the proxy whose place this one takes. */
  readonly predecessor?: { readonly channel: ParentChannel; readonly pid: number }
}

export interface ProxyService extends Service {
  /** Resolves when the proxy has stopped, by whatever cause. */
  readonly ended: Promise<void>
  readonly dataPlane: DataPlane
  /** Starts a successor, gives it the ports, and ends when what is open has. */
  handOver(): void
}

/** How long a connection that goes on may, once another proxy has the ports. */
const HAND_OVER_DRAIN_MS = 600_000
/** How long callers may keep an idle connection before it is closed on them. */
const HAND_OVER_PATIENCE_MS = 30_000
/** Nobody tells us any more what is denied. */
const ALONE_DRAIN_MS = 10_000

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
  readonly #successorCommand: readonly [string, ...string[]] | undefined
  readonly #predecessor: Predecessor | undefined
  #successor: Successor | undefined
  #retired: Timer | undefined
  #retiredBy: Instant = instant(0)
  #resolveEnded: () => void = () => {}
  #starting: Promise<void> | undefined
  #stopping: Promise<void> | undefined

  constructor(options: ProxyOptions, deps: ProxyDeps) {
    this.#deps = deps
    this.#startedAt = deps.clock.now()
    this.#successorCommand = options.successor
    this.#predecessor = this.#makePredecessor()
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve
    })
    this.dataPlane = new DataPlane(
      { offerMux: options.offerMux ?? true, version: options.build ?? '' },
      {
        ...deps,
        output: (stream, text) =>
          this.#successor?.output(stream, text) ?? this.#control.output(stream, text),
        inherit: () => this.#inherit(),
      },
    )
    this.#control = new ControlServer(
      {
        socketPath: options.controlSocket,
        orphanTimeoutMs: options.orphanTimeoutMs,
        pid: process.pid,
        build: options.build ?? 'fairlead',
        ...(deps.predecessor === undefined ? {} : { replaces: deps.predecessor.pid }),
      },
      {
        configure: async (snapshot) => await this.#configure(snapshot),
        stats: () => this.#stats(),
        metrics: () => this.dataPlane.prometheus(),
        tap: (id, filter, sink) => this.dataPlane.observer.tap(id, filter, sink),
        untap: (id) => this.dataPlane.observer.untap(id),
        untapAll: () => this.dataPlane.observer.untapAll(),
        handOver: (command) => this.#handOver(command),
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
      this.#predecessor?.controlOpen()
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

  handOver(): void {
    if (this.#successorCommand === undefined) {
      this.#deps.log.warn('a successor was asked for, but nothing says how to start it')
    } else this.#handOver(this.#successorCommand)
  }

  async #stop(): Promise<void> {
    this.#retired?.cancel()
    this.#successor?.release()
    this.dataPlane.stop()
    await this.#control.close()
    this.#resolveEnded()
  }

  async #configure(snapshot: ProxySnapshot): Promise<readonly ListenerProblem[]> {
    const problems = await this.dataPlane.configure(snapshot)
    this.#predecessor?.configured(snapshot)
    return problems
  }

  #makePredecessor(): Predecessor | undefined {
    const { predecessor, logRelay } = this.#deps
    if (predecessor === undefined) return undefined
    return new Predecessor(predecessor.channel, predecessor.pid, {
      onLog: (record) => logRelay?.forward(record),
      onOutput: (stream, text) => void this.#control.output(stream, text),
    })
  }

  #inherit(): InheritPort | undefined {
    const predecessor = this.#predecessor
    if (predecessor?.isInCharge !== true) return undefined
    return async (bind) => await predecessor.inherit(bind)
  }

  #handOver(command: readonly [string, ...string[]]): void {
    const { clock, log, logRelay } = this.#deps
    if (this.#successor !== undefined || this.#stopping !== undefined) return
    log.info('another proxy takes over')
    const successor = new Successor(
      command,
      {
        serverOf: (bind) => this.dataPlane.serverOf(bind),
        onControlOpen: () => {
          void this.#control.leave()
          logRelay?.connect((record) => successor.log(record))
        },
        onServing: () => void this.#retire(),
        onConfigure: (snapshot) => void this.#follow(snapshot),
        onEnd: (drainMs) => {
          this.#predecessor?.end(drainMs)
          this.#endBy(drainMs)
        },
        onFailed: (reason) => void this.#comeBack(reason),
        onGone: () => this.#endBy(ALONE_DRAIN_MS),
      },
      { clock },
    )
    this.#successor = successor
  }

  async #retire(): Promise<void> {
    const { log } = this.#deps
    log.info('the other proxy serves, what is open here ends')
    this.#endBy(HAND_OVER_DRAIN_MS)
    await this.dataPlane.retire(HAND_OVER_PATIENCE_MS)
    log.info('all that was open has ended')
    await this.stop()
  }

  /** What the successor was told holds for what is still open here, and with those before us. */
  async #follow(snapshot: ProxySnapshot): Promise<void> {
    try {
      await this.#configure(snapshot)
    } catch (err) {
      this.#deps.log.error('a configuration could not be applied', {
        version: snapshot.version,
        err,
      })
    }
  }

  #endBy(ms: number): void {
    const { clock } = this.#deps
    const at = instant(clock.now() + ms)
    if (this.#retired !== undefined && at > this.#retiredBy) return
    this.#retired?.cancel()
    this.#retiredBy = at
    this.#retired = clock.timer(at, () => void this.stop())
  }

  async #comeBack(reason: string): Promise<void> {
    const { log, logRelay } = this.#deps
    this.#successor = undefined
    logRelay?.disconnect()
    log.warn('no other proxy took over, this one goes on', { reason })
    try {
      await this.#control.comeBack(reason)
    } catch (err) {
      log.error('the agent can no longer reach this proxy', { err })
    }
  }

  #shutdown(drainMs: number, why: string): void {
    this.#deps.log.info('proxy stops', { reason: why, drainMs })
    this.#predecessor?.end(drainMs)
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
