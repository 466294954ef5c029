/**
 * What operators ask of the servers: Raft's membership, autopilot, images of the whole state.
 *
 * Part of the border between agents and servers (server-api.ts); the HTTP spelling is http-api.md 20 and 21.
 */

import type { TokenRecord } from '../acl/records.ts'
import type { AutopilotConfig, AutopilotSettings, AutopilotState } from '../autopilot/types.ts'
import type { StringMap } from '../catalog/types.ts'
import type { JoinGrant, JoinRequest } from '../join/grant.ts'

export interface RaftServerView {
  readonly id: string
  /** '(unknown)' for a peer without a gossip member. */
  readonly node: string
  readonly address: string
  readonly isLeader: boolean
  readonly isVoter: boolean
  readonly protocolVersion: string
  /** As the leader knows it; 0 when unknown. */
  readonly lastIndex: number
}

export interface RaftConfigurationView {
  readonly servers: readonly RaftServerView[]
  /** Where the configuration stands in the log. */
  readonly index: number
}

/** Requests and replies by name; all but `raft.configuration` with `stale` are answered by the leader. */
export interface OperatorCalls {
  'raft.configuration': { request: { readonly stale: boolean }; reply: RaftConfigurationView }
  /** REJECTED with the text of http-api.md 20 for one that is not a member, or when quorum would be lost. */
  'raft.remove-peer': {
    request: { readonly id: string } | { readonly address: string }
    reply: null
  }
  /** Without an id the most advanced healthy voter is chosen. */
  'raft.transfer-leader': { request: { readonly id?: string }; reply: null }
  'autopilot.config': { request: Record<string, never>; reply: AutopilotConfig }
  /** @returns false when `cas` is not the present modify index */
  'autopilot.config.set': {
    request: { readonly config: AutopilotSettings; readonly cas?: number }
    reply: boolean
  }
  'autopilot.state': { request: Record<string, never>; reply: AutopilotState }
  /** Makes the first token. */
  'acl.bootstrap': { request: TokenIdentity; reply: TokenRecord }
  /** PERMISSION_DENIED when nobody is known by this bearer token, or no rule gives him anything. */
  'acl.login': {
    request: TokenIdentity & {
      readonly authMethod: string
      readonly bearerToken: string
      readonly meta: StringMap
    }
    reply: TokenRecord
  }
  /** PEM of the authorities by which servers are known; one certificate each. */
  'join.authorities': { request: Record<string, never>; reply: readonly string[] }
  /** Lets a host in by a join token. */
  'join.redeem': { request: JoinRequest; reply: JoinGrant }
  /** Deletes the token with which is asked, if it came from a login. */
  'acl.logout': { request: Record<string, never>; reply: null }
}

/** Chosen by who asks for a token, so that its secret need not travel. */
export interface TokenIdentity {
  readonly accessorId: string
  readonly secretHash: string
}

export type OperatorName = keyof OperatorCalls

/** An image of the whole state, for backup. The bytes are those of StateSnapshot.image (core/catalog). */
export interface StateImage {
  readonly index: number
  readonly term: number
  /** Of Raft at that index, for the archive's meta.json. */
  readonly configuration: RaftConfigurationView
  readonly chunks: AsyncIterable<Uint8Array>
}

export interface OperatorApi {
  operate<N extends OperatorName>(
    name: N,
    request: OperatorCalls[N]['request'],
    signal?: AbortSignal,
  ): Promise<OperatorCalls[N]['reply']>
  /** `stale`: of whichever server answers, even without a leader. */
  saveImage(options: {
    readonly stale: boolean
    readonly signal?: AbortSignal
  }): Promise<StateImage>
  /**
   * Replaces the whole replicated state, atomically and through the log; resolves when it is applied on the
   * leader. Refuses what is not an image of this format before anything is changed (BAD_REQUEST).
   */
  restoreImage(chunks: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<void>
}
