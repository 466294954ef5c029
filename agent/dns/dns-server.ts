/**
 * The DNS interface of the agent: UDP and TCP on every client address, answered from the catalog (dns.md).
 *
 * `start` resolves once every address is bound on both transports and undoes itself otherwise. With port 0
 * the kernel chooses one port, used for both transports and all addresses. `reconfigure` replaces the answering side as
 * a whole, or leaves it as it was. A failed or stopped server keeps no socket, timer or view.
 */

import type { AgentConfig, DnsConfig } from '../../core/config/model.ts'
import { FairleadError } from '../../core/errors.ts'
import type { Service } from '../../core/lifecycle.ts'
import type { Metrics } from '../../core/metrics/metrics.ts'
import type { Instant } from '../../core/time.ts'
import { type ConfiguredEngine, configureEngine, type EngineParts } from './configured-engine.ts'
import { DnsMetrics } from './dns-metrics.ts'
import { type DnsCounters, newCounters } from './engine.ts'
import { type BoundAddress, Listeners } from './listeners.ts'

export interface DnsServerOptions {
  /** IP addresses to listen on. */
  readonly addresses: readonly string[]
  /** 0 lets the kernel choose, -1 turns DNS off. */
  readonly port: number
  /** Base of `<service>.virtual` answers: this host's loopback range where its proxy serves it. */
  readonly virtualBase: string
}

export interface DnsServerDeps extends Omit<EngineParts, 'counters' | 'metrics' | 'signal'> {
  readonly config: Pick<AgentConfig, 'domain' | 'altDomain' | 'datacenter' | 'dns'>
  readonly metrics: Metrics
}

export interface DnsServer extends Service {
  /** Bound addresses, after `start`. */
  readonly addresses: readonly BoundAddress[]
  readonly counters: Readonly<DnsCounters>
  /**
   * Makes ready to answer by another configuration; nothing changes until it is put in force.
   *
   * @throws FairleadError INVALID_CONFIG
   */
  prepare(dns: DnsConfig): Promise<PreparedDns>
}

/** Exactly one of the two is called. */
export interface PreparedDns {
  /** Answers by it from now on; questions that wait are answered by the former one. */
  putInForce(): void
  discard(): void
}

export function createDnsServer(options: DnsServerOptions, deps: DnsServerDeps): DnsServer {
  return new BoundDnsServer(options, deps)
}

class BoundDnsServer implements DnsServer {
  readonly #options: DnsServerOptions
  readonly #deps: DnsServerDeps
  readonly #abort = new AbortController()
  readonly #listeners: Listeners
  readonly #metrics: DnsMetrics
  readonly counters: DnsCounters = newCounters()
  /** Former ones that still have questions waiting. */
  readonly #retiring = new Set<Promise<void>>()
  #current: ConfiguredEngine | undefined
  #bound: readonly BoundAddress[] = []
  #started: Promise<void> | undefined

  constructor(options: DnsServerOptions, deps: DnsServerDeps) {
    this.#options = options
    this.#deps = deps
    this.#metrics = new DnsMetrics(() => this.counters, deps)
    const { clock, log } = deps
    this.#listeners = new Listeners({
      answerUdp: (packet, client) => this.#current?.engine.answerUdp(packet, client) ?? null,
      answerTcp: (packet, client) => this.#current?.engine.answerTcp(packet, client) ?? null,
      clock,
      log,
    })
  }

  get addresses(): readonly BoundAddress[] {
    return this.#bound
  }

  start(signal: AbortSignal): Promise<void> {
    this.#started ??= this.#open(signal)
    return this.#started
  }

  async prepare(dns: DnsConfig): Promise<PreparedDns> {
    const next = await this.#configure(dns)
    return {
      putInForce: () => {
        const former = this.#current
        // Not started, or stopping: then there is nobody to answer.
        const isServing = former !== undefined && !this.#abort.signal.aborted
        if (isServing) this.#current = next
        this.#retire(isServing ? former : next)
      },
      discard: () => this.#retire(next),
    }
  }

  async drain(deadline: Instant): Promise<void> {
    this.#listeners.stopReading()
    const { clock } = this.#deps
    const late = Promise.withResolvers<void>()
    const timer = clock.timer(deadline, late.resolve)
    await Promise.race([this.#current?.engine.idle(), late.promise])
    timer.cancel()
  }

  async stop(): Promise<void> {
    this.#abort.abort(new FairleadError('SHUTTING_DOWN', 'The DNS server is stopping'))
    await this.#listeners.close()
    if (this.#current !== undefined) this.#retire(this.#current)
    this.#current = undefined
    await Promise.all(this.#retiring)
    this.#metrics.end()
    this.#bound = []
  }

  async #open(signal: AbortSignal): Promise<void> {
    const { addresses, port } = this.#options
    if (port < 0) return
    this.#current = await this.#configure(this.#deps.config.dns)
    try {
      this.#bound = await this.#listeners.listen(addresses, port, signal)
    } catch (thrown) {
      await this.stop()
      throw thrown
    }
  }

  #configure(dns: DnsConfig): Promise<ConfiguredEngine> {
    const { domain, altDomain, datacenter } = this.#deps.config
    const { virtualBase } = this.#options
    return configureEngine(
      { zones: { domain, altDomain, datacenter }, virtualBase, dns },
      {
        ...this.#deps,
        counters: this.counters,
        metrics: this.#metrics,
        signal: this.#abort.signal,
      },
    )
  }

  #retire(former: ConfiguredEngine): void {
    const retiring = former.retire()
    this.#retiring.add(retiring)
    void retiring.then(() => this.#retiring.delete(retiring))
  }
}
