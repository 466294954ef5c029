/**
 * All that Envoy is told of one sidecar, as a function of what our own proxy would be told of it (mesh.md 14). Pure.
 *
 * The same inputs give the same resources in the same order, so that an unchanged one has an unchanged version.
 */

import type { JsonObject } from '../catalog/types.ts'
import type { OutboundListener } from '../mesh/proxy-snapshot.ts'
import type { SidecarConfiguration } from '../mesh/sidecar-configuration.ts'
import { destinationResources, localApp } from './clusters.ts'
import { isRequests, publicListener, upstreamListener } from './listeners.ts'
import type { XdsResources } from './resource-types.ts'
import { routeConfiguration } from './route-configurations.ts'
import { leafSecret, leafSecretName, ROOTS_SECRET, rootsSecret } from './tls-contexts.ts'

export function xdsResources(sidecar: SidecarConfiguration): XdsResources {
  const { inbound, outbound, identity, rootsPem, datacenter } = sidecar
  const leaf = leafSecretName(inbound.serviceName)
  const listeners = outbound.map((upstream) => upstream.listener)
  const destinations = destinationResources(inbound.serviceName, listeners, sidecar.clusters)
  return {
    secret: new Map([
      [leaf, leafSecret(leaf, identity)],
      [ROOTS_SECRET, rootsSecret(rootsPem)],
    ]),
    cluster: byName('name', [localApp(inbound), ...destinations.clusters]),
    endpoints: byName('clusterName', destinations.endpoints),
    listener: byName('name', [
      publicListener(inbound, sidecar),
      ...outbound.map(({ name, listener }) => upstreamListener(name, listener, { datacenter })),
    ]),
    routes: byName(
      'name',
      outbound.flatMap(({ name, listener }) => routesOf(name, listener)),
    ),
  }
}

function routesOf(name: string, listener: OutboundListener): JsonObject[] {
  if (listener.routes === undefined || !isRequests(listener.protocol)) return []
  return [routeConfiguration(name, listener.routes)]
}

function byName(field: string, bodies: readonly JsonObject[]): Map<string, JsonObject> {
  return new Map(bodies.map((body) => [String(body[field]), body]))
}
