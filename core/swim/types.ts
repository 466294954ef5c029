/**
 * The nouns of membership by gossip, and what goes into and comes out of the core (gossip.md 1, 2).
 *
 * Messages live in messages.ts, numbers in timing.ts.
 */

import type { CatalogNotice } from '../catalog/notice.ts'
import type { StringMap } from '../catalog/types.ts'
import type { IpNetwork } from '../ip-network.ts'
import type { MemberStatus } from '../membership.ts'
import type { Instant } from '../time.ts'
import type { Query, UserEvent } from './messages.ts'
import type { GossipTiming } from './timing.ts'

/** An IP address and a port, UDP and TCP alike. */
export interface NodeAddress {
  readonly address: string
  readonly port: number
}

/** In the order of precedence at one incarnation; the numbers are those of the wire. */
export const SWIM_STATES = ['alive', 'suspect', 'dead', 'left'] as const
export type SwimState = (typeof SWIM_STATES)[number]

/** Protocol versions a member understands. */
export interface ProtocolVersions {
  readonly min: number
  readonly max: number
  readonly current: number
}

export const PROTOCOL_VERSIONS: ProtocolVersions = Object.freeze({ min: 1, max: 1, current: 1 })

/** What a member says of itself. */
export interface MemberFacts extends NodeAddress {
  readonly name: string
  /** UUID of the host: tells a restart from another host that took the name. */
  readonly id: string
  /** Tags, encoded (tags.ts); opaque here. */
  readonly meta: Uint8Array
  readonly versions: ProtocolVersions
}

/** A member as this core sees it: what others of this process may read. */
export interface MemberView extends NodeAddress {
  readonly name: string
  readonly id: string
  readonly tags: StringMap
  readonly status: MemberStatus
  readonly state: SwimState
  readonly incarnation: number
  readonly statusTime: number
}

export interface SwimOptions {
  readonly name: string
  readonly id: string
  readonly address: string
  readonly port: number
  readonly meta: Uint8Array
  readonly timing: GossipTiming
  /** Bytes of one packet's body: what the shell wraps around it is already taken off. */
  readonly packetBytesMax: number
  /** 1 for a new member; above what the last run of this member used, when that is known. */
  readonly incarnation: number
  /** Lamport time of the last run; 0 for a new member. */
  readonly lamportTime: number
  /** Finds its place in the network by the round trips of probes, and tells others (core/coordinates). */
  readonly hasCoordinate: boolean
  /** The same of user events and of queries. */
  readonly eventTime: number
  readonly queryTime: number
  /** Events fired since the last run are told; otherwise none from before the first join is. */
  readonly catchesUp: boolean
  /** Members at other addresses are ignored, and refused when they join; null for none. */
  readonly allowedNetworks: readonly IpNetwork[] | null
}

/** Names a join, a request of a peer or an exchange; made by who asks. */
export type CallId = number

export type SwimInput =
  | { readonly kind: 'wake' }
  /** The body of one datagram. */
  | { readonly kind: 'packet'; readonly from: NodeAddress; readonly bytes: Uint8Array }
  /** A packet to this address was not sent. `isOurs`: for a reason of this host, which says nothing of the other. */
  | { readonly kind: 'unsendable'; readonly to: NodeAddress; readonly isOurs: boolean }
  /** A peer asks over a stream; answered by exactly one `reply` effect in the same turn. */
  | {
      readonly kind: 'request'
      readonly id: CallId
      readonly from: NodeAddress
      readonly bytes: Uint8Array
    }
  /** How an `exchange` effect ended; exactly one for each. */
  | { readonly kind: 'exchanged'; readonly id: CallId; readonly outcome: ExchangeOutcome }
  /** Answered by one `joined` effect with the same id. */
  | { readonly kind: 'join'; readonly id: CallId; readonly to: NodeAddress }
  /** Answered by one `left` effect, later. */
  | { readonly kind: 'leave' }
  | { readonly kind: 'force-leave'; readonly name: string; readonly prune: boolean }
  | { readonly kind: 'set-meta'; readonly meta: Uint8Array }
  /** This member's server leads and has come so far. */
  | { readonly kind: 'catalog-notice'; readonly notice: CatalogNotice }
  /** All members are to hear this; userEventSize must be within USER_EVENT_SIZE_MAX. */
  | { readonly kind: 'fire'; readonly name: string; readonly payload: Uint8Array }
  /** Asks members; `query-answer` effects follow, and one `query-closed`, unless it is cancelled. */
  | { readonly kind: 'ask'; readonly id: CallId; readonly wish: QueryWish }
  | { readonly kind: 'cancel-ask'; readonly id: CallId }
  /** What this host says to a `query` effect; once, before its deadline, or not at all. */
  | { readonly kind: 'answer'; readonly ref: QueryRef; readonly payload: Uint8Array }

/** Names a query among those that are open. */
export type QueryRef = Pick<Query, 'time' | 'id'>

/** `timeoutMs` grows with the pool unless it is given. */
export type QueryWish = Omit<Query, 'time' | 'id' | 'origin' | 'timeoutMs'> & {
  readonly timeoutMs?: number
}

export type ExchangeOutcome =
  | { readonly kind: 'reply'; readonly bytes: Uint8Array }
  | { readonly kind: 'failed'; readonly reason: string }

export type SwimEffect =
  | { readonly kind: 'packet'; readonly to: NodeAddress; readonly bytes: Uint8Array }
  /** Send over a stream and hand the one answer back as `exchanged`, at the latest at `deadline`. */
  | {
      readonly kind: 'exchange'
      readonly id: CallId
      readonly to: NodeAddress
      readonly bytes: Uint8Array
      readonly deadline: Instant
    }
  | { readonly kind: 'reply'; readonly id: CallId; readonly bytes: Uint8Array }
  /** Something that operators and other parts see of a member has changed. */
  | { readonly kind: 'member'; readonly change: MemberChange; readonly name: string }
  | { readonly kind: 'joined'; readonly id: CallId; readonly outcome: JoinOutcome }
  | { readonly kind: 'left' }
  /** News of the catalog, newer than all before. */
  | { readonly kind: 'catalog-notice'; readonly notice: CatalogNotice }
  /** Fired by a member, this one included; not told before. */
  | { readonly kind: 'user-event'; readonly event: UserEvent }
  /** A question that is for this host. */
  | {
      readonly kind: 'query'
      readonly ref: QueryRef
      readonly name: string
      readonly payload: Uint8Array
      readonly origin: string
    }
  | {
      readonly kind: 'query-answer'
      readonly id: CallId
      readonly from: string
      readonly isAck: boolean
      readonly payload: Uint8Array
    }
  /** No more answers come. `problem`: why it was not even asked. */
  | { readonly kind: 'query-closed'; readonly id: CallId; readonly problem: string | null }
  | { readonly kind: 'notice'; readonly notice: SwimNotice }

export type MemberChange = 'join' | 'update' | 'leaving' | 'leave' | 'fail' | 'reap'

export type JoinOutcome =
  | { readonly kind: 'joined' }
  /** The address is this member's own. */
  | { readonly kind: 'self' }
  | { readonly kind: 'failed'; readonly reason: string }

/** What an operator should read in the log. */
export type SwimNotice =
  /** Another host claims a name that is in use. */
  | {
      readonly kind: 'name-conflict'
      readonly name: string
      readonly holder: NodeAddress
      readonly claimant: NodeAddress
    }
  /** A member answers over TCP and not over UDP. */
  | { readonly kind: 'udp-blocked'; readonly name: string }
  | { readonly kind: 'suspected'; readonly name: string; readonly by: string }
  /** This member was accused of having failed and said otherwise. */
  | { readonly kind: 'refuted'; readonly by: string; readonly incarnation: number }
  | { readonly kind: 'merge-refused'; readonly from: NodeAddress; readonly reason: string }

/** Counted since the core was made. */
export interface SwimCounters {
  packetsMalformed: number
  partsMalformed: number
  partsUnknown: number
  broadcastsDropped: number
  probesFailed: number
  refutations: number
  conflicts: number
  exchangesRefused: number
  intentsDropped: number
  accusationsIgnored: number
  /** Acks of probes whose coordinate, or round trip, was none. */
  coordinatesRefused: number
  eventsTooOld: number
  /** Answers to queries that were too large, or for somebody who is not known. */
  answersDropped: number
  /** Words about members at addresses that are not allowed. */
  addressesRefused: number
  /** Members that came back within a minute of failing. */
  flaps: number
  /** Messages, from packets. */
  aliveHeard: number
  suspectHeard: number
  deadHeard: number
}
