/**
 * Who follows which topic, and the recent deltas from which a follower that was away can go on.
 *
 * Guarantees: a follower gets a snapshot frame (or resumes), then each delta once, in log order, with the
 * index of its command. Resumption works while the kept history reaches back to the index asked from;
 * else, and from an index of the future, there is a new snapshot.
 * Bounds: HISTORY_ITEMS_MAX changed items, oldest dropped first; FOLLOWERS_MAX, beyond which `follow`
 * throws BUSY.
 */

import { FairleadError } from '../errors.ts'
import type { FeedFrame, Topic, TopicKey } from './feed.ts'
import type { State } from './state.ts'
import { type Channel, channelsOf, itemsOf, type TopicDelta } from './topics.ts'

export const HISTORY_ITEMS_MAX = 16_384
export const FOLLOWERS_MAX = 200_000

export interface FeedBounds {
  /** Default HISTORY_ITEMS_MAX. Too small: followers that come back get snapshots; too large: memory. */
  readonly historyItemsMax?: number
  /** Default FOLLOWERS_MAX. */
  readonly followersMax?: number
}

interface Past {
  readonly index: number
  readonly channel: Channel
  readonly delta: TopicDelta
}

interface Follower {
  readonly key: TopicKey
  readonly sink: (frame: FeedFrame) => void
  isClosed: boolean
}

export class FeedHub {
  readonly #followers = new Map<Channel, Set<Follower>>()
  /** Recent deltas of each channel, oldest first. */
  readonly #history = new Map<Channel, Past[]>()
  /** All recent deltas in log order; entries before `#oldest` are dropped already. */
  #order: Past[] = []
  #oldest = 0
  #historyItems = 0
  /** Every delta after this index is in the history. */
  #floor: number
  #followerCount = 0
  readonly #historyItemsMax: number
  readonly #followersMax: number

  constructor(
    startIndex: number,
    { historyItemsMax = HISTORY_ITEMS_MAX, followersMax = FOLLOWERS_MAX }: FeedBounds = {},
  ) {
    this.#floor = startIndex
    this.#historyItemsMax = historyItemsMax
    this.#followersMax = followersMax
  }

  /** @throws FairleadError BUSY */
  follow<T extends Topic>(
    state: State,
    key: TopicKey<T>,
    fromIndex: number | undefined,
    sink: (frame: FeedFrame<T>) => void,
  ): () => void {
    if (this.#followerCount >= this.#followersMax) {
      throw new FairleadError('BUSY', `Too many subscriptions (limit ${this.#followersMax})`)
    }
    const follower: Follower = { key, sink: sink as (frame: FeedFrame) => void, isClosed: false }
    this.#followerCount += 1
    for (const channel of channelsOf(key)) this.#listen(channel, follower)
    const canResume =
      fromIndex !== undefined && fromIndex >= this.#floor && fromIndex <= state.lastIndex
    if (canResume) this.#replay(follower, fromIndex)
    else sendSnapshot(state, follower)
    return () => this.#close(follower)
  }

  publish(index: number, deltas: ReadonlyMap<Channel, TopicDelta>): void {
    for (const [channel, delta] of deltas) this.#remember({ index, channel, delta })
    // Gathered first: a sink may follow or close, and a follower of two channels gets one frame.
    const mail = new Map<Follower, TopicDelta>()
    for (const [channel, delta] of deltas) {
      for (const follower of this.#followers.get(channel) ?? []) {
        mail.set(follower, merged(mail.get(follower), delta))
      }
    }
    for (const [follower, delta] of mail) send(follower, index, delta)
  }

  /** After a restore: forgets the past and gives every follower a new snapshot. */
  restart(state: State): void {
    this.#history.clear()
    this.#order = []
    this.#oldest = 0
    this.#historyItems = 0
    this.#floor = state.lastIndex
    const followers = new Set<Follower>()
    for (const group of this.#followers.values()) for (const one of group) followers.add(one)
    for (const follower of followers) sendSnapshot(state, follower)
  }

  #listen(channel: Channel, follower: Follower): void {
    const group = this.#followers.get(channel) ?? new Set()
    this.#followers.set(channel, group.add(follower))
  }

  #close(follower: Follower): void {
    if (follower.isClosed) return
    follower.isClosed = true
    this.#followerCount -= 1
    for (const channel of channelsOf(follower.key)) {
      const group = this.#followers.get(channel)
      group?.delete(follower)
      if (group?.size === 0) this.#followers.delete(channel)
    }
  }

  #replay(follower: Follower, fromIndex: number): void {
    const missed = new Map<number, TopicDelta>()
    for (const channel of channelsOf(follower.key)) {
      for (const { index, delta } of this.#history.get(channel) ?? []) {
        if (index > fromIndex) missed.set(index, merged(missed.get(index), delta))
      }
    }
    const indexes = [...missed.keys()].sort((a, b) => a - b)
    for (const index of indexes) send(follower, index, missed.get(index) as TopicDelta)
  }

  #remember(past: Past): void {
    this.#order.push(past)
    this.#historyItems += sizeOf(past)
    const list = this.#history.get(past.channel)
    if (list === undefined) this.#history.set(past.channel, [past])
    else list.push(past)
    while (this.#historyItems > this.#historyItemsMax) this.#forgetOldest()
    if (this.#oldest > this.#order.length / 2) {
      this.#order = this.#order.slice(this.#oldest)
      this.#oldest = 0
    }
  }

  #forgetOldest(): void {
    const past = this.#order[this.#oldest]
    if (past === undefined) return
    this.#oldest += 1
    this.#historyItems -= sizeOf(past)
    this.#floor = past.index
    const list = this.#history.get(past.channel)
    list?.shift()
    if (list?.length === 0) this.#history.delete(past.channel)
  }
}

function sendSnapshot(state: State, follower: Follower): void {
  if (follower.isClosed) return
  follower.sink({ kind: 'snapshot', index: state.lastIndex, items: itemsOf(state, follower.key) })
}

function send(follower: Follower, index: number, delta: TopicDelta): void {
  if (follower.isClosed) return
  follower.sink({ kind: 'delta', index, upserts: delta.upserts, deletes: delta.deletes })
}

function merged(first: TopicDelta | undefined, second: TopicDelta): TopicDelta {
  if (first === undefined) return second
  return {
    upserts: first.upserts.concat(second.upserts),
    deletes: first.deletes.concat(second.deletes),
  }
}

function sizeOf({ delta }: Past): number {
  return delta.upserts.length + delta.deletes.length
}
