/**
 * Snapshots of the two proxies of the benchmark's path, and the way they reach the proxy: its control socket.
 */

import { once } from 'node:events'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import type { ProxyToAgent } from '../../core/mesh/proxy-control.ts'
import type { ProxyProtocol, ProxySnapshot } from '../../core/mesh/proxy-snapshot.ts'
import { serviceSni } from '../../core/mesh/spiffe.ts'
import { type BenchCertificates, TRUST_DOMAIN } from './certificates.ts'
import type { PathPorts } from './peers.ts'

export const SNI = serviceSni(TRUST_DOMAIN, 'dc1', 'payments')

export function callerSnapshot(
  ports: PathPorts,
  certificates: BenchCertificates,
  protocol: ProxyProtocol,
): ProxySnapshot {
  return {
    ...empty(certificates),
    identities: [certificates.web],
    outbound: [
      {
        id: 'upstream',
        bind: { address: '127.0.0.1', port: ports.front },
        clusterId: SNI,
        protocol,
        source: { kind: 'identity', identityId: 'svc/web' },
      },
    ],
    clusters: [
      {
        id: SNI,
        serviceName: 'payments',
        sni: SNI,
        spiffeUris: [certificates.payments.spiffeUri],
        endpoints: [
          { id: 'b/p', address: '127.0.0.1', port: ports.middle, weight: 1, healthy: true },
        ],
        connectTimeoutMs: 5000,
        protocol,
      },
    ],
  }
}

export function calleeSnapshot(
  ports: PathPorts,
  certificates: BenchCertificates,
  protocol: ProxyProtocol,
): ProxySnapshot {
  return {
    ...empty(certificates),
    identities: [certificates.payments],
    inbound: [
      {
        id: 'payments-sidecar',
        serviceName: 'payments',
        serviceId: 'payments',
        bind: { address: '127.0.0.1', port: ports.middle },
        identityId: 'svc/payments',
        protocol,
        target: { address: '127.0.0.1', port: ports.app },
        connectTimeoutMs: 5000,
        maxConnections: 0,
        intentions: [],
        defaultAction: 'allow',
      },
    ],
  }
}

function empty(certificates: BenchCertificates): ProxySnapshot {
  return {
    version: 1,
    datacenter: 'dc1',
    nodeName: 'bench',
    trustDomain: TRUST_DOMAIN,
    rootsPem: [certificates.rootPem],
    identities: [],
    inbound: [],
    outbound: [],
    callers: { services: [] },
    clusters: [],
  }
}

/** Sends the snapshot as the agent would. @throws when a listener could not be opened */
export async function configure(socketPath: string, snapshot: ProxySnapshot): Promise<void> {
  const socket = connect({ path: socketPath })
  await once(socket, 'connect')
  socket.write(`${JSON.stringify({ kind: 'configure', snapshot })}\n`)
  for await (const line of createInterface({ input: socket })) {
    const message = JSON.parse(line) as ProxyToAgent
    if (message.kind !== 'configured') continue
    if (message.problems.length > 0) throw new Error(JSON.stringify(message.problems))
    break
  }
  socket.destroy()
}
