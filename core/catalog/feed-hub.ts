/**
 * Who follows which topic: each is sent a snapshot or what it missed, then every delta.
 *
 * Guarantees: a follower gets a snapshot frame (or resumes), then each delta once, in log order, with the
 * index of its command. Resumption works while the history (feed-history.ts) reaches back to the index asked
 * from; else, and from an index of the future, there is a new snapshot.
 * Bounds: HISTORY_ITEMS_MAX changed items remembered; FOLLOWERS_MAX, beyond which `follow` throws BUSY.
 */

import { FairleadError } from '../errors.ts'
import type { FeedFrame, Topic, TopicKey } from './feed.ts'
import { FeedHistory } from './feed-history.ts'
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

type Delta = Extract<FeedFrame, { kind: 'delta' }>

/** Who follows one channel. */
interface Group {
  readonly members: Set<Follower>
  /** When the channel changed last, or an index that all who follow had passed when they came. */
  lastIndex: number
}

interface Follower {
  readonly key: TopicKey
  readonly sink: (frame: FeedFrame) => void
  isClosed: boolean
}

export class FeedHub {
  readonly #followers = new Map<Channel, Group>()
  readonly #history: FeedHistory
  #followerCount = 0
  readonly #followersMax: number

  constructor(
    startIndex: number,
    { historyItemsMax = HISTORY_ITEMS_MAX, followersMax = FOLLOWERS_MAX }: FeedBounds = {},
  ) {
    this.#history = new FeedHistory(startIndex, historyItemsMax)
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
      fromIndex !== undefined && fromIndex >= this.#history.floor && fromIndex <= state.lastIndex
    if (canResume) this.#replay(follower, fromIndex)
    else sendSnapshot(state, follower)
    return () => this.#close(follower)
  }

  publish(index: number, deltas: ReadonlyMap<Channel, TopicDelta>): void {
    // Gathered first: a sink may follow or close, and a follower of two channels gets one frame.
    const mail = new Map<Follower, Delta>()
    for (const [channel, delta] of deltas) {
      const group = this.#followers.get(channel)
      const after = group?.lastIndex ?? this.#history.lastIndexOf(channel)
      this.#history.remember({ index, after, channel, delta })
      if (group === undefined) continue
      group.lastIndex = index
      // One frame for all of them: who sends it on encodes it once.
      const frame: Delta = { kind: 'delta', index, after, ...delta }
      for (const follower of group.members) mail.set(follower, merged(mail.get(follower), frame))
    }
    for (const [follower, frame] of mail) send(follower, frame)
  }

  /** After a restore: forgets the past and gives every follower a new snapshot. */
  restart(state: State): void {
    this.#history.restart(state.lastIndex)
    const followers = new Set<Follower>()
    for (const group of this.#followers.values()) {
      group.lastIndex = state.lastIndex
      for (const one of group.members) followers.add(one)
    }
    for (const follower of followers) sendSnapshot(state, follower)
  }

  #listen(channel: Channel, follower: Follower): void {
    const known = this.#followers.get(channel)
    const group = known ?? { members: new Set(), lastIndex: this.#history.lastIndexOf(channel) }
    group.members.add(follower)
    if (known === undefined) this.#followers.set(channel, group)
  }

  #close(follower: Follower): void {
    if (follower.isClosed) return
    follower.isClosed = true
    this.#followerCount -= 1
    for (const channel of channelsOf(follower.key)) {
      const group = this.#followers.get(channel)
      group?.members.delete(follower)
      if (group?.members.size === 0) this.#followers.delete(channel)
    }
  }

  #replay(follower: Follower, fromIndex: number): void {
    const missed = new Map<number, Delta>()
    for (const channel of channelsOf(follower.key)) {
      for (const { index, after, delta } of this.#history.since(channel, fromIndex)) {
        missed.set(index, merged(missed.get(index), { kind: 'delta', index, after, ...delta }))
      }
    }
    for (const frame of [...missed.values()].sort((a, b) => a.index - b.index)) {
      send(follower, frame)
    }
  }
}

function sendSnapshot(state: State, follower: Follower): void {
  if (follower.isClosed) return
  follower.sink({ kind: 'snapshot', index: state.lastIndex, items: itemsOf(state, follower.key) })
}

function send(follower: Follower, frame: FeedFrame): void {
  if (!follower.isClosed) follower.sink(frame)
}

/** Of two channels at one index; each was gapless from its own `after` on, both are from the later one. */
function merged(first: Delta | undefined, second: Delta): Delta {
  if (first === undefined) return second
  return {
    ...first,
    after: Math.max(first.after, second.after),
    upserts: first.upserts.concat(second.upserts),
    deletes: first.deletes.concat(second.deletes),
  }
}
