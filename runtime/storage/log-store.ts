/**
 * The durable side of a Raft server: its log, its hard state and what it is.
 *
 * Guarantees: `append` resolves only when all of its jobs are on disk, as one atomic write; what `load`
 * calls consistent is what was last written, proved by checksums, the chain and the end of the log that
 * the hard state names. After the first failed write nothing is accepted any more. Implemented by
 * raft-log-store.ts over any key-value store. Source: Raft specification 14.
 */

import type {
  AppendJob,
  Entry,
  HardState,
  LogIndex,
  LogPosition,
  ServerId,
  Term,
} from '../../core/raft/types.ts'

export interface StoredIdentity {
  readonly serverId: ServerId
  readonly clusterId: string
  /** Raised by disaster recovery, so that servers of the old world are refused. */
  readonly epoch: number
}

/** Names the snapshot that the compacted part of the log relies on. */
export interface SnapshotPointer {
  readonly index: LogIndex
  readonly term: Term
}

export interface StoredLog {
  readonly identity: StoredIdentity
  readonly hardState: HardState
  readonly pointer: SnapshotPointer | null
  readonly anchor: LogPosition
  readonly entries: readonly Entry[]
}

/** What start-up verification found (14.5). */
export type LogVerdict =
  | { readonly kind: 'empty'; readonly identity: StoredIdentity | null }
  | { readonly kind: 'consistent'; readonly log: StoredLog }
  /** Data that was acknowledged is damaged or gone; the rest is good. Must not vote, campaign or ack. */
  | {
      readonly kind: 'recovering'
      readonly reason: string
      readonly lastGood: LogPosition
      /** End of the log as last written; entries of (lastGood, damagedTo] are in doubt. */
      readonly damagedTo: LogIndex
      readonly isVoteLost: boolean
    }
  /** Contradictory beyond repair. */
  | { readonly kind: 'corrupt'; readonly reason: string }

export interface LogStore {
  /** Reads and proves everything, and sweeps what an interrupted compaction left. Call once, first. */
  load(): Promise<LogVerdict>
  /** Writes identity, first entries and hard state of a new server in one batch. */
  initialize(identity: StoredIdentity, job: Omit<AppendJob, 'token'>): Promise<void>
  /**
   * Executes jobs in order as one synced write.
   *
   * @throws FairleadError STORAGE_FAILED; the store is unusable from then on
   */
  append(jobs: readonly AppendJob[]): Promise<void>
  /** A hint, not synced: at most once a second. Never above what is durable. */
  saveCommitHint(commit: LogIndex): Promise<void>
  /** Only after the snapshot itself is durable. */
  saveSnapshotPointer(pointer: SnapshotPointer): Promise<void>
  /** Moves the start of the log up to just above `anchor`; the entries themselves are deleted in pieces. */
  compact(anchor: LogPosition): Promise<void>
  close(): Promise<void>
}
