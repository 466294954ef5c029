/**
 * What one identity uses of one destination, beside what it may (mesh.md 10.5).
 *
 * Limits count over all instances: connections, requests that wait for one, requests under way. Without a setting there is
 * none but the bounds of each pool. An instance that has no connection gets one whatever the others hold, or those who wait
 * for it would never be served; only a limit of zero forbids that too.
 */

import type { Cluster as ClusterSpec, UpstreamSettings } from '../../core/mesh/proxy-snapshot.ts'

/** What a resolver says when nobody configured it (core/chain/compile.ts). */
const CONNECT_TIMEOUT_DEFAULT_MS = 5000

export class UpstreamUsage {
  settings: UpstreamSettings = {}
  connections = 0
  /** Under way: requests, and raw streams. */
  requests = 0
  streams = 0
  retries = 0
  readonly #waiting: () => number

  /** @param waiting how many wait for a connection, over all instances */
  constructor(waiting: () => number) {
    this.#waiting = waiting
  }

  get mayRequest(): boolean {
    const { maxRequests } = this.settings
    return maxRequests === undefined || this.requests < maxRequests
  }

  /** A raw stream counts as a connection, also where many share one. */
  get mayStream(): boolean {
    const { maxConnections } = this.settings
    return maxConnections === undefined || this.streams < maxConnections
  }

  get mayWait(): boolean {
    const { maxPending, maxConnections } = this.settings
    if (maxConnections === 0) return false
    return maxPending === undefined || this.#waiting() < maxPending
  }

  /** Connections that a pool with `own` of them may still make. */
  room(own: number): number {
    const { maxConnections } = this.settings
    if (maxConnections === undefined) return Number.POSITIVE_INFINITY
    const left = maxConnections - this.connections
    return maxConnections > 0 && own === 0 ? Math.max(1, left) : left
  }

  connectTimeoutMs(cluster: ClusterSpec): number {
    const { connectTimeoutMs } = cluster
    return connectTimeoutMs === CONNECT_TIMEOUT_DEFAULT_MS
      ? (this.settings.connectTimeoutMs ?? connectTimeoutMs)
      : connectTimeoutMs
  }
}
