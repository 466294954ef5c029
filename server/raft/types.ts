/**
 * The border between the Raft host and the rest of the server.
 *
 * `RaftNode` (raft-node.ts) owns the pure core of core/raft/, its durable log and its one timer; the
 * state machine behind it only ever sees committed entries, in order, once.
 */

import type { Service } from '../../core/lifecycle.ts'
import type { Configuration, ConfigurationChange } from '../../core/raft/configuration.ts'
import type { ReadMode } from '../../core/raft/types.ts'
import type { ClusterName } from '../../core/rpc/peer-calls.ts'

export interface BootstrapOptions {
  /** UUID of the new cluster. */
  readonly clusterId: string
  readonly members: readonly { readonly id: string; readonly address: string }[]
}

export interface RaftStateMachine {
  /** Executes one committed entry; must not throw for data reasons. The result goes to the proposer. */
  apply(index: number, data: Uint8Array): unknown
  /** A consistent image as of the last applied entry, read while apply goes on. */
  snapshot(): { readonly lastIndex: number; image(): Iterable<Uint8Array> }
  /**
   * Replaces the whole state, built aside and swapped at the end, so that readers see the old or the new
   * one. Yields to the event loop between chunks.
   *
   * @throws FairleadError STORAGE_CORRUPT when it is no image; the state is unchanged then
   */
  restore(image: AsyncIterable<Uint8Array>): Promise<void>
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
  /** In force here, and where in the log it stands. */
  readonly configuration: Configuration
  readonly configurationIndex: number
  /** What the leader knows of its peers, by id; empty elsewhere. */
  readonly progress: ReadonlyMap<string, PeerProgress>
  /** Acknowledged entries are damaged here and being fetched again: no vote, no acknowledgement (14.5). */
  readonly isRecovering: boolean
  /** Null while this server belongs to no cluster. */
  readonly cluster: ClusterName | null
}

export interface PeerProgress {
  readonly matchIndex: number
  readonly mode: 'probe' | 'replicate' | 'snapshot'
  readonly isActive: boolean
  /** It came back without data that it had acknowledged, and must rejoin under a new id (10.6). */
  readonly isAmnesiac: boolean
}

export interface RaftNodeApi extends Service {
  /**
   * Appends and resolves when committed and applied here.
   *
   * @param options.frees this write makes the state smaller, and is taken when the disk is nearly full too
   * @throws FairleadError NO_LEADER | BUSY | STORAGE_FULL (not appended), OUTCOME_UNKNOWN (leadership lost in
   *   flight), STORAGE_FAILED, SHUTTING_DOWN, TOO_LARGE (entry over 1 MiB)
   */
  propose(data: Uint8Array, options?: { readonly frees: boolean }): Promise<Applied>
  /**
   * Linearizable read point (raft.md 8.2): resolves once everything up to it is applied here. In mode `lease`
   * the leader answers by its lease while it holds (8.3); who reads so looks at `holdsLease` again after the
   * answer is made, and reads anew when it lapsed meanwhile.
   *
   * @throws FairleadError NO_LEADER | BUSY (to be tried again), STORAGE_FAILED, SHUTTING_DOWN
   */
  readIndex(mode?: ReadMode): Promise<number>
  /** The lease of this leader holds at this moment; false elsewhere. */
  holdsLease(): boolean
  status(): RaftStatus
  /** Of the status what an answer from this server's own view says; cheap enough for each read. */
  contact(): Pick<RaftStatus, 'role' | 'leaderId' | 'lastContactMs'>
  /**
   * Changes who takes part and resolves when that is committed (10). Leader only.
   * @throws FairleadError REJECTED (breaks a rule; the message says which), BUSY (another change is under
   *   way), NO_LEADER, OUTCOME_UNKNOWN
   */
  changeMembers(change: ConfigurationChange): Promise<void>
  /**
   * Hands leadership over and resolves when this server leads no more (11).
   * @throws FairleadError REJECTED (no such voter), BUSY (not caught up or not deposed within E), NO_LEADER
   */
  transferLeadership(target?: string): Promise<void>
  /**
   * Writes the first configuration into an empty log; the election follows (13.1).
   * @throws FairleadError REJECTED when the log is not empty
   */
  bootstrap(options: BootstrapOptions): Promise<void>
  /** Called whenever the configuration in force here changes. @returns stops; idempotent */
  onConfiguration(listener: (configuration: Configuration) => void): () => void
  /** Called at every change of leadership with whether this server now leads (its noop is applied). */
  onLeadership(listener: (isLeader: boolean) => void): () => void
}
