/**
 * Listeners for Envoy: the public one in front of the application, and one for each upstream (mesh.md 14.4). Pure.
 *
 * A service without a configured protocol is bytes: Envoy does not look at what comes to find out.
 */

import type { JsonObject } from '../catalog/types.ts'
import type {
  BindAddress,
  InboundListener,
  OutboundListener,
  ProxyProtocol,
} from '../mesh/proxy-snapshot.ts'
import { addressOf, isHttp2, LOCAL_APP } from './clusters.ts'
import { rbacRules } from './rbac.ts'
import { anyOf, BY_ADS, TYPE_URLS } from './resource-types.ts'
import { inlineRoutes } from './route-configurations.ts'
import { inboundTls } from './tls-contexts.ts'

const NETWORK = 'envoy.filters.network'
const NETWORK_TYPES = 'envoy.extensions.filters.network'
const HTTP_TYPES = 'envoy.extensions.filters.http'

export function publicListener(
  inbound: InboundListener,
  facts: { readonly trustDomain: string; readonly revokedUris: readonly string[] },
): JsonObject {
  const { trustDomain, revokedUris } = facts
  const { bind, protocol } = inbound
  const { intentions, defaultAction } = inbound
  const isHttp = isRequests(protocol)
  const rules = rbacRules({ trustDomain, intentions, defaultAction, isHttp })
  const limit = inbound.maxConnections
  const limits = limit > 0 ? [connectionLimit(limit)] : []
  const filters = isHttp
    ? [publicRequests(inbound, rules)]
    : [
        networkFilter('rbac', 'rbac.v3.RBAC', { statPrefix: 'connect_authz', rules }),
        tcpProxy('public_listener', { cluster: LOCAL_APP }),
      ]
  return {
    '@type': TYPE_URLS.listener,
    name: `public_listener:${bind.address}:${bind.port}`,
    address: addressOf(bind),
    trafficDirection: 'INBOUND',
    filterChains: [
      {
        filters: [...limits, ...revoked(revokedUris), ...filters],
        transportSocket: inboundTls(inbound.serviceName, protocol),
      },
    ],
  }
}

/** @param name as mesh.md 1.5 has it; the id of its routes too */
export function upstreamListener(
  name: string,
  upstream: OutboundListener,
  facts: { readonly datacenter: string },
): JsonObject {
  const statPrefix = `upstream.${name}.default.default.${facts.datacenter}`
  const filter = isRequests(upstream.protocol)
    ? connectionManager(upstream.protocol, {
        statPrefix,
        ...(upstream.routes === undefined
          ? { routeConfig: inlineRoutes(name, upstream.clusterId) }
          : { rds: { configSource: BY_ADS, routeConfigName: name } }),
        httpFilters: [router()],
      })
    : tcpProxy(statPrefix, { cluster: upstream.clusterId })
  return {
    '@type': TYPE_URLS.listener,
    name: `${name}:${bindText(upstream.bind)}`,
    address: addressOf(upstream.bind),
    trafficDirection: 'OUTBOUND',
    filterChains: [{ filters: [filter] }],
  }
}

export function isRequests(protocol: ProxyProtocol): boolean {
  return protocol === 'http' || isHttp2(protocol)
}

function publicRequests(inbound: InboundListener, rules: JsonObject): JsonObject {
  const { protocol, requestTimeoutMs } = inbound
  const forwarded =
    protocol === 'grpc'
      ? {}
      : {
          forwardClientCertDetails: 'APPEND_FORWARD',
          setCurrentClientCertDetails: {
            subject: true,
            cert: true,
            chain: true,
            dns: true,
            uri: true,
          },
        }
  return connectionManager(protocol, {
    statPrefix: 'public_listener',
    normalizePath: true,
    routeConfig: inlineRoutes('public_listener', LOCAL_APP, requestTimeoutMs),
    ...forwarded,
    httpFilters: [
      {
        name: 'envoy.filters.http.rbac',
        typedConfig: anyOf(`${HTTP_TYPES}.rbac.v3.RBAC`, { rules }),
      },
      router(),
    ],
  })
}

function connectionManager(protocol: ProxyProtocol, fields: JsonObject): JsonObject {
  const type = 'http_connection_manager.v3.HttpConnectionManager'
  return networkFilter('http_connection_manager', type, {
    ...fields,
    tracing: { randomSampling: {} },
    upgradeConfigs: [{ upgradeType: 'websocket' }],
    serverHeaderTransformation: 'PASS_THROUGH',
    ...(isHttp2(protocol) ? { http2ProtocolOptions: {} } : {}),
  })
}

/** In front of everything else: an identity that was revoked gets nowhere, whatever the intentions say. */
function revoked(uris: readonly string[]): JsonObject[] {
  if (uris.length === 0) return []
  const principals = uris.map((uri) => ({ authenticated: { principalName: { exact: uri } } }))
  const rules = {
    action: 'DENY',
    policies: { revoked: { permissions: [{ any: true }], principals } },
  }
  return [networkFilter('rbac', 'rbac.v3.RBAC', { statPrefix: 'connect_revoked', rules })]
}

function tcpProxy(statPrefix: string, target: JsonObject): JsonObject {
  return networkFilter('tcp_proxy', 'tcp_proxy.v3.TcpProxy', { statPrefix, ...target })
}

function connectionLimit(maxConnections: number): JsonObject {
  return networkFilter('connection_limit', 'connection_limit.v3.ConnectionLimit', {
    statPrefix: 'inbound_connection_limit',
    maxConnections: String(maxConnections),
  })
}

function networkFilter(name: string, type: string, fields: JsonObject): JsonObject {
  return { name: `${NETWORK}.${name}`, typedConfig: anyOf(`${NETWORK_TYPES}.${type}`, fields) }
}

function router(): JsonObject {
  return { name: 'envoy.filters.http.router', typedConfig: anyOf(`${HTTP_TYPES}.router.v3.Router`) }
}

function bindText(bind: BindAddress | { readonly socketPath: string }): string {
  return 'socketPath' in bind ? bind.socketPath : `${bind.address}:${bind.port}`
}
