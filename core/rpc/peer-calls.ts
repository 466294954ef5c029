/**
 * What one server asks of another besides Raft itself: who are you, shall we found a cluster, do this as leader.
 *
 * Implemented over gRPC by runtime/rpc/. Calls are made once; who calls decides about retries. Addresses
 * are `host:port` of the other's RPC.
 */

import type { CoordinateRecord } from '../catalog/types.ts'
import type { Configuration } from '../raft/configuration.ts'
import type { OperatorName } from './operator.ts'

/** A cluster and its recovery epoch: servers of different clusters or epochs never talk Raft (raft.md 13). */
export interface ClusterName {
  /** UUID made when the cluster was founded. */
  readonly clusterId: string
  /** Raised by disaster recovery, so that servers of the old world are refused instead of forking. */
  readonly epoch: number
}

export function isSameCluster(one: ClusterName, other: ClusterName): boolean {
  return one.clusterId === other.clusterId && one.epoch === other.epoch
}

/** For autopilot, bootstrap and recovery (raft.md 12, 13.1). */
export interface PeerStats {
  readonly serverId: string
  /** Null while the server belongs to no cluster. */
  readonly cluster: ClusterName | null
  readonly lastTerm: number
  readonly lastIndex: number
  readonly commitIndex: number
  readonly leaderId: string | null
  /** Since the last message of a leader, ms; 0 on the leader; null when there was none. */
  readonly lastContactMs: number | null
  readonly bootstrapExpect: number
  readonly version: string
}

/**
 * Founding a cluster (raft.md 13.1): first everybody accepts, each at most one cluster, durably; only when all
 * have, everybody is told to begin. A proposer that gives up before that withdraws, so that who accepted may
 * accept another. Every step may be repeated.
 */
export interface BootstrapRequest {
  readonly step: 'accept' | 'begin' | 'withdraw'
  readonly clusterId: string
  readonly expect: number
  readonly configuration: Configuration
}

export type BootstrapAnswer =
  | { readonly kind: 'accepted' | 'begun' | 'withdrawn' }
  | { readonly kind: 'refused'; readonly reason: string }

/** Calls of agents that only the leader can answer; sent on once, never twice (raft.md 16.3). */
export interface ForwardedMessages {
  /** As encodeCommand makes it, with the name of the request. */
  readonly write: { readonly command: Uint8Array }
  readonly signLeaf: { readonly csrPem: string }
  readonly renewSession: { readonly id: string }
  readonly placeNode: { readonly place: CoordinateRecord }
  readonly operator: { readonly name: OperatorName; readonly request: object }
}

export type ForwardedMethod = keyof ForwardedMessages

export interface PeerCalls {
  stats(address: string, signal: AbortSignal): Promise<PeerStats>
  bootstrap(
    address: string,
    request: BootstrapRequest,
    signal: AbortSignal,
  ): Promise<BootstrapAnswer>
  /**
   * @throws FairleadError as the leader threw it; NO_LEADER when it was certainly not executed (not
   *   connected, or not the leader); OUTCOME_UNKNOWN when the answer was lost on the way
   */
  forward(
    address: string,
    method: ForwardedMethod,
    message: unknown,
    signal: AbortSignal | undefined,
  ): Promise<unknown>
}
