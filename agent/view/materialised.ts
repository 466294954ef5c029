/**
 * The items of one topic and key, built from frames of a subscription. Pure: no clock, no socket.
 *
 * Guarantees (gossip.md 15.3): the items are what the servers had at every index from `index` to `seen`; within
 * an epoch `seen` never goes back; a frame that does not fit on what is here is refused, so a view never shows
 * part of a topic. Everything a saved view needs is here: `position`, `index` and `items`.
 */

import type { FeedPosition, SubscriptionFrame, Topic, Topics } from '../../core/catalog/feed.ts'

/** What is kept of a view over a restart. */
export interface ViewImage<T extends Topic = Topic> {
  readonly position: FeedPosition
  readonly index: number
  readonly items: ReadonlyMap<string, Topics[T]>
}

/** `missed`: changes lie between what is here and the frame; `behind`: the server has less than is here. */
export type Applied = 'changed' | 'unchanged' | 'missed' | 'behind'

export class MaterialisedView<T extends Topic> {
  #items = new Map<string, Topics[T]>()
  /** None of the items has a higher id. */
  #highestId = ''
  #isInOrder = true
  #index = 0
  #seen = 0
  #epoch = ''
  #isReady = false

  /**
   * In order of their ids. Live: deltas change this map in place; one that brings an item in between, or a
   * snapshot, puts a new one in its stead.
   */
  get items(): ReadonlyMap<string, Topics[T]> {
    if (!this.#isInOrder) this.#takeItems(this.#items)
    return this.#items
  }

  /** Raft index of the last change, or of the snapshot; 0 before the first. */
  get index(): number {
    return this.#index
  }

  get isReady(): boolean {
    return this.#isReady
  }

  /** Where to go on; undefined before the first snapshot. */
  get position(): FeedPosition | undefined {
    return this.#isReady ? { epoch: this.#epoch, index: this.#seen } : undefined
  }

  image(): ViewImage<T> | undefined {
    const { position } = this
    return position === undefined
      ? undefined
      : { position, index: this.#index, items: new Map(this.items) }
  }

  /** Takes over what was kept from before. Not after frames have come. */
  restore({ position, index, items }: ViewImage<T>): void {
    this.#takeItems(items)
    this.#index = index
    this.#seen = position.index
    this.#epoch = position.epoch
    this.#isReady = true
  }

  /** @param epoch that the index of the frame counts in */
  apply(frame: SubscriptionFrame<T>, epoch: string): Applied {
    const isSameEpoch = this.#isReady && epoch === this.#epoch
    if (frame.kind === 'snapshot') {
      if (isSameEpoch && frame.index < this.#seen) return 'behind'
      this.#takeItems(frame.items.map(({ id, value }) => [id, value] as const))
      this.#index = frame.index
      this.#seen = frame.index
      this.#epoch = epoch
      this.#isReady = true
      return 'changed'
    }
    if (!isSameEpoch) return 'missed'
    if (frame.kind === 'bookmark') {
      this.#seen = Math.max(this.#seen, frame.index)
      return 'unchanged'
    }
    // Sent again after a resumption.
    if (frame.index < this.#seen) return 'unchanged'
    if (frame.after > this.#seen) return 'missed'
    this.#seen = frame.index
    this.#index = frame.index
    for (const id of frame.deletes) this.#items.delete(id)
    for (const { id, value } of frame.upserts) this.#put(id, value)
    return frame.deletes.length + frame.upserts.length > 0 ? 'changed' : 'unchanged'
  }

  #put(id: string, value: Topics[T]): void {
    // One that is there keeps its place; most that come are new ones of a higher id, or come together.
    if (id > this.#highestId) this.#highestId = id
    else if (this.#isInOrder && !this.#items.has(id)) this.#isInOrder = false
    this.#items.set(id, value)
  }

  #takeItems(entries: Iterable<readonly [string, Topics[T]]>): void {
    const sorted = [...entries].sort(([one], [other]) => (one < other ? -1 : 1))
    this.#items = new Map(sorted)
    this.#highestId = sorted.at(-1)?.[0] ?? ''
    this.#isInOrder = true
  }
}
