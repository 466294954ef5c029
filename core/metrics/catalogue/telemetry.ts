/**
 * Metrics of counting itself, and of what leaves the agent for those who watch it.
 */

import { counter } from '../definition.ts'

export const TELEMETRY_METRICS = {
  seriesFolded: counter(
    'telemetry.series_folded',
    'Look-ups of a series that were counted as `other`, because its metric has too many sets of labels',
  ),
  statsdDropped: counter(
    'telemetry.statsd_dropped',
    'Lines for a StatsD server that could not be sent',
  ),
  monitorDropped: counter(
    'telemetry.monitor_dropped',
    'Log lines that a reader of /v1/agent/monitor was too slow for',
  ),
} as const
