/**
 * What an agent and its server say to each other on the one stream of feeds (gossip.md 15.3), and its bytes.
 *
 * A message about a topic names it, and nothing in it depends on who gets it: the server encodes a change once
 * however many agents follow. Bytes: a head of one byte of version and four of the length of what follows, then
 * the message as core/catalog/json-codec.ts writes it. Guarantees: bytes that are no such message give
 * BAD_REQUEST or NOT_SUPPORTED. Bound: FOLLOW_BYTES_MAX for what agents send, REPLY_BYTES_MAX for what servers do.
 */

import type { FeedBookmark, FeedFrame, FeedPosition, TopicKey } from '../../core/catalog/feed.ts'
import { decodeJson, encodeJson } from '../../core/catalog/json-codec.ts'
import { type ErrorCode, FairleadError } from '../../core/errors.ts'

export const FOLLOW_BYTES_MAX = 16 * 1024

export const HEAD_BYTES = 5
const VERSION = 1

export type FromAgent =
  /** Begins, or begins anew. Answered by `resumed`, a snapshot or `refused`. */
  | {
      readonly kind: 'follow'
      readonly topic: TopicKey
      readonly from?: FeedPosition
      /** Of the agent's own token. */
      readonly secret?: string
    }
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
  const body = encodeJson(message)
  const bytes = Buffer.allocUnsafeSlow(HEAD_BYTES + body.length)
  bytes[0] = VERSION
  bytes.writeUInt32BE(body.length, 1)
  bytes.set(body, HEAD_BYTES)
  return bytes
}

/** @param bytes HEAD_BYTES or more. @returns how long the message is that they begin, head and all */
export function messageLength(bytes: Buffer): number {
  return HEAD_BYTES + bytes.readUInt32BE(1)
}

/** @throws FairleadError BAD_REQUEST, NOT_SUPPORTED. The shape is left to the caller to check */
export function decodeFromAgent(bytes: Buffer): unknown {
  if (bytes.length > FOLLOW_BYTES_MAX) {
    const text = `The message is too large: ${bytes.length} bytes, at most ${FOLLOW_BYTES_MAX}`
    throw new FairleadError('TOO_LARGE', text)
  }
  return decode(bytes)
}

/** Of a server of ours, whose word is taken. @throws FairleadError BAD_REQUEST, NOT_SUPPORTED */
export function decodeFromServer(bytes: Buffer): FromServer {
  const message = decode(bytes)
  if (typeof message !== 'object' || message === null || !('kind' in message)) {
    throw new FairleadError('BAD_REQUEST', 'The message of the server is none of the feeds')
  }
  return message as FromServer
}

/** Names a topic and key among others. */
export function topicText({ topic, key }: TopicKey): string {
  return `${topic}:${key}`
}

function decode(bytes: Buffer): unknown {
  if (bytes.length < HEAD_BYTES || bytes.length !== messageLength(bytes)) {
    throw new FairleadError('BAD_REQUEST', 'The message is not as long as its head says')
  }
  if (bytes[0] !== VERSION) {
    throw new FairleadError('NOT_SUPPORTED', `Unknown version ${bytes[0]} of a message`)
  }
  return decodeJson(bytes.subarray(HEAD_BYTES))
}
