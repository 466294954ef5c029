/**
 * What members tell each other: short messages in packets, whole states over streams (gossip.md 3.1, 11.2).
 *
 * Their bytes are the matter of packet-codec.ts and stream-codec.ts; docs/reference/gossip-protocol.md has the table.
 */

import type { CatalogNotice } from '../catalog/notice.ts'
import type { NameHash } from './state-digest.ts'
import type { MemberFacts, NodeAddress, SwimState } from './types.ts'

export type LamportTime = number

export interface PingMessage {
  readonly kind: 'ping'
  readonly seq: number
  /** Whom it is meant for: another that has got the address by now does not answer. */
  readonly target: string
}

export interface IndirectPingMessage extends NodeAddress {
  readonly kind: 'indirect-ping'
  readonly seq: number
  readonly target: string
  readonly wantsNack: boolean
}

export interface AckMessage {
  readonly kind: 'ack'
  readonly seq: number
  /** The network coordinate of who answers; empty without one, and in acks on behalf of others. */
  readonly payload: Uint8Array
}

export interface NackMessage {
  readonly kind: 'nack'
  readonly seq: number
}

export interface AliveMessage extends MemberFacts {
  readonly kind: 'alive'
  readonly incarnation: number
}

export interface SuspectMessage {
  readonly kind: 'suspect'
  readonly name: string
  readonly incarnation: number
  readonly from: string
}

export interface DeadMessage {
  readonly kind: 'dead'
  readonly name: string
  readonly incarnation: number
  /** The member itself when it leaves. */
  readonly from: string
}

export interface JoinIntent {
  readonly kind: 'join-intent'
  readonly time: LamportTime
  readonly name: string
}

export interface LeaveIntent {
  readonly kind: 'leave-intent'
  readonly time: LamportTime
  readonly name: string
  /** Forget the member as soon as it has left. */
  readonly prune: boolean
}

export interface CatalogNoticeMessage extends CatalogNotice {
  readonly kind: 'catalog-notice'
}

/** What somebody wants all members to hear (11.4). */
export interface UserEvent {
  readonly time: LamportTime
  readonly name: string
  readonly payload: Uint8Array
}

export interface UserEventMessage extends UserEvent {
  readonly kind: 'user-event'
}

/** All must fit; an empty list fits everybody. */
export interface QueryFilters {
  /** Names of members. */
  readonly nodes: readonly string[]
  /** Regular expressions for values of tags; one that a member has not is ''. */
  readonly tags: readonly { readonly tag: string; readonly pattern: string }[]
}

/** A question to members (11.5). */
export interface Query {
  readonly time: LamportTime
  /** Random: two may ask at one time. */
  readonly id: number
  /** Name of who asks. */
  readonly origin: string
  /** To be told at once by each member that it is for. */
  readonly wantsAck: boolean
  /** How many others carry a copy of each answer. */
  readonly relayFactor: number
  readonly timeoutMs: number
  readonly filters: QueryFilters
  readonly name: string
  readonly payload: Uint8Array
}

export interface QueryMessage extends Query {
  readonly kind: 'query'
}

export interface QueryResponse {
  /** Of the query. */
  readonly time: LamportTime
  readonly id: number
  readonly from: string
  readonly isAck: boolean
  readonly payload: Uint8Array
}

export interface QueryResponseMessage extends QueryResponse {
  readonly kind: 'query-response'
}

/** To be handed on to `target`. */
export interface RelayMessage {
  readonly kind: 'relay'
  readonly target: string
  readonly response: QueryResponse
}

export type PacketMessage =
  | PingMessage
  | IndirectPingMessage
  | AckMessage
  | NackMessage
  | AliveMessage
  | SuspectMessage
  | DeadMessage
  | JoinIntent
  | LeaveIntent
  | UserEventMessage
  | QueryMessage
  | QueryResponseMessage
  | RelayMessage
  | CatalogNoticeMessage

/** One row of the table of members, as it goes over a stream. */
export interface MemberRow extends MemberFacts {
  readonly incarnation: number
  readonly state: SwimState
  readonly statusTime: LamportTime
  /** It left or was made to: its own word or an operator's. */
  readonly hasLeft: boolean
  /** The sender learned it so recently that others may not have heard of it. */
  readonly isFresh: boolean
}

/** Who speaks, the times it lives in, and which events it remembers. */
export interface StreamHeader {
  readonly from: string
  readonly lamportTime: LamportTime
  readonly eventTime: LamportTime
  readonly queryTime: LamportTime
  readonly eventDigest: NameHash
  /** The newest that the sender knows. */
  readonly notice?: CatalogNotice
}

export interface StateMessage extends StreamHeader {
  readonly kind: 'state'
  /** The sender wants to become a member; it wants all there is back. */
  readonly isJoin: boolean
  readonly rows: readonly MemberRow[]
  /** With a join all that are remembered; otherwise those the other has not. */
  readonly events: readonly UserEvent[]
}

/** Two words for each bucket: see StateDigest. */
export interface DigestMessage extends StreamHeader {
  readonly kind: 'digest'
  readonly digest: Uint32Array
}

/** The answer to a digest: the rows of the buckets that differ, and which they are. */
export interface DifferencesMessage extends StreamHeader {
  readonly kind: 'differences'
  readonly buckets: Uint8Array
  readonly rows: readonly MemberRow[]
  /** All that are remembered, unless the digests agree. */
  readonly events: readonly UserEvent[]
}

export interface RefusalMessage {
  readonly kind: 'refusal'
  readonly reason: string
}

export type StreamMessage =
  | PingMessage
  | AckMessage
  | StateMessage
  | DigestMessage
  | DifferencesMessage
  | RefusalMessage
