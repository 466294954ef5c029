/**
 * What an agent and its server say to each other on the one stream of feeds (gossip.md 15.3), and its bytes.
 *
 * A message about a topic names it, and nothing in it depends on who gets it: the server encodes a change once
 * however many agents follow. Guarantees: bytes that are no such message give BAD_REQUEST or NOT_SUPPORTED.
 * Bound: FOLLOW_BYTES_MAX for what agents send, REPLY_BYTES_MAX for what servers do.
 */

import type { FeedBookmark, FeedFrame, FeedPosition, TopicKey } from '../../core/catalog/feed.ts'
import { type ErrorCode, FairleadError } from '../../core/errors.ts'
import { Servers } from '../../proto/gen/fairlead_pb.ts'
import { open, seal } from './envelope.ts'

export const FOLLOW_BYTES_MAX = 16 * 1024

const opaque = (bytes: Buffer): Buffer => bytes

/** Bytes pass as they are: those of one change go to many agents. */
export const FEEDS_SERVICE = {
  feeds: {
    path: `/${Servers.typeName}/${Servers.method.feeds.name}`,
    requestStream: true,
    responseStream: true,
    requestSerialize: opaque,
    requestDeserialize: opaque,
    responseSerialize: opaque,
    responseDeserialize: opaque,
  },
} as const

export type FromAgent =
  /** Begins, or begins anew. Answered by `resumed`, a snapshot or `refused`. */
  | { readonly kind: 'follow'; readonly topic: TopicKey; readonly from?: FeedPosition }
  | { readonly kind: 'leave'; readonly topic: TopicKey }
  /** Answered by a bookmark. */
  | { readonly kind: 'ping' }

export type FromServer =
  /** What follows are the changes after `index`. */
  | {
      readonly kind: 'resumed'
      readonly topic: TopicKey
      readonly epoch: string
      readonly index: number
    }
  | {
      readonly kind: 'frame'
      readonly topic: TopicKey
      readonly epoch: string
      readonly frame: FeedFrame
    }
  | {
      readonly kind: 'refused'
      readonly topic: TopicKey
      readonly code: ErrorCode
      readonly message: string
    }
  /** For all topics that have begun. */
  | FeedBookmark

export function encodeFeedMessage(message: FromAgent | FromServer): Buffer {
  return seal(message)
}

/** @throws FairleadError BAD_REQUEST, NOT_SUPPORTED. The shape is left to the caller to check */
export function decodeFromAgent(bytes: Buffer): unknown {
  if (bytes.length > FOLLOW_BYTES_MAX) {
    const text = `The message is too large: ${bytes.length} bytes, at most ${FOLLOW_BYTES_MAX}`
    throw new FairleadError('TOO_LARGE', text)
  }
  return open(bytes)
}

/** Of a server of ours, whose word is taken. @throws FairleadError BAD_REQUEST, NOT_SUPPORTED */
export function decodeFromServer(bytes: Buffer): FromServer {
  const message = open(bytes)
  if (typeof message !== 'object' || message === null || !('kind' in message)) {
    throw new FairleadError('BAD_REQUEST', 'The message of the server is none of the feeds')
  }
  return message as FromServer
}

/** Names a topic and key among others. */
export function topicText({ topic, key }: TopicKey): string {
  return `${topic}:${key}`
}
