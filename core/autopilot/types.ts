/**
 * Autopilot's nouns: its settings, what it is told, what it finds and what it would do (raft.md 12).
 *
 * Durations in ms, times as epoch ms. The rules are in core/autopilot/; the leader's host gathers the facts
 * every 2 s and acts every 10 s.
 */

import type { Indexed } from '../catalog/types.ts'
import type { MemberStatus } from '../membership.ts'
import type { Configuration } from '../raft/configuration.ts'

export interface AutopilotConfig extends Indexed {
  readonly cleanupDeadServers: boolean
  readonly lastContactThresholdMs: number
  readonly maxTrailingLogs: number
  /** Never fewer potential voters than this; 0 is no limit of its own. */
  readonly minQuorum: number
  readonly serverStabilizationTimeMs: number
  /** Kept and shown; without effect (an Enterprise feature of the reference). */
  readonly redundancyZoneTag: string
  readonly disableUpgradeMigration: boolean
  readonly upgradeVersionTag: string
}

/** What an operator chooses. */
export type AutopilotSettings = Omit<AutopilotConfig, 'createIndex' | 'modifyIndex'>

/** A server as gossip knows it. */
export interface KnownServer {
  readonly id: string
  readonly name: string
  readonly address: string
  readonly status: MemberStatus
  readonly version: string
  readonly meta: Readonly<Record<string, string>>
}

/** A server's own word; absent when it did not answer. */
export interface ServerStats {
  readonly lastContactMs: number | null
  readonly lastTerm: number
  readonly lastIndex: number
}

export interface ServerHealth {
  readonly id: string
  readonly name: string
  readonly address: string
  readonly serfStatus: MemberStatus
  readonly version: string
  readonly isLeader: boolean
  readonly isVoter: boolean
  readonly lastContactMs: number | null
  readonly lastTerm: number
  readonly lastIndex: number
  readonly isHealthy: boolean
  /** When `isHealthy` last changed, epoch ms. */
  readonly stableSince: number
  /** Since when gossip has not called it alive, epoch ms; absent while it does. */
  readonly notAliveSince?: number
  readonly meta: Readonly<Record<string, string>>
}

export interface AutopilotState {
  readonly isHealthy: boolean
  readonly failureTolerance: number
  readonly optimisticFailureTolerance: number
  readonly leader: string
  /** Ids, sorted. */
  readonly voters: readonly string[]
  /** In the order of ids. */
  readonly servers: readonly ServerHealth[]
}

export interface AutopilotInput {
  readonly now: number
  /** When this leader's autopilot began: no stabilisation time is asked for before it has run that long. */
  readonly runningSince: number
  /** With the threshold of contact already scaled by the raft multiplier (raft.md 10.6). */
  readonly config: AutopilotConfig
  /** The term and index are of before the stats were asked for, so that no server seems behind for answering first. */
  readonly raft: {
    readonly leaderId: string
    readonly term: number
    readonly lastIndex: number
    readonly configuration: Configuration
  }
  readonly known: readonly KnownServer[]
  readonly stats: ReadonlyMap<string, ServerStats>
  readonly previous: AutopilotState | null
}
