/**
 * What a foreign data plane (Envoy, HAProxy, NGINX) must know to serve one sidecar: the part of the host's
 * configuration that concerns it, in the same words as our own proxy is told. Pure.
 */

import type { ServiceDefinition } from '../catalog/types.ts'
import { buildProxySnapshot, type MeshInputs } from './build-snapshot.ts'
import { serviceIdentityId } from './demand.ts'
import type { Cluster, InboundListener, OutboundListener, ProxyIdentity } from './proxy-snapshot.ts'

/** An explicit upstream of the sidecar. */
export interface SidecarUpstream {
  /** As the registration names the destination. */
  readonly name: string
  readonly listener: OutboundListener
}

export interface SidecarConfiguration {
  readonly datacenter: string
  readonly nodeName: string
  readonly trustDomain: string
  readonly rootsPem: readonly string[]
  readonly identity: ProxyIdentity
  /** SPIFFE URIs that were revoked; of single certificates a foreign data plane is not told. */
  readonly revokedUris: readonly string[]
  readonly inbound: InboundListener
  readonly outbound: readonly SidecarUpstream[]
  /** Destinations of `outbound`, those failed over to included. */
  readonly clusters: readonly Cluster[]
}

/** @returns undefined while what must not be missing is: certificate, intentions, an upstream's chain or instances */
export function sidecarConfiguration(
  sidecar: ServiceDefinition,
  inputs: MeshInputs,
): SidecarConfiguration | undefined {
  const proxy = sidecar.proxy
  if (proxy === undefined) return undefined
  const names = new Set(proxy.upstreams.map((upstream) => upstream.destinationName))
  const snapshot = buildProxySnapshot({
    ...inputs,
    services: [sidecar],
    virtualIps: [],
    servedElsewhere: new Set(),
    chains: new Map([...inputs.chains].filter(([name]) => names.has(name))),
  })
  const [inbound] = snapshot.inbound
  const identity = inputs.identities.get(serviceIdentityId(proxy.destinationServiceName))
  if (inbound === undefined || identity === undefined) return undefined
  const prefix = `upstream:${sidecar.id}:`
  return {
    datacenter: snapshot.datacenter,
    nodeName: snapshot.nodeName,
    trustDomain: snapshot.trustDomain,
    rootsPem: snapshot.rootsPem,
    identity,
    revokedUris: snapshot.revoked?.uris ?? [],
    inbound,
    outbound: snapshot.outbound.map((listener) => ({
      name: listener.id.slice(prefix.length),
      listener,
    })),
    clusters: snapshot.clusters,
  }
}
