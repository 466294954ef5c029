/**
 * The mutable state of the core and its outbox, shared by the files that hold the rules.
 *
 * Nothing outside core/raft/ touches it; raft-core.ts owns the one instance. What belongs to a role lives
 * inside that role's variant, so that a change of role forgets it.
 */

import type { Rng } from '../rng.ts'
import type { AppendTracker } from './append-tracker.ts'
import type { ConfigStack } from './config-stack.ts'
import type { LeaseClock } from './lease-clock.ts'
import type { RaftMark } from './marks.ts'
import type { RaftMessage } from './messages.ts'
import type { Progress } from './progress.ts'
import type { RaftLog } from './raft-log.ts'
import type {
  AppendJob,
  HardState,
  LogIndex,
  RaftOptions,
  ReadState,
  ServerId,
  SnapshotMeta,
  SnapshotOffer,
  Term,
} from './types.ts'

export interface FollowerRole {
  readonly kind: 'follower'
  leader: ServerId | null
  /** Reads forwarded to the leader and not answered yet, and when; oldest first. */
  readonly forwardedReads: Map<string, number>
}

export interface CandidateRole {
  readonly kind: 'pre-candidate' | 'candidate'
  readonly votes: Map<ServerId, boolean>
}

/** A read waits for its round; `from` is null for this server's own. */
export interface PendingRead {
  readonly context: string
  readonly from: ServerId | null
}

export interface ReadRound {
  readonly seq: number
  /** Tick in which it left. */
  readonly since: number
  readonly index: LogIndex
  readonly reads: readonly PendingRead[]
}

/** A heartbeat that left for every peer. */
export interface Beat {
  /** Its number; answers to it have this one, or a later one. */
  leaseSeq: number
  /** Rounds of reads up to this one have asked everybody. */
  readSeq: number
  answers: number
}

/** Leadership is being handed over (transfer.ts). */
export interface Transfer {
  readonly target: ServerId
  readonly startedAt: number
  isTimeoutNowSent: boolean
}

export interface LeaderRole {
  readonly kind: 'leader'
  /** Peers, without this server, in the order of ids. */
  progress: Map<ServerId, Progress>
  /** Peers that a change took out and that are still to hear of it, up to that entry (10.7). */
  readonly departing: Map<ServerId, { readonly progress: Progress; readonly until: LogIndex }>
  /** Index of the noop of this term: reads wait until it is committed. */
  readonly noopIndex: LogIndex
  /** Tick at which this reign began. */
  readonly since: number
  waitingReads: PendingRead[]
  rounds: ReadRound[]
  readSeq: number
  /** The newest heartbeat to all of this reign, and how it is being answered (read-quorum.ts). */
  readonly beat: Beat
  readonly lease: LeaseClock
  appendSeq: number
  /** May be too low after a change of term, never too high. */
  uncommittedBytes: number
  /** The commit index moved and peers may not have heard of it. */
  isCommitUntold: boolean
  transfer: Transfer | null
}

export interface FailedRole {
  readonly kind: 'failed'
  readonly reason: string
}

export type Role = FollowerRole | CandidateRole | LeaderRole | FailedRole

export interface Outbox {
  messages: RaftMessage[]
  messagesAfterAppend: RaftMessage[]
  reads: ReadState[]
  readsFailed: string[]
  snapshotsWanted: ServerId[]
  snapshotOffered: SnapshotOffer | null
  restore: SnapshotMeta | null
}

export interface JobInFlight {
  readonly job: AppendJob
  readonly issuedAt: number
}

/** Acknowledged entries are missing here and being fetched again (recovery.ts). */
export interface Recovery {
  /** End of what was damaged. */
  readonly damagedTo: LogIndex
  /** What the leader had committed when it was first heard; null before that. */
  leaderCommit: LogIndex | null
}

export type ResolvedOptions = Required<Omit<RaftOptions, 'mark'>>

export interface RaftState {
  readonly id: ServerId
  readonly options: ResolvedOptions
  readonly mark: (name: RaftMark) => void
  readonly rng: Rng
  readonly log: RaftLog
  readonly tracker: AppendTracker
  readonly configs: ConfigStack
  /** Append jobs that are not durable yet, in the order of their tokens. */
  readonly jobs: JobInFlight[]
  /** Ticks since this core was made; never decreases. */
  now: number
  term: Term
  vote: ServerId | null
  commit: LogIndex
  applied: LogIndex
  /** Highest committed index that was handed out for applying. */
  applying: LogIndex
  applyingBytes: number
  /** The newest one whose state the state machine has been through. */
  snapshot: SnapshotMeta | null
  /** An image that is on its way here, and who offered it. */
  installing: SnapshotOffer | null
  /** It replaced the log in memory; the next job tells storage. */
  unwrittenSnapshot: SnapshotMeta | null
  /** It replaced the log; the state machine is not restored from it yet. */
  restoring: SnapshotMeta | null
  recovery: Recovery | null
  /** Leadership was given up because a write hung; not electable until one completes (4.8). */
  isDiskSick: boolean
  role: Role
  electionElapsed: number
  heartbeatElapsed: number
  electionTimeout: number
  /** Ticks left in which this server behaves as if it had just heard from a leader (4.6). */
  graceTicks: number
  /** Term and vote as last handed to storage, and as known durable. */
  handedOut: HardState
  durable: HardState
  outbox: Outbox
}

export function emptyOutbox(): Outbox {
  return {
    messages: [],
    messagesAfterAppend: [],
    reads: [],
    readsFailed: [],
    snapshotsWanted: [],
    snapshotOffered: null,
    restore: null,
  }
}

export function leaderOf(state: RaftState): ServerId | null {
  switch (state.role.kind) {
    case 'leader':
      return state.id
    case 'follower':
      return state.role.leader
    case 'pre-candidate':
    case 'candidate':
    case 'failed':
      return null
  }
}

/** What every answer to an append says about this server. */
export function replyStatus(state: RaftState) {
  return {
    boot: state.options.boot,
    isRecovering: state.recovery !== null,
    lastIndex: state.log.lastIndex,
    appliedIndex: state.applied,
  }
}
