/**
 * An engine with all that it answers from, made from one configuration; a reload makes another one.
 *
 * Guarantees: nothing of it remains after `retire`, which first lets the questions that wait be answered.
 */

import type { AgentConfig, DnsConfig } from '../../core/config/model.ts'
import type { Logger } from '../../core/log.ts'
import type { Rng } from '../../core/rng.ts'
import type { ServerApi } from '../../core/rpc/server-api.ts'
import type { Clock } from '../../core/time.ts'
import type { PreparedQueries } from '../queries/prepared-queries.ts'
import type { CatalogViews } from '../view/types.ts'
import { CatalogSources, type SourceRights } from './catalog-sources.ts'
import type { DnsMetrics } from './dns-metrics.ts'
import { type DnsCounters, DnsEngine } from './engine.ts'
import { HostResolver } from './host-resolver.ts'
import { Recursors, resolveRecursors } from './recursors.ts'
import { Responder } from './responder.ts'

export interface EngineSetting {
  /** What of the configuration a reload does not change. */
  readonly zones: Pick<AgentConfig, 'domain' | 'altDomain' | 'datacenter'>
  readonly virtualBase: string
  readonly dns: DnsConfig
}

export interface EngineParts {
  readonly views: CatalogViews
  /** Absent without access control. */
  readonly rights?: SourceRights
  readonly servers: Pick<ServerApi, 'read'>
  readonly queries: Pick<PreparedQueries, 'execute'>
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly counters: DnsCounters
  readonly metrics: Pick<DnsMetrics, 'measured'>
  /** Aborted when the server stops. */
  readonly signal: AbortSignal
}

export interface ConfiguredEngine {
  readonly engine: DnsEngine
  retire(): Promise<void>
}

/** @throws FairleadError INVALID_CONFIG naming the recursor that cannot be used */
export async function configureEngine(
  { zones, virtualBase, dns }: EngineSetting,
  { views, rights, servers, queries, clock, rng, log, counters, metrics, signal }: EngineParts,
): Promise<ConfiguredEngine> {
  const recursors = new Recursors(
    await resolveRecursors(dns.recursors),
    { strategy: dns.recursorStrategy, timeoutMs: dns.recursorTimeoutMs },
    { clock, rng, signal },
  )
  const { onlyPassing, maxStaleMs } = dns
  const sources = new CatalogSources(views, { onlyPassing, maxStaleMs, rights })
  const responder = new Responder(
    { ...zones, config: dns, virtualBase },
    { sources, servers, queries, clock, rng, log, signal },
  )
  const engine = new DnsEngine(
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
      counters,
      metrics,
    },
  )
  return {
    engine,
    retire: async () => {
      await engine.idle()
      engine.clear()
      sources.release()
    },
  }
}
