/**
 * Figures of a server that are read from its parts whenever metrics are shown.
 */

import type { AutopilotState } from '../core/autopilot/types.ts'
import type { StateSizes } from '../core/catalog/state-sizes.ts'
import { SERVER_METRICS } from '../core/metrics/catalogue/server.ts'
import type { Metrics } from '../core/metrics/metrics.ts'
import type { Clock } from '../core/time.ts'

export interface ServerFigures {
  readonly sizes: () => StateSizes
  /** Null on servers that do not lead. */
  readonly autopilot: () => AutopilotState | null
  readonly ttlSessions: () => number
  readonly blockedReads: () => number
}

/** @returns ends it */
export function showServer(metrics: Metrics, clock: Clock, figures: ServerFigures): () => void {
  const nodes = metrics.gauge(SERVER_METRICS.nodes)
  const services = metrics.gauge(SERVER_METRICS.services)
  const instances = metrics.gauge(SERVER_METRICS.serviceInstances)
  const kvEntries = metrics.gauge(SERVER_METRICS.kvEntries)
  const sessions = metrics.gauge(SERVER_METRICS.sessions)
  const intentions = metrics.gauge(SERVER_METRICS.intentions)
  const rootExpiry = metrics.gauge(SERVER_METRICS.rootExpiry)
  const healthy = metrics.gauge(SERVER_METRICS.autopilotHealthy)
  const tolerance = metrics.gauge(SERVER_METRICS.autopilotTolerance)
  const ttlSessions = metrics.gauge(SERVER_METRICS.sessionTtlActive)
  const blocked = metrics.gauge(SERVER_METRICS.queriesBlocking)
  const kinds = new Set<string>()
  return metrics.onRead(() => {
    const sizes = figures.sizes()
    nodes.set(sizes.nodes)
    services.set(sizes.services)
    instances.set(sizes.serviceInstances)
    kvEntries.set(sizes.kvEntries)
    sessions.set(sizes.sessions)
    intentions.set(sizes.intentions)
    for (const kind of sizes.configEntriesByKind.keys()) kinds.add(kind)
    for (const kind of kinds) {
      const count = sizes.configEntriesByKind.get(kind) ?? 0
      metrics.gauge(SERVER_METRICS.configEntries, { kind }).set(count)
    }
    if (sizes.rootNotAfter !== undefined) {
      rootExpiry.set(Math.floor((sizes.rootNotAfter - clock.wall()) / 1_000))
    }
    const autopilot = figures.autopilot()
    if (autopilot === null) {
      // Another server knows; an old figure here would contradict it.
      healthy.clear()
      tolerance.clear()
    } else {
      healthy.set(autopilot.isHealthy ? 1 : 0)
      tolerance.set(autopilot.failureTolerance)
    }
    ttlSessions.set(figures.ttlSessions())
    blocked.set(figures.blockedReads())
  })
}
