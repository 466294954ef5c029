/**
 * The mutable state of the core and its outbox, shared by the files that hold the rules.
 *
 * Nothing outside core/raft/ touches it; raft-core.ts owns the one instance. What belongs to a role lives
 * inside that role's variant, so that a change of role forgets it.
 */

import type { Rng } from '../rng.ts'
import type { AppendTracker } from './append-tracker.ts'
import type { ConfigStack } from './config-stack.ts'
import type { RaftMessage } from './messages.ts'
import type { Progress } from './progress.ts'
import type { RaftLog } from './raft-log.ts'
import type {
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
  /** Reads forwarded to the leader and not answered yet. */
  readonly forwardedReads: Set<string>
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
  readonly index: LogIndex
  readonly reads: readonly PendingRead[]
}

export interface LeaderRole {
  readonly kind: 'leader'
  /** Peers, without this server, in the order of ids. */
  progress: Map<ServerId, Progress>
  /** Index of the noop of this term: reads wait until it is committed. */
  readonly noopIndex: LogIndex
  waitingReads: PendingRead[]
  rounds: ReadRound[]
  readSeq: number
  /** Number of the last round of heartbeats (8.3). */
  leaseSeq: number
  appendSeq: number
  /** May be too low after a change of term, never too high. */
  uncommittedBytes: number
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
  snapshotsWanted: Set<ServerId>
  snapshotOffered: SnapshotOffer | null
  restore: SnapshotMeta | null
}

export interface RaftState {
  readonly id: ServerId
  readonly options: Required<RaftOptions>
  readonly rng: Rng
  readonly log: RaftLog
  readonly tracker: AppendTracker
  readonly configs: ConfigStack
  term: Term
  vote: ServerId | null
  commit: LogIndex
  applied: LogIndex
  /** Highest committed index that was handed out for applying. */
  applying: LogIndex
  applyingBytes: number
  snapshot: SnapshotMeta | null
  role: Role
  electionElapsed: number
  heartbeatElapsed: number
  electionTimeout: number
  /** Ticks left in which this server behaves as if it had just heard from a leader (4.6). */
  graceTicks: number
  /** Term and vote as last handed to storage, and as known durable. */
  handedOut: HardState
  durable: HardState
  /** Not null while acknowledged entries are missing here; see recovery rules in 14.5. */
  recovery: Recovery | null
  outbox: Outbox
}

export interface Recovery {
  /** End of what was damaged. */
  readonly damagedTo: LogIndex
}

export function emptyOutbox(): Outbox {
  return {
    messages: [],
    messagesAfterAppend: [],
    reads: [],
    readsFailed: [],
    snapshotsWanted: new Set(),
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
