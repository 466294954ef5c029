/**
 * What the mesh of this host must know, derived from what runs here and which mesh services exist. Pure.
 *
 * The agent opens a view per name in each set and an identity per id; build-snapshot.ts then turns the
 * values into the proxy's configuration. Bounds: VIRTUAL_SERVICES_MAX shared addresses per host.
 */

import type { ServiceDefinition, VirtualIpRecord } from '../catalog/types.ts'

/** Beyond this many mesh services, the rest (by name) get no shared address on this host. */
export const VIRTUAL_SERVICES_MAX = 1024

export interface MeshDemand {
  /** Destinations whose instances are needed. */
  readonly destinations: ReadonlySet<string>
  /** Local services whose callers are judged here. */
  readonly protectedServices: ReadonlySet<string>
  /** Identities that calls from here may carry, and that inbound listeners present. */
  readonly identities: ReadonlySet<string>
  /** False when nothing of the mesh touches this host: no proxy is needed. */
  readonly needsProxy: boolean
}

export function serviceIdentityId(service: string): string {
  return `svc/${service}`
}

export function agentIdentityId(node: string): string {
  return `agent/${node}`
}

/** Who calls under an identity: the service, or the name of the host. */
export function callerName(identityId: string): string {
  return identityId.slice(identityId.indexOf('/') + 1)
}

/** Sidecars and other connect-proxies among `services`. */
export function localProxies(services: Iterable<ServiceDefinition>): ServiceDefinition[] {
  const proxies: ServiceDefinition[] = []
  for (const service of services) if (service.kind === 'connect-proxy') proxies.push(service)
  return proxies.sort((a, b) => (a.id < b.id ? -1 : 1))
}

/** The mesh services that get a shared address here, by name, bounded. */
export function virtualServices(records: Iterable<VirtualIpRecord>): VirtualIpRecord[] {
  return [...records]
    .sort((a, b) => (a.service < b.service ? -1 : 1))
    .slice(0, VIRTUAL_SERVICES_MAX)
}

export function meshDemand(
  services: Iterable<ServiceDefinition>,
  virtualIps: Iterable<VirtualIpRecord>,
  nodeName: string,
): MeshDemand {
  const destinations = new Set<string>()
  const protectedServices = new Set<string>()
  const identities = new Set<string>()
  const proxies = localProxies(services)
  for (const proxy of proxies) {
    const name = proxy.proxy?.destinationServiceName ?? ''
    protectedServices.add(name)
    identities.add(serviceIdentityId(name))
    for (const upstream of proxy.proxy?.upstreams ?? []) {
      if (upstream.destinationType !== 'prepared_query') destinations.add(upstream.destinationName)
    }
  }
  const shared = virtualServices(virtualIps)
  for (const record of shared) destinations.add(record.service)
  if (shared.length > 0) identities.add(agentIdentityId(nodeName))
  return {
    destinations,
    protectedServices,
    identities,
    needsProxy: proxies.length > 0 || shared.length > 0,
  }
}
