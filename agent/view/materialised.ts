/**
 * The items of one topic and key, built from feed frames. Pure: no clock, no socket.
 *
 * Guarantees: after a snapshot the items are exactly the snapshot's; after a delta they are what the server
 * had at that index. A delta before any snapshot is refused, so a view never shows part of a topic.
 * Everything a saved view needs is here: `index` and `items`.
 */

import type { FeedFrame, Topic, Topics } from '../../core/catalog/feed.ts'

export class MaterialisedView<T extends Topic> {
  #items = new Map<string, Topics[T]>()
  #index = 0
  #isReady = false

  /** Live: deltas change this map in place, a snapshot puts a new one in its stead. */
  get items(): ReadonlyMap<string, Topics[T]> {
    return this.#items
  }

  /** Raft index of the last frame, 0 before the first. */
  get index(): number {
    return this.#index
  }

  get isReady(): boolean {
    return this.#isReady
  }

  /**
   * Applies the next frame of the feed.
   *
   * A delta older than the view (sent again after a resumed subscription) changes nothing.
   * @returns 'refused' for a delta that has no snapshot to build on
   */
  apply(frame: FeedFrame<T>): 'changed' | 'unchanged' | 'refused' {
    if (frame.kind === 'snapshot') {
      this.#items = new Map(frame.items.map((item) => [item.id, item.value]))
      this.#index = frame.index
      this.#isReady = true
      return 'changed'
    }
    if (!this.#isReady) return 'refused'
    if (frame.index < this.#index) return 'unchanged'
    this.#index = frame.index
    for (const id of frame.deletes) this.#items.delete(id)
    for (const item of frame.upserts) this.#items.set(item.id, item.value)
    return frame.deletes.length + frame.upserts.length > 0 ? 'changed' : 'unchanged'
  }
}
