/**
 * What an Envoy must know to ask its agent for everything else (mesh.md 14.3). Pure.
 */

import type { Json, JsonObject } from '../catalog/types.ts'

const ADS = 'local_agent'
const SELF = 'self_admin'
const HCM =
  'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'
const ROUTER = 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router'
const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions'

export interface HostPort {
  readonly address: string
  readonly port: number
}

export interface BootstrapOptions {
  readonly proxyId: string
  /** Of the sidecar. */
  readonly serviceName: string
  readonly nodeName: string
  readonly admin: HostPort
  readonly adminAccessLogPath: string
  /** Where the agent serves discovery. */
  readonly agent: HostPort | { readonly socketPath: string }
  /** PEM of those by which the agent is known, when discovery is asked for over TLS; '' in clear. */
  readonly authorities: string
  /** '' for none. */
  readonly token: string
  /** Where Prometheus may read figures, when the registration asks for it. */
  readonly prometheus: HostPort | undefined
}

export function envoyBootstrap(options: BootstrapOptions): JsonObject {
  const { proxyId, admin, prometheus } = options
  return {
    admin: {
      access_log: [
        {
          name: 'envoy.access_loggers.file',
          typed_config: {
            '@type': 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog',
            path: options.adminAccessLogPath,
          },
        },
      ],
      address: socketAddress(admin),
    },
    node: {
      id: proxyId,
      cluster: options.serviceName === '' ? proxyId : options.serviceName,
      metadata: { node_name: options.nodeName, namespace: 'default', partition: 'default' },
    },
    layered_runtime: {
      layers: [{ name: 'base', static_layer: { 're2.max_program_size.error_level': 1_048_576 } }],
    },
    static_resources: {
      clusters: [agentCluster(options), ...(prometheus === undefined ? [] : [selfCluster(admin)])],
      ...(prometheus === undefined ? {} : { listeners: [prometheusListener(prometheus)] }),
    },
    dynamic_resources: dynamicResources(options.token),
    stats_config: { use_all_default_tags: true, stats_tags: statsTags(options) },
  }
}

function agentCluster({ agent, authorities }: BootstrapOptions): JsonObject {
  const address =
    'socketPath' in agent ? { pipe: { path: agent.socketPath } } : socketAddress(agent)
  return {
    name: ADS,
    type: 'STATIC',
    connect_timeout: '1s',
    typed_extension_protocol_options: {
      [HTTP_OPTIONS]: {
        '@type': `type.googleapis.com/${HTTP_OPTIONS}`,
        explicit_http_config: {
          http2_protocol_options: {
            connection_keepalive: { interval: '30s', timeout: '10s' },
          },
        },
      },
    },
    ...(authorities === '' ? {} : { transport_socket: tlsTo(authorities) }),
    load_assignment: loadAssignment(ADS, address),
  }
}

/** Whoever has a certificate of them will do: the address was chosen by who starts Envoy. */
function tlsTo(authorities: string): JsonObject {
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
      common_tls_context: {
        tls_params: { tls_minimum_protocol_version: 'TLSv1_2' },
        validation_context: { trusted_ca: { inline_string: authorities } },
      },
    },
  }
}

function selfCluster(admin: HostPort): JsonObject {
  return {
    name: SELF,
    type: 'STATIC',
    connect_timeout: '5s',
    load_assignment: loadAssignment(SELF, socketAddress(admin)),
  }
}

function loadAssignment(cluster: string, address: JsonObject): JsonObject {
  return {
    cluster_name: cluster,
    endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }],
  }
}

function dynamicResources(token: string): JsonObject {
  const byAds = { ads: {}, initial_fetch_timeout: '0s', resource_api_version: 'V3' }
  const metadata: Json[] = token === '' ? [] : [{ key: 'x-consul-token', value: token }]
  return {
    lds_config: byAds,
    cds_config: byAds,
    ads_config: {
      api_type: 'DELTA_GRPC',
      transport_api_version: 'V3',
      grpc_services: [{ initial_metadata: metadata, envoy_grpc: { cluster_name: ADS } }],
    },
  }
}

/** What a figure belongs to, besides what Envoy finds in its name. */
function statsTags(options: BootstrapOptions): Json[] {
  return [
    { tag_name: 'local_cluster', fixed_value: options.serviceName || options.proxyId },
    { tag_name: 'consul.source.node', fixed_value: options.nodeName },
    { tag_name: 'consul.source.service', fixed_value: options.serviceName || options.proxyId },
  ]
}

function prometheusListener(at: HostPort): JsonObject {
  const filter = {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: {
      '@type': HCM,
      stat_prefix: 'envoy_prometheus_metrics',
      codec_type: 'HTTP1',
      route_config: {
        name: 'self_admin_route',
        virtual_hosts: [
          {
            name: SELF,
            domains: ['*'],
            routes: [
              {
                match: { path: '/metrics' },
                route: { cluster: SELF, prefix_rewrite: '/stats/prometheus' },
              },
              { match: { prefix: '/' }, direct_response: { status: 404 } },
            ],
          },
        ],
      },
      http_filters: [{ name: 'envoy.filters.http.router', typed_config: { '@type': ROUTER } }],
    },
  }
  return {
    name: 'envoy_prometheus_metrics_listener',
    address: socketAddress(at),
    filter_chains: [{ filters: [filter] }],
  }
}

function socketAddress({ address, port }: HostPort): JsonObject {
  return { socket_address: { address, port_value: port } }
}
