/**
 * What servers say to each other (Raft specification, section 3).
 *
 * `term` is the sender's own term, except in `pre-vote` (the term it would use) and in a granted
 * `pre-vote-reply` (the requested term). The cluster id and the protocol version are in the transport's
 * envelope. Messages may be lost, doubled, delayed and reordered freely.
 */

import type { Chain, Entry, LogIndex, ServerId, SnapshotMeta, Term } from './types.ts'

interface Header {
  readonly from: ServerId
  readonly to: ServerId
  readonly term: Term
}

export interface AppendMessage extends Header {
  readonly kind: 'append'
  readonly prevIndex: LogIndex
  readonly prevTerm: Term
  readonly prevChain: Chain
  readonly entries: readonly Entry[]
  readonly leaderCommit: LogIndex
  /** Echoed by the answer: tells the leader what it had sent when the answer was made (10.6). */
  readonly seq: number
}

interface AppendReplyFields extends Header {
  readonly seq: number
  /** Which run of the sender this is (RaftOptions.boot). */
  readonly boot: string
  /** The sender lost acknowledged entries and is getting them back: its match does not count (14.5). */
  readonly isRecovering: boolean
  /** For status only. */
  readonly lastIndex: LogIndex
  readonly appliedIndex: LogIndex
}

export interface AppendAckMessage extends AppendReplyFields {
  readonly kind: 'append-ack'
  /** Everything up to here equals the leader's log and is durable at the sender. */
  readonly matchIndex: LogIndex
}

export interface AppendRejectMessage extends AppendReplyFields {
  readonly kind: 'append-reject'
  readonly rejectedIndex: LogIndex
  /** Highest index of the follower whose term does not exceed the rejected one, and its term (5.3). */
  readonly hintIndex: LogIndex
  readonly hintTerm: Term
}

export interface HeartbeatMessage extends Header {
  readonly kind: 'heartbeat'
  /** Clipped to what the peer is known to hold. */
  readonly commit: LogIndex
  readonly readSeq: number
  /** Names the round of heartbeats; the leader knows when it sent it (8.3). */
  readonly leaseSeq: number
}

export interface HeartbeatAckMessage extends Header {
  readonly kind: 'heartbeat-ack'
  readonly readSeq: number
  readonly leaseSeq: number
  readonly isRecovering: boolean
}

export interface VoteRequestMessage extends Header {
  readonly kind: 'pre-vote' | 'vote'
  readonly lastIndex: LogIndex
  readonly lastTerm: Term
  /** A leadership transfer: overrides the lease of the present leader. */
  readonly transfer: boolean
}

export interface VoteReplyMessage extends Header {
  readonly kind: 'pre-vote-reply' | 'vote-reply'
  readonly granted: boolean
}

export interface TimeoutNowMessage extends Header {
  readonly kind: 'timeout-now'
}

export interface ReadRequestMessage extends Header {
  readonly kind: 'read-request'
  readonly context: string
}

export interface ReadReplyMessage extends Header {
  readonly kind: 'read-reply'
  readonly context: string
  readonly index: LogIndex
}

/** Announces an image; the bytes travel beside Raft, between the hosts (9.3). */
export interface SnapshotOfferMessage extends Header {
  readonly kind: 'snapshot-offer'
  readonly snapshot: SnapshotMeta
}

export type RaftMessage =
  | AppendMessage
  | AppendAckMessage
  | AppendRejectMessage
  | HeartbeatMessage
  | HeartbeatAckMessage
  | VoteRequestMessage
  | VoteReplyMessage
  | TimeoutNowMessage
  | ReadRequestMessage
  | ReadReplyMessage
  | SnapshotOfferMessage

/** Answers go back to whoever asked, also to a server that this one does not know as a member (section 3). */
export function isReply(message: RaftMessage): boolean {
  switch (message.kind) {
    case 'append-ack':
    case 'append-reject':
    case 'heartbeat-ack':
    case 'pre-vote-reply':
    case 'vote-reply':
    case 'read-reply':
      return true
    case 'append':
    case 'heartbeat':
    case 'pre-vote':
    case 'vote':
    case 'timeout-now':
    case 'read-request':
    case 'snapshot-offer':
      return false
  }
}
