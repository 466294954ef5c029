/**
 * Change feed: what a subscriber of a topic receives, first a snapshot, then deltas in log order.
 *
 * Every topic is a map from item id to record, so that one view class (agent/view/) materialises them all.
 * The store produces deltas from the tables touched by an entry; it never diffs whole topics.
 */

import type {
  CaRoots,
  ConfigEntryRecord,
  HealthEntry,
  IntentionRecord,
  NodeRecord,
  VirtualIpRecord,
} from './types.ts'

/** What an address belongs to. */
export interface AddressOwner {
  readonly kind: 'node' | 'service'
  /** Of the node, or of the service. */
  readonly name: string
  readonly datacenter: string
}

/** Item type of each topic. */
export interface Topics {
  /** key: service name; id: `<node>/<service id>`. All instances, whatever their health. */
  health: HealthEntry
  /** key: destination service name; id as above: proxies of it and native instances. */
  connect: HealthEntry
  /** key: destination service name; id: `<source>/<destination>`. Rules for `*` destinations are included. */
  intentions: IntentionRecord
  /** key: ''; id: 'roots'. */
  roots: CaRoots
  /** key: kind; id: name. All entries of the kind. */
  config: ConfigEntryRecord
  /** key: ''; id: service name. Every mesh service that owns virtual addresses. */
  'virtual-ips': VirtualIpRecord
  /** key: node name; id: the name in lower case. */
  node: NodeRecord
  /** key: an IP address as core/dns/ip.ts prints it; id: `node/<node>` or `service/<node>/<service id>`. */
  address: AddressOwner
}

export type Topic = keyof Topics

export interface TopicKey<T extends Topic = Topic> {
  readonly topic: T
  readonly key: string
}

export interface FeedItem<T extends Topic = Topic> {
  readonly id: string
  readonly value: Topics[T]
}

export type FeedFrame<T extends Topic = Topic> =
  | { readonly kind: 'snapshot'; readonly index: number; readonly items: readonly FeedItem<T>[] }
  | {
      readonly kind: 'delta'
      readonly index: number
      /** What changed here changed last at this index or before: who has less has missed something. */
      readonly after: number
      readonly upserts: readonly FeedItem<T>[]
      readonly deletes: readonly string[]
    }

/**
 * How far a subscriber has come. Indexes count in one epoch only: after a recovery that gave up entries, the
 * same index may stand for something else.
 */
export interface FeedPosition {
  readonly epoch: string
  readonly index: number
}

/** All changes up to `index` were sent. */
export interface FeedBookmark {
  readonly kind: 'bookmark'
  readonly index: number
  /** The server is in contact with a leader: what it has applied is what there is. */
  readonly hasLeader: boolean
}

export type SubscriptionFrame<T extends Topic = Topic> = FeedFrame<T> | FeedBookmark
