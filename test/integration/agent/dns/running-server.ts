/**
 * Starts a DNS server on free ports over a store catalog; disposing it stops everything.
 */

import { createDnsServer, type DnsServer } from '../../../../agent/dns/dns-server.ts'
import { SubscribedViews } from '../../../../agent/view/catalog-views.ts'
import type { DnsConfig } from '../../../../core/config/model.ts'
import { silentLogger } from '../../../../core/log.ts'
import { LOOPBACK_BASE } from '../../../../core/mesh/virtual-address.ts'
import { unrecordedMetrics } from '../../../../core/metrics/metrics.ts'
import { seededRng } from '../../../../core/rng.ts'
import type { Clock } from '../../../../core/time.ts'
import { systemClock } from '../../../../runtime/clock/system-clock.ts'
import { dnsConfig } from '../../../unit/core/dns/example-catalog.ts'
import { queriesOver, StoreCatalog } from './store-catalog.ts'

export interface RunningServer extends AsyncDisposable {
  readonly server: DnsServer
  readonly catalog: StoreCatalog
  readonly views: SubscribedViews
  readonly port: number
}

export interface RunningServerOptions {
  readonly dns?: Partial<DnsConfig>
  readonly altDomain?: string
  readonly clock?: Clock
  readonly addresses?: readonly string[]
  readonly port?: number
  readonly virtualBase?: string
}

export async function startServer(options: RunningServerOptions = {}): Promise<RunningServer> {
  const catalog = new StoreCatalog()
  const clock = options.clock ?? systemClock
  const deps = { servers: catalog, clock, rng: seededRng(7), log: silentLogger }
  const views = new SubscribedViews(deps)
  const server = createDnsServer(
    {
      addresses: options.addresses ?? ['127.0.0.1'],
      port: options.port ?? 0,
      virtualBase: options.virtualBase ?? LOOPBACK_BASE,
    },
    {
      ...deps,
      queries: queriesOver(catalog, deps),
      metrics: unrecordedMetrics,
      views,
      config: {
        domain: 'consul',
        altDomain: options.altDomain ?? '',
        datacenter: 'dc1',
        dns: dnsConfig(options.dns),
      },
    },
  )
  await server.start(AbortSignal.timeout(10_000))
  return {
    server,
    catalog,
    views,
    port: server.addresses[0]?.port ?? 0,
    [Symbol.asyncDispose]: async () => {
      await server.stop()
      await views.stop()
    },
  }
}
