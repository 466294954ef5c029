/**
 * What the handlers of the HTTP API work with: one agent's parts, its identity and its caches.
 *
 * Built once by server.ts from the options and deps of `createHttpApi`; handlers own none of it.
 */

import type { AgentConfig } from '../../core/config/model.ts'
import type { Logger, LogLines } from '../../core/log.ts'
import type { MemberPool, Membership } from '../../core/membership.ts'
import type { ServerApi } from '../../core/rpc/server-api.ts'
import type { Clock } from '../../core/time.ts'
import type { Telemetry } from '../../runtime/metrics/telemetry.ts'
import type { CpuProfiler } from '../../runtime/profile/cpu-profile.ts'
import type { AgentAcl } from '../acl/access.ts'
import type { OperatorEvents } from '../events/operator-events.ts'
import type { LocalStateApi } from '../local/types.ts'
import type { SidecarApi } from '../mesh/sidecar-api.ts'
import type { LeafSource, MeshProxy } from '../mesh/types.ts'
import type { PreparedQueries } from '../queries/prepared-queries.ts'
import type { CatalogViews } from '../view/types.ts'
import type { AgentCache } from './agent-cache.ts'
import type { BodyCache } from './body-cache.ts'
import type { SnapshotTransfers } from './snapshot-transfers.ts'

/** What agent/self and agent/version say about the program. */
export interface BuildFacts {
  /** The Consul version whose formats are spoken; clients decide by it what they may ask. */
  readonly version: string
  readonly revision: string
  /** RFC 3339. */
  readonly date: string
  /** Of fairlead itself. */
  readonly fairleadVersion: string
}

/** Acts of the whole process, which only the composition root can do; absent ones answer 501. */
export interface HttpApiHooks {
  /**
   * Leaves the cluster. Resolves when done; the process ends after, it must not wait for this API to stop.
   * Rejects with REJECTED when the cluster would lose its quorum and that is not forced.
   */
  readonly onLeave?: (options: { readonly force: boolean }) => Promise<void>
  /** Reads the configuration again, as SIGHUP does. Rejects with what was wrong. */
  readonly onReload?: () => Promise<void>
}

export interface AgentContext {
  readonly config: AgentConfig
  readonly build: BuildFacts
  readonly clock: Clock
  readonly log: Logger
  /** Of the whole process. */
  readonly logLines: LogLines
  readonly telemetry: Telemetry
  readonly profiler: CpuProfiler
  /** On nobody's behalf: handlers ask those of their call. */
  readonly servers: ServerApi
  /** Absent without access control. */
  readonly acl: AgentAcl | undefined
  /** What servers stream to this agent; absent on a server, whose own state is as near. */
  readonly views: CatalogViews | undefined
  readonly local: LocalStateApi
  readonly membership: Membership
  readonly pool: MemberPool | undefined
  readonly events: OperatorEvents | undefined
  readonly leaves: LeafSource
  readonly proxy: MeshProxy | undefined
  /** Absent where there is no mesh. */
  readonly sidecars: SidecarApi | undefined
  /** By which servers are known, PEM; none where TLS is off. */
  readonly authorities: () => readonly string[]
  readonly queries: PreparedQueries
  readonly snapshots: SnapshotTransfers
  readonly hooks: HttpApiHooks
  readonly bodies: BodyCache
  readonly cache: AgentCache
}
