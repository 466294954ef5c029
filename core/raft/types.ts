/**
 * The nouns of consensus: terms, indexes, entries, hard state, and what goes into and out of the core.
 *
 * Inputs and outputs are the tables of the Raft specification, sections 1.3 and 1.4. Messages live in
 * messages.ts, configurations in configuration.ts. Numbers are safe integers; the constructors check it.
 */

import { assert } from '../assert.ts'
import type { Brand } from '../brand.ts'
import type { Configuration, ConfigurationChange } from './configuration.ts'
import type { RaftMark } from './marks.ts'
import type { RaftMessage } from './messages.ts'

/** Number of a reign; 0 before the first election. */
export type Term = Brand<number, 'Term'>

/** Position in the log; the first entry is 1, 0 means "before the log". */
export type LogIndex = Brand<number, 'LogIndex'>

/** Checksum over an entry and everything before it (chain.ts). */
export type Chain = Brand<number, 'Chain'>

/** Stable identity of a server; never reused for another data directory. */
export type ServerId = Brand<string, 'ServerId'>

/** Names an append job; strictly increasing over the life of a core. */
export type AppendToken = Brand<number, 'AppendToken'>

export function term(n: number): Term {
  assert(Number.isSafeInteger(n) && n >= 0, 'a term is a non-negative safe integer')
  return n as Term
}

export function logIndex(n: number): LogIndex {
  assert(Number.isSafeInteger(n) && n >= 0, 'a log index is a non-negative safe integer')
  return n as LogIndex
}

export function chain(n: number): Chain {
  assert(Number.isSafeInteger(n) && n >= 0, 'a chain value is a non-negative safe integer')
  return n as Chain
}

export function serverId(text: string): ServerId {
  assert(text.length > 0 && text.length <= 255, 'a server id has 1 to 255 characters')
  return text as ServerId
}

export function appendToken(n: number): AppendToken {
  assert(Number.isSafeInteger(n) && n >= 0, 'an append token is a non-negative safe integer')
  return n as AppendToken
}

/** `normal` is an opaque command; `config` holds a whole configuration (2.2). */
export type EntryType = 'normal' | 'noop' | 'config' | 'barrier' | 'checkpoint'

export interface Entry {
  readonly index: LogIndex
  readonly term: Term
  readonly type: EntryType
  readonly data: Uint8Array
  readonly chain: Chain
}

export interface HardState {
  readonly term: Term
  readonly vote: ServerId | null
  /** Opportunistic: may lag, never exceeds what was committed (2.3). */
  readonly commit: LogIndex
}

/** A position together with what proves it: the anchor below the first entry, or the end of a log. */
export interface LogPosition {
  readonly index: LogIndex
  readonly term: Term
  readonly chain: Chain
}

/** What a snapshot says about itself; the image is the host's matter. */
export interface SnapshotMeta extends LogPosition {
  /** In force at `index`, and where it was written. */
  readonly configuration: Configuration
  readonly configurationIndex: LogIndex
}

/** Everything that storage gave back at start. */
export interface PersistedState {
  readonly hardState: HardState
  readonly snapshot: SnapshotMeta | null
  /** Just below the first entry of `entries`; all zero for a log that was never compacted. */
  readonly anchor: LogPosition
  /** The proven prefix of the log. */
  readonly entries: readonly Entry[]
  /**
   * Not null when acknowledged entries above the prefix are damaged: this server neither votes, campaigns
   * nor acknowledges until it has durably got back everything up to here, and to what the leader had
   * committed when it was first heard (14.5).
   */
  readonly damagedTo: LogIndex | null
}

export interface RaftOptions {
  readonly id: ServerId
  /** Base election timeout E in ticks; followers wait a uniform number from [E, 2E-1]. */
  readonly electionTicks: number
  /** Heartbeat interval H in ticks; at most a third of E, a tenth is right. */
  readonly heartbeatTicks: number
  /** Refuse votes and stay quiet for E after start (4.6); off only where nothing was ever persisted. */
  readonly startGrace: boolean
  /** Names this run of the server; the leader tells a server that lost data by it (10.6). Never reused. */
  readonly boot: string
  /** Leader lease L in ticks for reads of mode `lease` (8.3). Default E / 2; must stay well below E. */
  readonly leaseTicks?: number
  /** A leader whose oldest append job is unfinished for so long hands over (4.8). Default 2 E. */
  readonly diskStallTicks?: number
  /** For the test port alone (verification 19.1); the product never turns these off. Default true. */
  readonly preVote?: boolean
  readonly checkQuorum?: boolean
  /** Soft limit of entries, heads included, in one append message; one entry always fits. Default 1 MiB. */
  readonly messageBytesMax?: number
  /** Appends in flight to one peer. Default 64. */
  readonly inflightMessagesMax?: number
  /** Bytes in flight to one peer; at least messageBytesMax. Default 8 MiB. */
  readonly inflightBytesMax?: number
  /** The leader refuses proposals beyond this much uncommitted data. Default 16 MiB. */
  readonly uncommittedBytesMax?: number
  /** Committed entries are withheld while this much was handed out and not applied. Default 16 MiB. */
  readonly applyingBytesMax?: number
  /** The leader refuses proposals while commit is this far ahead of applied. Default 5,000. */
  readonly unappliedMax?: number
  /** Reads waiting for confirmation; beyond it reads are refused. Default 8,192. */
  readonly readsMax?: number
  /** Told of every rare branch that is taken (marks.ts). Default none. */
  readonly mark?: (name: RaftMark) => void
}

export type RoleName = 'follower' | 'pre-candidate' | 'candidate' | 'leader' | 'failed'

/** What one proposal consists of; `config` entries are made by the core alone. */
export interface Proposal {
  readonly type: 'normal' | 'barrier' | 'checkpoint'
  readonly data: Uint8Array
}

export type RaftInput =
  | { readonly kind: 'tick' }
  | { readonly kind: 'receive'; readonly message: RaftMessage }
  | { readonly kind: 'propose'; readonly proposals: readonly Proposal[] }
  /** At most one uncommitted change at a time, and only after an entry of this term is committed (10.3). */
  | { readonly kind: 'propose-config'; readonly change: ConfigurationChange }
  /** Hands leadership to `target`, or to the most advanced active voter (11). Given up after one E. */
  | { readonly kind: 'transfer'; readonly target: ServerId | null }
  /** `context` must be fresh for every attempt, also for a retry (8.2). */
  | { readonly kind: 'read-index'; readonly context: string; readonly mode?: ReadMode }
  /** Ticks were dropped after a stall: a lease can no longer be trusted (1.6, 8.3). */
  | { readonly kind: 'stalled' }
  /** Stand for election at once, skipping PreVote: a hook for tests, which breaks a lease that relies on our vote. */
  | { readonly kind: 'campaign' }
  | { readonly kind: 'appended'; readonly token: AppendToken }
  | { readonly kind: 'applied'; readonly index: LogIndex }
  /** The host has dropped, or is about to drop, entries up to and including `index`. */
  | { readonly kind: 'compacted'; readonly index: LogIndex; readonly snapshot: SnapshotMeta }
  | { readonly kind: 'snapshot-report'; readonly peer: ServerId; readonly ok: boolean }
  /** An image that was wanted (Batch.snapshotOffered) is whole, proven and durable in the snapshot store. */
  | { readonly kind: 'snapshot-received'; readonly snapshot: SnapshotMeta }
  /** An image that was wanted will not come; its sender may offer another. */
  | { readonly kind: 'snapshot-abandoned'; readonly snapshot: SnapshotMeta }
  | { readonly kind: 'unreachable'; readonly peer: ServerId }
  | { readonly kind: 'storage-failed'; readonly reason: string }

/** `quorum`: a round of heartbeats confirms the leader (8.2). `lease`: its lease does, while it holds (8.3). */
export type ReadMode = 'quorum' | 'lease'

export type RejectReason =
  | 'not-leader'
  | 'no-leader'
  | 'busy'
  | 'failed'
  /** Leadership is being handed over; nothing was appended (11). */
  | 'transferring'
  /** The leader has not heard from a quorum for twice its lease (4.7). */
  | 'no-quorum'
  /** A configuration change is uncommitted, or nothing of this term is committed yet (10.3). */
  | 'config-pending'
  /** The change or the target breaks a rule; `detail` says which (10.4, 10.7, 11). */
  | 'invalid'

export type InputOutcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'appended'; readonly term: Term; readonly firstIndex: LogIndex }
  | { readonly kind: 'rejected'; readonly reason: RejectReason; readonly detail?: string }

/** One atomic, synced write. Jobs are executed strictly in the order of their tokens. */
export interface AppendJob {
  readonly token: AppendToken
  /** Entries at and above this index may be on disk and must be gone afterwards. */
  readonly truncateFrom: LogIndex | null
  readonly entries: readonly Entry[]
  /** As of the moment the job was made; `commit` never exceeds `last.index`. */
  readonly hardState: HardState
  /** End of the log once this job is done. */
  readonly last: LogPosition
  /**
   * Replaces the whole log first: it then starts above this snapshot, whose image is already durable (9.3).
   * In the same atomic write as the rest; `truncateFrom` is null then.
   */
  readonly snapshot: SnapshotMeta | null
}

export interface ReadState {
  readonly context: string
  readonly index: LogIndex
}

/** One pull's worth of work for the host; see raft-core.ts for the host's duties. */
export interface Batch {
  readonly job: AppendJob | null
  /** May leave at once. */
  readonly messages: readonly RaftMessage[]
  /** May leave only once the job named by `afterToken`, and all before it, are durable. */
  readonly messagesAfterAppend: readonly RaftMessage[]
  readonly afterToken: AppendToken
  /** Contiguous, each index once, all durable here. */
  readonly committed: readonly Entry[]
  /** Confirmed reads: serve once applied >= index. */
  readonly reads: readonly ReadState[]
  /** Contexts of reads that will never be confirmed. */
  readonly readsFailed: readonly string[]
  /** Peers whose next entry was compacted away. */
  readonly snapshotsWanted: readonly ServerId[]
  /** An image of a leader that this server wants: receive it, then say snapshot-received or -abandoned. */
  readonly snapshotOffered: SnapshotOffer | null
  /**
   * The log was replaced by this snapshot and that is durable: restore the state machine from its image
   * before applying anything of `committed`, then say `applied` with its index.
   */
  readonly restore: SnapshotMeta | null
}

export interface SnapshotOffer {
  readonly from: ServerId
  readonly snapshot: SnapshotMeta
}
