/**
 * The recent deltas of every channel of the change feed, from which a follower that was away can go on.
 *
 * Guarantees: what changed after `floor` is all here, in log order. To remember costs the same however much is
 * kept and however it is spread over channels: two linked lists, one through the log and one through each
 * channel, whose oldest are always the same entry.
 * Bound: `itemsMax` changed items, oldest dropped first; a delta that is larger alone is not kept at all.
 */

import type { Channel, TopicDelta } from './topics.ts'

/** What one command changed in one channel. */
export interface PastDelta {
  readonly index: number
  /** When the channel changed last before this, or later. */
  readonly after: number
  readonly channel: Channel
  readonly delta: TopicDelta
}

interface Link {
  readonly past: PastDelta
  nextInLog: Link | undefined
  nextInChannel: Link | undefined
}

interface Line {
  oldest: Link
  newest: Link
}

export class FeedHistory {
  readonly #itemsMax: number
  readonly #lines = new Map<Channel, Line>()
  #oldest: Link | undefined
  #newest: Link | undefined
  #items = 0
  #floor: number

  constructor(floor: number, itemsMax: number) {
    this.#floor = floor
    this.#itemsMax = itemsMax
  }

  /** Every delta after this index is remembered. */
  get floor(): number {
    return this.#floor
  }

  /** When a channel changed last; the floor, which is later, when that is forgotten. */
  lastIndexOf(channel: Channel): number {
    return this.#lines.get(channel)?.newest.past.index ?? this.#floor
  }

  /** What changed in a channel after `index`, oldest first. */
  *since(channel: Channel, index: number): Generator<PastDelta, void, undefined> {
    let link = this.#lines.get(channel)?.oldest
    for (; link !== undefined; link = link.nextInChannel) {
      if (link.past.index > index) yield link.past
    }
  }

  /** @param past at the index of the one before or a later one */
  remember(past: PastDelta): void {
    const link: Link = { past, nextInLog: undefined, nextInChannel: undefined }
    if (this.#newest === undefined) this.#oldest = link
    else this.#newest.nextInLog = link
    this.#newest = link
    const line = this.#lines.get(past.channel)
    if (line === undefined) this.#lines.set(past.channel, { oldest: link, newest: link })
    else {
      line.newest.nextInChannel = link
      line.newest = link
    }
    this.#items += sizeOf(past)
    while (this.#items > this.#itemsMax) this.#forgetOldest()
  }

  /** Forgets everything. */
  restart(floor: number): void {
    this.#lines.clear()
    this.#oldest = undefined
    this.#newest = undefined
    this.#items = 0
    this.#floor = floor
  }

  #forgetOldest(): void {
    const link = this.#oldest
    if (link === undefined) return
    const { past, nextInLog, nextInChannel } = link
    this.#oldest = nextInLog
    if (nextInLog === undefined) this.#newest = undefined
    const line = this.#lines.get(past.channel)
    if (nextInChannel === undefined) this.#lines.delete(past.channel)
    else if (line !== undefined) line.oldest = nextInChannel
    // A dead link that the collector has not seen yet would keep those after it from dying young.
    link.nextInLog = undefined
    link.nextInChannel = undefined
    this.#items -= sizeOf(past)
    this.#floor = past.index
  }
}

function sizeOf({ delta }: PastDelta): number {
  return delta.upserts.length + delta.deletes.length
}
