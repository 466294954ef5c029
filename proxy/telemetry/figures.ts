/**
 * Every metric that the proxy shows, with its kind and what it tells: the source of the reference.
 *
 * Names and labels of those that begin with `envoy_` are what dashboards made for Envoy under Consul ask for
 * (mesh.md 11.1, 11.2); those that begin with `fairlead_` are ours.
 */

import type { ExposedKind } from '../../core/metrics/exposition.ts'

export const PROXY_FIGURES = {
  envoy_cluster_upstream_cx_total: ['counter', 'Connections made to instances'],
  envoy_cluster_upstream_cx_active: ['gauge', 'Connections to instances that are open'],
  envoy_cluster_upstream_cx_connect_fail: ['counter', 'Connections that could not be made'],
  envoy_cluster_upstream_cx_connect_timeout: ['counter', 'Connections that took too long to make'],
  envoy_cluster_upstream_cx_connect_ms: ['histogram', 'Making a connection, with its handshake'],
  envoy_cluster_upstream_cx_overflow: ['counter', 'Requests refused because too many waited'],
  envoy_cluster_upstream_cx_rx_bytes_total: ['counter', 'Bytes received from instances'],
  envoy_cluster_upstream_cx_tx_bytes_total: ['counter', 'Bytes sent to instances'],
  envoy_cluster_upstream_rq_total: ['counter', 'Requests'],
  envoy_cluster_upstream_rq_active: ['gauge', 'Requests under way'],
  envoy_cluster_upstream_rq: ['counter', 'Answers, by status'],
  envoy_cluster_upstream_rq_xx: ['counter', 'Answers, by class of status'],
  envoy_cluster_upstream_rq_time: ['histogram', 'Milliseconds to the last byte of the answer'],
  envoy_cluster_upstream_rq_timeout: ['counter', 'Requests that were not answered in time'],
  envoy_cluster_upstream_rq_retry: ['counter', 'Further attempts'],
  envoy_cluster_upstream_rq_retry_success: ['counter', 'Requests that succeeded after a retry'],
  envoy_cluster_upstream_rq_retry_limit_exceeded: [
    'counter',
    'Requests that failed after as many retries as their route allows',
  ],
  envoy_cluster_membership_total: ['gauge', 'Instances of the destination'],
  envoy_cluster_membership_healthy: ['gauge', 'Instances whose checks pass'],
  envoy_cluster_outlier_detection_ejections_active: [
    'gauge',
    'Instances that are passed over because they failed',
  ],
  envoy_cluster_outlier_detection_ejections_enforced_total: [
    'counter',
    'Times an instance began to be passed over',
  ],
  envoy_http_downstream_rq_total: ['counter', 'Requests that came to a listener'],
  envoy_http_downstream_rq_active: ['gauge', 'Requests of a listener under way'],
  envoy_http_downstream_rq_xx: ['counter', 'Answers of a listener, by class of status'],
  envoy_http_downstream_rq_time: ['histogram', 'Milliseconds to the last byte of the answer'],
  envoy_http_downstream_cx_total: ['counter', 'Connections that a listener accepted'],
  envoy_http_downstream_cx_active: ['gauge', 'Connections of a listener that are open'],
  envoy_http_no_route: ['counter', 'Requests that no route or destination takes'],
  envoy_http_rbac_allowed: ['counter', 'Requests that intentions allowed'],
  envoy_http_rbac_denied: ['counter', 'Requests that intentions denied'],
  envoy_tcp_downstream_cx_total: ['counter', 'Connections of a listener, whatever they carry'],
  envoy_tcp_downstream_cx_rx_bytes_total: ['counter', 'Bytes received from callers'],
  envoy_tcp_downstream_cx_tx_bytes_total: ['counter', 'Bytes sent to callers'],
  envoy_http_adaptive_concurrency_gradient_controller_concurrency_limit: [
    'gauge',
    'Requests that may be under way at the application, where `AdaptiveConcurrency` is on',
  ],
  envoy_http_adaptive_concurrency_gradient_controller_min_rtt_msecs: [
    'gauge',
    'Milliseconds that the application takes to answer with little under way',
  ],
  envoy_http_adaptive_concurrency_gradient_controller_rq_blocked: [
    'counter',
    'Requests beyond that limit, answered 503',
  ],
  envoy_tcp_rbac_denied: ['counter', 'Raw streams that intentions denied'],
  envoy_listener_ssl_handshake: ['counter', 'TLS handshakes of callers that succeeded'],
  envoy_listener_ssl_fail_verify_error: ['counter', 'Callers whose certificate was not accepted'],
  envoy_listener_ssl_connection_error: ['counter', 'TLS handshakes of callers that failed'],
  envoy_listener_downstream_cx_active: ['gauge', 'Connections of an mTLS listener that are open'],
  envoy_server_live: ['gauge', 'Always 1'],
  envoy_server_uptime: ['gauge', 'Seconds since the proxy started'],
  envoy_server_memory_allocated: ['gauge', 'Resident memory in bytes'],
  envoy_server_total_connections: ['gauge', 'Connections of callers that are open'],
  fairlead_requests_total: [
    'counter',
    'Requests that ended, by source, destination, route and class of the answer',
  ],
  fairlead_request_duration_ms: ['histogram', 'Milliseconds to the last byte of the answer'],
  fairlead_requests_cancelled_total: ['counter', 'Requests whose caller went away'],
  fairlead_mirrors_dropped_total: [
    'counter',
    'Copies of requests that were not sent, or not whole: too many under way, or too long a body',
  ],
  fairlead_telemetry_dropped_total: [
    'counter',
    'Lines of access logs, spans and taps that were dropped because their sink was too slow',
  ],
} as const satisfies Readonly<Record<string, readonly [ExposedKind, string]>>

export type ProxyFigure = keyof typeof PROXY_FIGURES
