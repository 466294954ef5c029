/**
 * How certificates of agents come and go while the agent runs: auto_encrypt on a client, and on the servers that give them.
 */

import { AutoEncrypt } from '../../agent/tls/auto-encrypt.ts'
import { MeshAuthorities } from '../../agent/tls/mesh-authorities.ts'
import { OwnRenewal } from '../../agent/tls/own-renewal.ts'
import type { CatalogViews } from '../../agent/view/types.ts'
import type { AgentConfig } from '../../core/config/model.ts'
import type { Service } from '../../core/lifecycle.ts'
import type { Logger } from '../../core/log.ts'
import type { Membership } from '../../core/membership.ts'
import { AGENT_METRICS } from '../../core/metrics/catalogue/agent.ts'
import type { Metrics } from '../../core/metrics/metrics.ts'
import type { Rng } from '../../core/rng.ts'
import type { Clock } from '../../core/time.ts'
import type { AgentTls } from '../../runtime/tls/agent-tls.ts'
import { aliveServers } from './role.ts'

export interface CertificateDeps {
  readonly tls: AgentTls | undefined
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly membership: Pick<Membership, 'members'>
  /** Of the agent's token; '' for none. */
  readonly secret: () => string
}

/** Undefined where this agent does not get its certificate from servers. */
export function createAutoEncrypt(
  config: AgentConfig,
  { tls, membership, log, ...deps }: CertificateDeps,
): AutoEncrypt | undefined {
  const { enabled, dnsNames, ipAddresses } = config.tls.autoEncrypt
  if (!enabled || tls === undefined) return undefined
  const { datacenter, nodeName } = config
  return new AutoEncrypt(
    { datacenter, nodeName, dnsNames, ipAddresses },
    {
      ...deps,
      log: log.child('auto_encrypt'),
      servers: () => aliveServers(membership, datacenter),
      tls: tls.rpc.anonymous,
      onCertificate: (own) => {
        tls.internalRpc.give({ own })
        if (config.tls.grpc.usesAutoCert) tls.grpc.give({ own })
      },
    },
  )
}

/** Undefined where this is no server that could. */
export function createOwnRenewal(
  config: AgentConfig,
  { tls, clock, log }: Pick<CertificateDeps, 'tls' | 'clock' | 'log'>,
): Service | undefined {
  if (tls === undefined || !config.server || !OwnRenewal.isFor(config.tls)) return undefined
  return new OwnRenewal(config.tls, {
    clock,
    log: log.child('tls'),
    onRenewed: async () => tls.putInForce(await tls.prepare(config.tls)),
  })
}

/** When the certificate for calls between agents ends, for figures. */
export function showCertificate(
  tls: AgentTls | undefined,
  { metrics, clock }: { readonly metrics: Metrics; readonly clock: Clock },
): void {
  if (tls === undefined) return
  const end = metrics.gauge(AGENT_METRICS.certificateEnd)
  metrics.onRead(() => {
    const { notAfter } = tls.internalRpc
    if (notAfter !== undefined) end.set(Math.round((notAfter - clock.wall()) / 1000))
  })
}

/** Undefined where no certificates are given to agents. */
export function createMeshAuthorities(
  config: AgentConfig,
  tls: AgentTls | undefined,
  views: CatalogViews,
): Service | undefined {
  if (!config.tls.autoEncrypt.isAllowed || tls === undefined) return undefined
  return new MeshAuthorities(views, (mesh) => tls.rpc.trustMesh(mesh))
}
