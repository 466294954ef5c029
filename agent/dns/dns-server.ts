/**
 * The DNS interface of the agent: UDP and TCP on every client address, answered from the catalog (dns.md).
 *
 * `start` resolves once every address is bound on both transports and undoes itself otherwise. With port 0
 * the kernel chooses one port, used for both transports and all addresses. A failed or stopped server keeps
 * no socket, timer or view.
 */

import { isIPv6 } from 'node:net'
import type { AgentConfig } from '../../core/config/model.ts'
import { FairleadError } from '../../core/errors.ts'
import type { Service } from '../../core/lifecycle.ts'
import type { Logger } from '../../core/log.ts'
import type { Metrics } from '../../core/metrics/metrics.ts'
import type { Rng } from '../../core/rng.ts'
import type { ServerApi } from '../../core/rpc/server-api.ts'
import type { Clock, Instant } from '../../core/time.ts'
import type { PreparedQueries } from '../queries/prepared-queries.ts'
import type { CatalogViews } from '../view/types.ts'
import { DnsMetrics } from './dns-metrics.ts'
import { type DnsCounters, DnsEngine } from './engine.ts'
import { HostResolver } from './host-resolver.ts'
import { Recursors, resolveRecursors } from './recursors.ts'
import { Responder } from './responder.ts'
import { ServiceSources } from './service-sources.ts'
import { TcpListener } from './tcp-listener.ts'
import { UdpListener } from './udp-listener.ts'

export interface DnsServerOptions {
  /** IP addresses to listen on. */
  readonly addresses: readonly string[]
  /** 0 lets the kernel choose, -1 turns DNS off. */
  readonly port: number
  /** Base of `<service>.virtual` answers: this host's loopback range where its proxy serves it. */
  readonly virtualBase: string
}

export interface DnsServerDeps {
  readonly views: CatalogViews
  readonly servers: Pick<ServerApi, 'read'>
  readonly queries: Pick<PreparedQueries, 'execute'>
  readonly config: Pick<AgentConfig, 'domain' | 'altDomain' | 'datacenter' | 'dns'>
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly metrics: Metrics
}

export interface DnsServer extends Service {
  /** Bound addresses, after `start`. */
  readonly addresses: readonly { readonly address: string; readonly port: number }[]
  readonly counters: Readonly<DnsCounters>
}

/** A port that UDP got may be taken on TCP; then another one is tried. */
const PORT_ATTEMPTS_MAX = 20

export function createDnsServer(options: DnsServerOptions, deps: DnsServerDeps): DnsServer {
  return new BoundDnsServer(options, deps)
}

class BoundDnsServer implements DnsServer {
  readonly #options: DnsServerOptions
  readonly #deps: DnsServerDeps
  readonly #abort = new AbortController()
  readonly #sources: ServiceSources
  readonly #listeners: { readonly udp: UdpListener; readonly tcp: TcpListener }[] = []
  readonly #metrics: DnsMetrics
  #engine: DnsEngine | undefined
  #bound: readonly { readonly address: string; readonly port: number }[] = []
  #started: Promise<void> | undefined

  constructor(options: DnsServerOptions, deps: DnsServerDeps) {
    this.#options = options
    this.#deps = deps
    this.#metrics = new DnsMetrics(() => this.counters, deps)
    this.#sources = new ServiceSources(deps.views, { onlyPassing: deps.config.dns.onlyPassing })
  }

  get addresses(): readonly { readonly address: string; readonly port: number }[] {
    return this.#bound
  }

  get counters(): Readonly<DnsCounters> {
    return this.#engine?.counters ?? { queries: 0, cacheHits: 0, dropped: 0 }
  }

  start(signal: AbortSignal): Promise<void> {
    this.#started ??= this.#open(signal)
    return this.#started
  }

  async drain(deadline: Instant): Promise<void> {
    for (const { udp, tcp } of this.#listeners) {
      tcp.stopAccepting()
      udp.stopReading()
    }
    const { clock } = this.#deps
    const late = Promise.withResolvers<void>()
    const timer = clock.timer(deadline, late.resolve)
    await Promise.race([this.#engine?.idle(), late.promise])
    timer.cancel()
  }

  async stop(): Promise<void> {
    this.#abort.abort(new FairleadError('SHUTTING_DOWN', 'The DNS server is stopping'))
    await this.#closeListeners()
    await this.#engine?.idle()
    this.#engine?.clear()
    this.#metrics.end()
    this.#sources.release()
    this.#bound = []
  }

  async #open(signal: AbortSignal): Promise<void> {
    const { addresses, port } = this.#options
    if (port < 0) return
    const engine = await this.#makeEngine()
    this.#engine = engine
    try {
      const bound: { address: string; port: number }[] = []
      for (const address of addresses) {
        signal.throwIfAborted()
        const wanted = port === 0 ? (bound[0]?.port ?? 0) : port
        bound.push({ address, port: await this.#listen(engine, address, wanted) })
      }
      this.#bound = bound
    } catch (thrown) {
      await this.stop()
      throw thrown
    }
  }

  async #makeEngine(): Promise<DnsEngine> {
    const { config, servers, queries, clock, rng, log } = this.#deps
    const { dns } = config
    const { signal } = this.#abort
    const recursors = new Recursors(
      await resolveRecursors(dns.recursors),
      { strategy: dns.recursorStrategy, timeoutMs: dns.recursorTimeoutMs },
      { clock, rng, signal },
    )
    const responder = new Responder(
      {
        domain: config.domain,
        altDomain: config.altDomain,
        datacenter: config.datacenter,
        config: dns,
        virtualBase: this.#options.virtualBase,
      },
      { sources: this.#sources, servers, queries, clock, rng, log, signal },
    )
    return new DnsEngine(
      {
        compress: !dns.disableCompression,
        recursionAvailable: !recursors.isEmpty,
        enableTruncate: dns.enableTruncate,
        udpAnswerLimit: dns.udpAnswerLimit,
      },
      {
        responder,
        recursors,
        hosts: new HostResolver({ responder, recursors, log }),
        clock,
        log,
        metrics: this.#metrics,
      },
    )
  }

  /** Binds both transports of an address to one port. */
  async #listen(engine: DnsEngine, address: string, wanted: number): Promise<number> {
    const { clock, log } = this.#deps
    for (let attempt = 1; ; attempt++) {
      const udp = new UdpListener(
        { family: isIPv6(address) ? 6 : 4 },
        { answer: (packet, client) => engine.answerUdp(packet, client), log },
      )
      const tcp = new TcpListener({
        answer: (packet, client) => engine.answerTcp(packet, client),
        clock,
        log,
      })
      try {
        const port = await udp.listen(address, wanted)
        await tcp.listen(address, port)
        this.#listeners.push({ udp, tcp })
        return port
      } catch (cause) {
        await Promise.all([udp.close(), tcp.close()])
        if (wanted === 0 && attempt < PORT_ATTEMPTS_MAX && isInUse(cause)) continue
        throw new FairleadError(
          'INVALID_CONFIG',
          `Cannot listen for DNS on ${address} port ${wanted}: ${messageOf(cause)}`,
          { cause },
        )
      }
    }
  }

  async #closeListeners(): Promise<void> {
    const listeners = this.#listeners.splice(0)
    await Promise.all(listeners.flatMap(({ udp, tcp }) => [udp.close(), tcp.close()]))
  }
}

function isInUse(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && thrown.code === 'EADDRINUSE'
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
