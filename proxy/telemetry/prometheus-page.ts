/**
 * All figures of the proxy in Prometheus' text format, under the names and labels of Envoy as Consul sets it up
 * (mesh.md 11.1, 11.2), and our own by route.
 *
 * Made when somebody asks; nothing of it is kept.
 */

import { DurationHistogram } from '../../core/metrics/duration-histogram.ts'
import type { Labels } from '../../core/metrics/registry.ts'
import { CLUSTER_NAME, serviceOf } from './cluster-name.ts'
import { FigureLines } from './figure-lines.ts'
import { type RequestStats, statusClass } from './request-stats.ts'
import type { ClusterStats, ListenerStats, StatsStore } from './stats-store.ts'

const CONTROLLER = 'envoy_http_adaptive_concurrency_gradient_controller'

export interface PageFacts {
  readonly datacenter: string
  readonly uptimeMs: number
  readonly rssBytes: number
  /** By kind: access log, spans, tap. */
  readonly dropped: Readonly<Record<string, number>>
  readonly mirrorsDropped: number
}

export function prometheusPage(store: StatsStore, facts: PageFacts): string {
  const lines = new FigureLines()
  let connections = 0
  for (const stats of store.clusters) clusterLines(lines, stats, facts)
  const byPrefix = new Map<string, RequestStats[]>()
  for (const cluster of store.clusters) {
    for (const stats of cluster.requests) {
      const key = `${cluster.source} ${stats.prefix}`
      const known = byPrefix.get(key)
      if (known === undefined) byPrefix.set(key, [stats])
      else known.push(stats)
    }
  }
  for (const [key, all] of byPrefix) {
    const [source = '', prefix = ''] = key.split(' ')
    requestLines(
      lines,
      [...ownLabels(source, facts), ...prefixLabels('envoy_http_conn_manager_prefix', prefix)],
      all,
    )
  }
  for (const stats of store.listeners) {
    connections += stats.connections.active
    listenerLines(lines, stats, facts)
  }
  serverLines(lines, facts, connections)
  return lines.text()
}

function clusterLines(lines: FigureLines, stats: ClusterStats, facts: PageFacts): void {
  const labels: Labels = [...ownLabels(stats.source, facts), ...clusterLabels(stats.clusterId)]
  const { connections, membership } = stats
  lines.set('envoy_cluster_upstream_cx_total', labels, connections.total)
  lines.set('envoy_cluster_upstream_cx_active', labels, connections.active)
  lines.set('envoy_cluster_upstream_cx_connect_fail', labels, connections.failures)
  lines.set('envoy_cluster_upstream_cx_connect_timeout', labels, connections.timeouts)
  lines.histogram('envoy_cluster_upstream_cx_connect_ms', labels, connections.connectTimes)
  lines.set('envoy_cluster_upstream_cx_overflow', labels, connections.overflows)
  lines.set('envoy_cluster_upstream_cx_rx_bytes_total', labels, connections.receivedBytes)
  lines.set('envoy_cluster_upstream_cx_tx_bytes_total', labels, connections.sentBytes)
  if (membership !== undefined) {
    const { total, healthy, ejected } = membership()
    lines.set('envoy_cluster_membership_total', labels, total)
    lines.set('envoy_cluster_membership_healthy', labels, healthy)
    lines.set('envoy_cluster_outlier_detection_ejections_active', labels, ejected)
  }
  lines.set('envoy_cluster_outlier_detection_ejections_enforced_total', labels, stats.ejections)
  const all = [...stats.requests]
  if (all.length === 0) return
  const sum = (of: (each: RequestStats) => number): number => all.reduce((n, r) => n + of(r), 0)
  lines.set(
    'envoy_cluster_upstream_rq_total',
    labels,
    sum((r) => r.total),
  )
  lines.set(
    'envoy_cluster_upstream_rq_active',
    labels,
    sum((r) => r.active),
  )
  lines.set(
    'envoy_cluster_upstream_rq_timeout',
    labels,
    sum((r) => r.timeouts),
  )
  lines.set(
    'envoy_cluster_upstream_rq_retry',
    labels,
    sum((r) => r.retries),
  )
  lines.set(
    'envoy_cluster_upstream_rq_retry_success',
    labels,
    sum((r) => r.retriesRewarded),
  )
  lines.set(
    'envoy_cluster_upstream_rq_retry_limit_exceeded',
    labels,
    sum((r) => r.retriesExhausted),
  )
  const byStatus = statusesOf(all)
  for (const [status, count] of byStatus) {
    if (status === 0) continue
    lines.set(
      'envoy_cluster_upstream_rq',
      [...labels, ['envoy_response_code', String(status)]],
      count,
    )
  }
  for (const [digit, count] of classesOf(byStatus)) {
    lines.set(
      'envoy_cluster_upstream_rq_xx',
      [...labels, ['envoy_response_code_class', digit]],
      count,
    )
  }
  lines.histogram('envoy_cluster_upstream_rq_time', labels, durationsOf(all))
  const destination = serviceOf(stats.clusterId)
  for (const each of all) {
    goldenLines(lines, each, [
      ['direction', 'outbound'],
      ['source', stats.source],
      ['destination', destination],
      ['cluster', stats.clusterId],
      ['route', each.route],
      ['listener', each.prefix],
    ])
  }
}

function listenerLines(lines: FigureLines, stats: ListenerStats, facts: PageFacts): void {
  const { connections, kind, service, prefix } = stats
  const own =
    kind === 'inbound'
      ? ownLabels(service, facts)
      : [['consul_source_datacenter', facts.datacenter] as const]
  const http: Labels = [...own, ...prefixLabels('envoy_http_conn_manager_prefix', prefix)]
  const tcp: Labels = [...own, ...prefixLabels('envoy_tcp_prefix', prefix)]
  lines.set('envoy_http_downstream_cx_total', http, connections.total)
  lines.set('envoy_http_downstream_cx_active', http, connections.active)
  lines.set('envoy_http_no_route', http, stats.noRoute)
  lines.set('envoy_tcp_downstream_cx_total', tcp, connections.total)
  lines.set('envoy_tcp_downstream_cx_rx_bytes_total', tcp, connections.receivedBytes)
  lines.set('envoy_tcp_downstream_cx_tx_bytes_total', tcp, connections.sentBytes)
  if (kind === 'outbound') return
  lines.set('envoy_tcp_rbac_denied', tcp, stats.streamsDenied)
  lines.set('envoy_listener_ssl_handshake', own, connections.handshakes)
  lines.set('envoy_listener_ssl_fail_verify_error', own, connections.peersRefused)
  lines.set('envoy_listener_ssl_connection_error', own, connections.handshakeErrors)
  lines.set('envoy_listener_downstream_cx_active', own, connections.active)
  const { concurrency } = stats
  if (concurrency !== undefined) {
    const { limit, baseMs, refused } = concurrency
    lines.set(`${CONTROLLER}_concurrency_limit`, http, limit)
    lines.set(`${CONTROLLER}_min_rtt_msecs`, http, Math.round(baseMs))
    lines.set(`${CONTROLLER}_rq_blocked`, http, refused)
  }
  const bySource = [...stats.requests]
  const all = bySource.map(([, each]) => each)
  requestLines(lines, http, all)
  const denied = all.reduce((n, each) => n + each.denied, 0)
  const total = all.reduce((n, each) => n + each.total, 0)
  lines.set('envoy_http_rbac_denied', http, denied)
  lines.set('envoy_http_rbac_allowed', http, total - denied)
  for (const [source, each] of bySource) {
    goldenLines(lines, each, [
      ['direction', 'inbound'],
      ['source', source],
      ['destination', service],
      ['route', ''],
      ['listener', prefix],
    ])
  }
}

/** What came to a listener of requests. */
function requestLines(lines: FigureLines, labels: Labels, all: readonly RequestStats[]): void {
  if (all.length === 0) return
  const total = all.reduce((n, each) => n + each.total, 0)
  const active = all.reduce((n, each) => n + each.active, 0)
  lines.set('envoy_http_downstream_rq_total', labels, total)
  lines.set('envoy_http_downstream_rq_active', labels, active)
  for (const [digit, count] of classesOf(statusesOf(all))) {
    lines.set(
      'envoy_http_downstream_rq_xx',
      [...labels, ['envoy_response_code_class', digit]],
      count,
    )
  }
  lines.histogram('envoy_http_downstream_rq_time', labels, durationsOf(all))
}

function goldenLines(lines: FigureLines, stats: RequestStats, labels: Labels): void {
  const byClass = new Map<string, number>()
  for (const [status, count] of stats.byStatus) {
    const name = statusClass(status)
    byClass.set(name, (byClass.get(name) ?? 0) + count)
  }
  for (const [name, count] of byClass) {
    lines.set('fairlead_requests_total', [...labels, ['response_class', name]], count)
  }
  lines.histogram('fairlead_request_duration_ms', labels, stats.durations)
  if (stats.cancelled > 0) lines.set('fairlead_requests_cancelled_total', labels, stats.cancelled)
}

function serverLines(lines: FigureLines, facts: PageFacts, connections: number): void {
  lines.set('envoy_server_live', [], 1)
  lines.set('envoy_server_uptime', [], Math.floor(facts.uptimeMs / 1000))
  lines.set('envoy_server_memory_allocated', [], facts.rssBytes)
  lines.set('envoy_server_total_connections', [], connections)
  lines.set('fairlead_mirrors_dropped_total', [], facts.mirrorsDropped)
  for (const [kind, count] of Object.entries(facts.dropped)) {
    lines.set('fairlead_telemetry_dropped_total', [['kind', kind]], count)
  }
}

function statusesOf(all: readonly RequestStats[]): Map<number, number> {
  const sums = new Map<number, number>()
  for (const each of all) {
    for (const [status, count] of each.byStatus) sums.set(status, (sums.get(status) ?? 0) + count)
  }
  return sums
}

/** By the first digit of the status. */
function classesOf(byStatus: ReadonlyMap<number, number>): Map<string, number> {
  const sums = new Map<string, number>()
  for (const [status, count] of byStatus) {
    if (status === 0) continue
    const digit = String(Math.floor(status / 100))
    sums.set(digit, (sums.get(digit) ?? 0) + count)
  }
  return sums
}

function durationsOf(all: readonly RequestStats[]): DurationHistogram {
  const sum = new DurationHistogram()
  for (const each of all) sum.add(each.durations)
  return sum
}

function ownLabels(service: string, { datacenter }: PageFacts): Labels {
  return [
    ['local_cluster', service],
    ['consul_source_service', service],
    ['consul_source_namespace', 'default'],
    ['consul_source_partition', 'default'],
    ['consul_source_datacenter', datacenter],
  ]
}

/** The words behind the first are labels of their own, as Consul has Envoy take them out. */
function prefixLabels(name: string, prefix: string): Labels {
  const [first = '', service, namespace = '', partition = '', datacenter = ''] = prefix.split('.')
  if (service === undefined) return [[name, first]]
  return [
    [name, first],
    ['consul_upstream_service', service],
    ['consul_upstream_namespace', namespace],
    ['consul_upstream_partition', partition],
    ['consul_upstream_datacenter', datacenter],
  ]
}

function clusterLabels(clusterId: string): Labels {
  const parts = CLUSTER_NAME.exec(clusterId)
  if (parts === null) return [['envoy_cluster_name', clusterId]]
  const [, subset = '', service = '', namespace = '', datacenter = '', type = '', domain = ''] =
    parts
  const target = `${subset === '' ? '' : `${subset}.`}${service}.${namespace}.${datacenter}`
  return [
    ['envoy_cluster_name', clusterId],
    ['consul_destination_service', service],
    ['consul_destination_service_subset', subset],
    ['consul_destination_namespace', namespace],
    ['consul_destination_partition', 'default'],
    ['consul_destination_datacenter', datacenter],
    ['consul_destination_routing_type', type],
    ['consul_destination_trust_domain', domain],
    ['consul_destination_target', target],
    ['consul_destination_full_target', `${target}.${type}.${domain}`],
  ]
}
