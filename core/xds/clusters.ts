/**
 * Clusters and their instances for Envoy (mesh.md 10.2, 14.6, 14.7). Pure.
 *
 * One cluster for the application, one for each destination. A destination with failover is a cluster of clusters, one
 * for itself and one for each it fails over to, tried in this order while those before have no healthy instance.
 * No healthy instance means no call: the panic threshold is zero.
 */

import type { JsonObject } from '../catalog/types.ts'
import type {
  BindAddress,
  Cluster,
  Endpoint,
  InboundListener,
  OutboundListener,
  ProxyProtocol,
} from '../mesh/proxy-snapshot.ts'
import { anyOf, BY_ADS, TYPE_URLS } from './resource-types.ts'
import { outboundTls } from './tls-contexts.ts'

export const LOCAL_APP = 'local_app'
const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions'

export interface ClusterResources {
  readonly clusters: readonly JsonObject[]
  readonly endpoints: readonly JsonObject[]
}

/** @param service whose certificate the calls carry */
export function destinationResources(
  service: string,
  outbound: readonly OutboundListener[],
  clusters: readonly Cluster[],
): ClusterResources {
  const byId = new Map(clusters.map((cluster) => [cluster.id, cluster]))
  const failover = failoverOf(outbound)
  const found = { clusters: [] as JsonObject[], endpoints: [] as JsonObject[] }
  const add = (name: string, cluster: Cluster): void => {
    found.clusters.push(destination(service, name, cluster))
    found.endpoints.push(assignment(name, cluster.endpoints))
  }
  for (const id of [...used(outbound)].sort()) {
    const cluster = byId.get(id)
    if (cluster === undefined) continue
    const others = (failover.get(id) ?? []).flatMap((other) => byId.get(other) ?? [])
    if (others.length === 0) {
      add(id, cluster)
      continue
    }
    const members = [cluster, ...others]
    const names = members.map((_, i) => `failover-target~${i}~${id}`)
    members.forEach((member, i) => {
      add(names[i] ?? '', member)
    })
    found.clusters.push(aggregate(cluster, names))
  }
  return found
}

/** The cluster of the application behind the public listener. */
export function localApp(inbound: InboundListener): JsonObject {
  const { target, protocol, maxConnections } = inbound
  return {
    '@type': TYPE_URLS.cluster,
    name: LOCAL_APP,
    type: 'STATIC',
    connectTimeout: seconds(inbound.connectTimeoutMs),
    loadAssignment: {
      clusterName: LOCAL_APP,
      endpoints: [{ lbEndpoints: [{ endpoint: { address: addressOf(target) } }] }],
    },
    ...(maxConnections > 0 ? { circuitBreakers: { thresholds: [{ maxConnections }] } } : {}),
    ...(isHttp2(protocol)
      ? httpOptions({
          useDownstreamProtocolConfig: { httpProtocolOptions: {}, http2ProtocolOptions: {} },
        })
      : {}),
  }
}

/** All that calls of these listeners may go to, those failed over to not counted. */
function used(outbound: readonly OutboundListener[]): Set<string> {
  return new Set(
    outbound.flatMap((listener) => [
      listener.clusterId,
      ...(listener.routes ?? []).flatMap((route) => route.splits.map((split) => split.clusterId)),
    ]),
  )
}

function failoverOf(outbound: readonly OutboundListener[]): ReadonlyMap<string, readonly string[]> {
  const failover = new Map<string, readonly string[]>()
  for (const listener of outbound) {
    const legs = [listener, ...(listener.routes ?? []).flatMap((route) => route.splits)]
    for (const leg of legs) {
      if (leg.failover !== undefined && leg.failover.length > 0) {
        failover.set(leg.clusterId, leg.failover)
      }
    }
  }
  return failover
}

function destination(service: string, name: string, cluster: Cluster): JsonObject {
  const protocol = cluster.protocol ?? 'tcp'
  return {
    '@type': TYPE_URLS.cluster,
    name,
    altStatName: name,
    type: 'EDS',
    edsClusterConfig: { edsConfig: BY_ADS },
    connectTimeout: seconds(cluster.connectTimeoutMs),
    commonLbConfig: { healthyPanicThreshold: { value: 0 } },
    transportSocket: outboundTls(service, cluster),
    ...(isHttp2(protocol) ? httpOptions({ explicitHttpConfig: { http2ProtocolOptions: {} } }) : {}),
  }
}

function aggregate(cluster: Cluster, members: readonly string[]): JsonObject {
  return {
    '@type': TYPE_URLS.cluster,
    name: cluster.id,
    altStatName: cluster.id,
    connectTimeout: seconds(cluster.connectTimeoutMs),
    lbPolicy: 'CLUSTER_PROVIDED',
    clusterType: {
      name: 'envoy.clusters.aggregate',
      typedConfig: anyOf('envoy.extensions.clusters.aggregate.v3.ClusterConfig', {
        clusters: [...members],
      }),
    },
  }
}

function assignment(clusterName: string, endpoints: readonly Endpoint[]): JsonObject {
  return {
    '@type': TYPE_URLS.endpoints,
    clusterName,
    endpoints: [
      {
        lbEndpoints: endpoints.map((endpoint) => ({
          endpoint: { address: addressOf(endpoint) },
          healthStatus: endpoint.healthy ? 'HEALTHY' : 'UNHEALTHY',
          loadBalancingWeight: endpoint.weight,
        })),
      },
    ],
  }
}

export function addressOf(
  at: BindAddress | { readonly socketPath: string; readonly mode?: string },
): JsonObject {
  if (!('socketPath' in at)) {
    return { socketAddress: { address: at.address, portValue: at.port } }
  }
  const mode = Number.parseInt(at.mode ?? '', 8)
  return { pipe: { path: at.socketPath, ...(Number.isNaN(mode) ? {} : { mode }) } }
}

/** As protobuf writes a duration. */
export function seconds(ms: number): string {
  return `${Number((ms / 1000).toFixed(3))}s`
}

export function isHttp2(protocol: ProxyProtocol): boolean {
  return protocol === 'http2' || protocol === 'grpc'
}

function httpOptions(fields: JsonObject): JsonObject {
  return { typedExtensionProtocolOptions: { [HTTP_OPTIONS]: anyOf(HTTP_OPTIONS, fields) } }
}
