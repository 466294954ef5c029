/**
 * docs/reference/metrics.md from the catalogue of metrics.
 */

import { METRIC_AREAS } from '../../core/metrics/catalogue.ts'
import type { MetricDefinition } from '../../core/metrics/definition.ts'
import { PROXY_FIGURES } from '../../proxy/telemetry/figures.ts'
import { code, GENERATED, table } from './markdown.ts'

export function metricsPage(): string {
  const areas = Object.entries(METRIC_AREAS).map(([area, metrics]) => {
    const rows = Object.values(metrics)
      .toSorted((one, other) => (one.name < other.name ? -1 : 1))
      .map(rowOf)
    return `## ${area}\n\n${table(['Name', 'Kind', 'Labels', 'What it tells'], rows)}\n`
  })
  return `# Metrics

${GENERATED}

Names are given without the prefix (\`telemetry.metrics_prefix\`, \`consul\` unless set). Gauges carry the name of the host
behind the prefix unless \`telemetry.disable_hostname\` is set. In Prometheus' format, what it does not allow in a name
reads \`_\`: \`raft.apply\` is \`consul_raft_apply\`.

A counter only grows; a gauge is the present value; a sample is a distribution: count, sum, least, greatest, mean and
standard deviation in JSON, a summary with the quantiles 0.5, 0.9 and 0.99 of the last ten seconds for Prometheus.
Samples are of milliseconds unless their text says otherwise. A metric appears where the part that counts it runs: those
of Raft only on servers.

${areas.join('\n')}
## Mesh proxy

The proxy of a host shows its own figures, in Prometheus' format alone: through the agent at \`/v1/agent/proxy/metrics\`, and at
\`/metrics\` of the address that \`envoy_prometheus_bind_addr\` names in the Config of proxy-defaults or of a sidecar. Names and labels
of \`envoy_…\` are those of Envoy under Consul: \`local_cluster\`, \`consul_source_service\` and \`consul_destination_…\` say whose calls
they are. \`fairlead_…\` have \`direction\`, \`source\`, \`destination\`, \`route\` and \`response_class\` (\`none\` for callers that went away).
Times are milliseconds, in buckets that are at most a sixteenth wide. At most 100 routes are kept apart for each destination; further
ones count as the route \`other\`.

${table(['Name', 'Kind', 'What it tells'], figureRows())}
`
}

function figureRows(): readonly (readonly string[])[] {
  return Object.entries(PROXY_FIGURES)
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, [kind, help]]) => [code(name), kind, help])
}

function rowOf({ name, kind, labels, help }: MetricDefinition): readonly string[] {
  return [code(name), kind, labels.map(code).join(', '), help]
}
