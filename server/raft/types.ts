/**
 * The border between the Raft host and the rest of the server.
 *
 * `RaftNode` (raft-node.ts) owns the pure core of core/raft/, its durable log and its one timer; the
 * state machine behind it only ever sees committed entries, in order, once.
 */

import type { Service } from '../../core/lifecycle.ts'

export interface RaftStateMachine {
  /** Executes one committed entry; must not throw for data reasons. The result goes to the proposer. */
  apply(index: number, data: Uint8Array): unknown
  /** A consistent image as of the last applied entry, read while apply goes on. */
  snapshot(): { readonly lastIndex: number; image(): Iterable<Uint8Array> }
  restore(image: Iterable<Uint8Array>): void
}

export interface Applied {
  readonly index: number
  readonly result: unknown
}

export interface RaftStatus {
  readonly role: 'follower' | 'pre-candidate' | 'candidate' | 'leader' | 'failed'
  readonly term: number
  readonly leaderId: string | null
  readonly commitIndex: number
  readonly appliedIndex: number
  readonly lastLogIndex: number
  readonly lastLogTerm: number
  readonly lastSnapshotIndex: number
  readonly lastSnapshotTerm: number
  /** ms since the last message of a leader; 0 on the leader; Infinity when there was none. */
  readonly lastContactMs: number
  readonly peers: readonly {
    readonly id: string
    readonly address: string
    readonly voter: boolean
  }[]
}

export interface RaftNodeApi extends Service {
  /**
   * Appends and resolves when committed and applied here.
   * @throws FairleadError NO_LEADER | BUSY (not appended), OUTCOME_UNKNOWN (leadership lost in flight),
   *   STORAGE_FAILED, SHUTTING_DOWN, TOO_LARGE (entry over 1 MiB)
   */
  propose(data: Uint8Array): Promise<Applied>
  /** Linearizable read point (raft.md 8.2): resolves once everything up to it is applied here. */
  readIndex(): Promise<number>
  status(): RaftStatus
  /** Called at every change of leadership with whether this server now leads (its noop is applied). */
  onLeadership(listener: (isLeader: boolean) => void): () => void
}
