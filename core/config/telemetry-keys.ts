/**
 * Keys of the telemetry block (agent-config.md section 12) and of the way to a metrics store; part of the table in
 * keys.ts.
 */

import { ignored, type KeyTable, key, unsupported } from './key-table.ts'

const CIRCONUS: KeyTable = Object.fromEntries(
  [
    'api_app',
    'api_token',
    'api_url',
    'broker_id',
    'broker_select_tag',
    'check_display_name',
    'check_force_metric_activation',
    'check_id',
    'check_instance_id',
    'check_search_tag',
    'check_tags',
    'submission_interval',
    'submission_url',
  ].map((name) => [
    `circonus_${name}`,
    unsupported('any', 'Metrics are not sent to Circonus; Prometheus and StatsD are there'),
  ]),
)

export const TELEMETRY_KEYS: KeyTable = {
  metrics_prefix: key('string', 'consul', 'What the name of every metric begins with'),
  disable_hostname: key('bool', 'false', 'Leave the name of the host out of the names of gauges'),
  prefix_filter: key(
    'strings',
    '[]',
    'Which metrics are shown: +prefix lets through, -prefix holds back, the longest that fits counts',
    true,
  ),
  filter_default: key('bool', 'true', 'Show metrics that no rule of prefix_filter fits', true),
  prometheus_retention_time: key(
    'duration',
    '0s',
    'How long Prometheus is shown a series that does not change; 0 switches its format off, 24h is good',
  ),
  statsd_address: key('string', '', 'host:port of a StatsD server, told by UDP every 10 s'),
  dogstatsd_addr: key('string', '', 'host:port of a DogStatsD server, told by UDP every 10 s'),
  dogstatsd_tags: key('strings', '[]', 'Tags for DogStatsD, such as env:prod'),
  statsite_address: unsupported('string', 'statsd_address is there, over UDP'),
  enable_host_metrics: unsupported('bool', 'A node exporter measures the host'),
  disable_per_tenancy_usage_metrics: ignored('there is one tenancy'),
  retry_failed_connection: ignored('nothing waits for a connection'),
  ...CIRCONUS,
}

export const METRICS_PROXY_KEYS: KeyTable = {
  base_url: key(
    'string',
    '',
    'URL of a metrics store that user interfaces may read through the API',
  ),
  add_headers: key('definitions', '[]', 'Headers for its requests, each with name and value'),
  path_allowlist: key(
    'strings',
    '[]',
    'Paths of the store that may be read; all where it is empty',
  ),
}
