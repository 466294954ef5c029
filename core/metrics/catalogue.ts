/**
 * Every metric of fairlead, by area: the one list behind the reference and its tests.
 *
 * To add a metric: define it in the file of its area in catalogue/, count it where it happens, and run
 * `npm run gen:docs`. A test holds that every definition is used and that no two share a name.
 */

import { API_METRICS } from './catalogue/api.ts'
import { GOSSIP_METRICS } from './catalogue/gossip.ts'
import { TELEMETRY_METRICS } from './catalogue/telemetry.ts'
import type { MetricDefinition } from './definition.ts'

export const METRIC_AREAS: Readonly<Record<string, Readonly<Record<string, MetricDefinition>>>> = {
  'HTTP API': API_METRICS,
  Gossip: GOSSIP_METRICS,
  Telemetry: TELEMETRY_METRICS,
}
