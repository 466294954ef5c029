/**
 * Every metric of fairlead, by area: the one list behind the reference and its tests.
 *
 * To add a metric: define it in the file of its area in catalogue/, count it where it happens, and run
 * `npm run gen:docs`. A test holds that every definition is used and that no two share a name.
 */

import { AGENT_METRICS } from './catalogue/agent.ts'
import { API_METRICS } from './catalogue/api.ts'
import { FEED_METRICS } from './catalogue/feed.ts'
import { FSM_METRICS } from './catalogue/fsm.ts'
import { GOSSIP_METRICS } from './catalogue/gossip.ts'
import { RAFT_METRICS } from './catalogue/raft.ts'
import { RUNTIME_METRICS } from './catalogue/runtime.ts'
import { SERVER_METRICS } from './catalogue/server.ts'
import { TELEMETRY_METRICS } from './catalogue/telemetry.ts'
import type { MetricDefinition } from './definition.ts'

export const METRIC_AREAS: Readonly<Record<string, Readonly<Record<string, MetricDefinition>>>> = {
  Agent: AGENT_METRICS,
  'HTTP API': API_METRICS,
  Feeds: FEED_METRICS,
  Gossip: GOSSIP_METRICS,
  Raft: RAFT_METRICS,
  'Replicated state': FSM_METRICS,
  Server: SERVER_METRICS,
  Runtime: RUNTIME_METRICS,
  Telemetry: TELEMETRY_METRICS,
}
