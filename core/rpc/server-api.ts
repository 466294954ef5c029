/**
 * What the servers offer to agents: the one border between the two roles.
 *
 * Implemented in process by server/api/ and over gRPC by runtime/rpc/ (client) with server/rpc/ (service);
 * a contract suite runs against both. Nothing else passes between an agent and a server.
 */

import type { ApplyValue, Command, TxnError } from '../catalog/commands.ts'
import type { FeedPosition, SubscriptionFrame, TopicKey } from '../catalog/feed.ts'
import type { RequestId } from '../catalog/request-id.ts'
import type { CoordinateRecord, SessionRecord } from '../catalog/types.ts'
import type { OperatorApi } from './operator.ts'
import type { ReadName, ReadReply, Reads } from './reads.ts'

export type Consistency = 'default' | 'consistent' | 'stale'

export interface ReadOptions {
  readonly datacenter?: string
  readonly consistency?: Consistency
  /** Blocks until the reply's index exceeds this; 0 or absent does not block. */
  readonly minIndex?: number
  /** Longest block in ms, before jitter; default 300,000, capped at 600,000. */
  readonly waitMs?: number
  /** With consistency 'stale': repeat against the leader when the answer is older than this. */
  readonly maxStaleMs?: number
  readonly signal?: AbortSignal
}

export interface ReadResult<N extends ReadName> {
  readonly value: ReadReply<N>
  /** Never 0 for a store that has applied anything. */
  readonly index: number
  readonly knownLeader: boolean
  readonly lastContactMs: number
  /** Access control left something out, and it was not for an anonymous caller. */
  readonly isFiltered?: boolean
}

export interface WriteOptions {
  readonly datacenter?: string
  /** Given by the first process that accepted the request; without one this process names it (raft.md 16.2). */
  readonly requestId?: RequestId
  readonly signal?: AbortSignal
}

/** Outcome of a write that was committed and applied; refused ones throw FairleadError. */
export type WriteResult =
  | { readonly ok: true; readonly index: number; readonly value: ApplyValue }
  | { readonly ok: false; readonly index: number; readonly txnErrors: readonly TxnError[] }

export interface SignedLeaf {
  /** Leaf, then intermediates, PEM. */
  readonly certPem: string
  /** Colon-separated lower hex. */
  readonly serialNumber: string
  readonly uri: string
  /** Epoch milliseconds. */
  readonly notBefore: number
  readonly notAfter: number
  readonly index: number
}

/** A snapshot first, or what came after the position it was resumed from; a bookmark when that was nothing. */
export interface Subscription extends AsyncIterable<SubscriptionFrame> {
  /** That the indexes of its frames count in; known from the first frame on, '' before. */
  readonly epoch: string
  /** Ends the iteration; idempotent. */
  close(): void
}

export interface ServerStatus {
  /** `host:port` of the leader's RPC address, '' when unknown. */
  readonly leader: string
  readonly peers: readonly string[]
  /** All values are strings, as agent/self prints them. */
  readonly raft: Readonly<Record<string, string>>
  readonly isLeader: boolean
}

export interface ServerApi extends OperatorApi {
  /**
   * The same, on behalf of the token with this secret ('' for none); asked for at each call. Without access control
   * it changes nothing.
   */
  as(secret: () => string): ServerApi

  /**
   * @throws FairleadError NO_LEADER after the hold time (7 s), NO_PATH_TO_DATACENTER, SHUTTING_DOWN, or
   *   the abort reason of `signal`
   */
  read<N extends ReadName>(
    name: N,
    request: Reads[N]['request'],
    options?: ReadOptions,
  ): Promise<ReadResult<N>>

  /**
   * Proposes a command and resolves once it is committed and applied on the leader.
   *
   * @throws FairleadError REJECTED | BAD_REQUEST (rule broken, nothing changed), NO_LEADER | BUSY (not
   *   applied), OUTCOME_UNKNOWN
   */
  write(command: Command, options?: WriteOptions): Promise<WriteResult>

  /**
   * Snapshot, then deltas in log order. `from` resumes where the server still can, else a new snapshot.
   *
   * @throws (while iterating) FairleadError NO_SERVERS, SHUTTING_DOWN, BUSY when the server is behind `from`
   */
  subscribe(topic: TopicKey, from?: FeedPosition): Subscription

  /** Signs a CSR (PEM, exactly one SPIFFE URI) with the active CA (mesh.md 4.4). */
  signLeaf(csrPem: string, signal?: AbortSignal): Promise<SignedLeaf>

  /** Re-arms the session's TTL. @returns null when the session does not exist */
  renewSession(id: string, signal?: AbortSignal): Promise<SessionRecord | null>

  /**
   * Says where a node stands in the network. Resolves once the leader has noted it; it writes what it was told every few
   * seconds, the last word of each node, and forgets it with its leadership: say it again from time to time.
   *
   * @throws FairleadError REJECTED (not a coordinate of this network), RATE_LIMITED, NO_LEADER
   */
  placeNode(place: CoordinateRecord, signal?: AbortSignal): Promise<void>

  status(signal?: AbortSignal): Promise<ServerStatus>
}
