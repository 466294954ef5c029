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
  /** Nothing was ever acknowledged here; with an identity when the server was adopted before. */
  | { readonly kind: 'empty'; readonly identity: StoredIdentity | null }
  | { readonly kind: 'consistent'; readonly log: StoredLog }
  | RecoveringLog
  /** What this server voted for is not known: its id is spent, it must rejoin with a new one. */
  | { readonly kind: 'retired'; readonly reason: string }
  /** Contradictory beyond repair. */
  | { readonly kind: 'corrupt'; readonly reason: string }

/**
 * Entries that were acknowledged are damaged or gone. Must not vote, campaign or acknowledge until they are
 * back, up to `damagedTo` at least; the store remembers that over restarts until `recovered` is called.
 */
export interface RecoveringLog {
  readonly kind: 'recovering'
  readonly reason: string
  /** The proven prefix, which may be empty; its commit index is not beyond it. */
  readonly log: StoredLog
  readonly damagedTo: LogIndex
}

export interface LogStore {
  /** Reads and proves everything, and sweeps what an interrupted compaction left. Call once, first. */
  load(): Promise<LogVerdict>
  /**
   * Identity and a job in one batch: the first entries of a new server, or what disaster recovery makes
   * valid from here on (13.2). Known damage is forgotten by the same batch.
   */
  initialize(identity: StoredIdentity, job: Omit<AppendJob, 'token'>): Promise<void>
  /**
   * A server without entries joins a cluster, or moves on to a later epoch of its own.
   *
   * @throws FairleadError STORAGE_FAILED
   */
  saveIdentity(identity: StoredIdentity): Promise<void>
  /**
   * After a `consistent` or `recovering` load, when no good snapshot reaches down to the first entry:
   * forgets the log and keeps term and vote. An image of the leader (`AppendJob.snapshot`) or entries from
   * 1 on come next. Written with the first append job.
   */
  startOver(reason: string): RecoveringLog
  /** All that `recovering` was about is durable again; before the first vote or acknowledgement. */
  recovered(): Promise<void>
  /**
   * Executes jobs in order as one synced write. A log that a job replaced is swept in the background.
   *
   * @throws FairleadError STORAGE_FAILED; the store is unusable from then on
   */
  append(jobs: readonly AppendJob[]): Promise<void>
  /** A hint, not synced: at most once a second. Never above what is durable. */
  saveCommitHint(commit: LogIndex): Promise<void>
  /** Only after the snapshot itself is durable. Does nothing when a newer one is recorded. */
  saveSnapshotPointer(pointer: SnapshotPointer): Promise<void>
  /**
   * Moves the start of the log up to just above `anchor`; the entries themselves are deleted in pieces.
   * Does nothing when the log starts above it already.
   */
  compact(anchor: LogPosition): Promise<void>
  /**
   * Reads a few entries from `from` on again and proves checksums and chain, while the log goes on.
   *
   * @returns where the next piece begins (the last entry once more, so that each link is proved), null at
   *   the end of the log
   */
  reread(from: number): Promise<RereadPiece>
  close(): Promise<void>
}

export interface RereadPiece {
  readonly next: number | null
  readonly bytes: number
  /** What is wrong, or null; then nothing behind it was looked at. */
  readonly fault: string | null
}
