/**
 * One subscriber of a topic: frames of the change feed as a bounded async iterable.
 *
 * Guarantees: a snapshot, then every later delta in log order, without a gap. When the consumer is too
 * slow for the bound, the queue is dropped and the feed left; the next frame it gets is a new snapshot.
 * One consumer at a time, in this process; agents elsewhere have feed-session.ts. Where it begins is
 * feed-start.ts.
 * Bounds: QUEUE_FRAMES_MAX frames and QUEUE_ITEMS_MAX items, a lone snapshot of any size excepted.
 */

import type {
  FeedFrame,
  FeedPosition,
  SubscriptionFrame,
  TopicKey,
} from '../../core/catalog/feed.ts'
import type { StateStoreApi } from '../../core/catalog/store-api.ts'
import type { Subscription } from '../../core/rpc/server-api.ts'
import { type FeedStartDeps, feedStart } from './feed-start.ts'

export const QUEUE_FRAMES_MAX = 1024
export const QUEUE_ITEMS_MAX = 16_384

export interface FeedSubscriptionOptions {
  readonly topic: TopicKey
  readonly from?: FeedPosition
  readonly framesMax?: number
  readonly itemsMax?: number
}

export interface FeedSubscriptionDeps {
  readonly store: Pick<StateStoreApi, 'follow'>
  readonly start: FeedStartDeps
  /** Called once, when the subscription has ended for whatever reason. */
  onClosed(): void
}

export class FeedSubscription implements Subscription {
  readonly #options: FeedSubscriptionOptions
  readonly #deps: FeedSubscriptionDeps
  readonly #abort = new AbortController()
  #queue: SubscriptionFrame[] = []
  #queuedItems = 0
  /** Undefined while not following: before the first frame, and after an overflow. */
  #leave: (() => void) | undefined
  #hasFollowed = false
  #fromIndex: number | undefined
  #epoch = ''
  #wake: (() => void) | undefined
  #end: { readonly reason: unknown } | undefined

  constructor(options: FeedSubscriptionOptions, deps: FeedSubscriptionDeps) {
    this.#options = options
    this.#deps = deps
  }

  get epoch(): string {
    return this.#epoch
  }

  close(): void {
    this.#finish({ reason: undefined })
  }

  /** Ends the iteration with an error. Idempotent, and without effect after `close`. */
  fail(reason: unknown): void {
    this.#finish({ reason })
  }

  [Symbol.asyncIterator](): AsyncIterator<SubscriptionFrame> {
    return {
      next: () => this.#next(),
      return: () => {
        this.close()
        return Promise.resolve({ done: true, value: undefined })
      },
    }
  }

  async #next(): Promise<IteratorResult<SubscriptionFrame>> {
    if (!this.#hasFollowed && this.#end === undefined) await this.#begin()
    for (;;) {
      if (this.#end !== undefined) {
        if (this.#end.reason !== undefined) throw this.#end.reason
        return { done: true, value: undefined }
      }
      // Still not following: refused, or too much to resume. The next turn ends or takes a snapshot.
      if (this.#leave === undefined && !this.#tryToFollow()) continue
      const frame = this.#queue.shift()
      if (frame !== undefined) {
        this.#queuedItems -= itemCount(frame)
        return { done: false, value: frame }
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      this.#wake = undefined
    }
  }

  async #begin(): Promise<void> {
    const { start } = this.#deps
    try {
      this.#fromIndex = await feedStart(this.#options.from, start, this.#abort.signal)
      this.#epoch = start.epoch()
    } catch (thrown) {
      this.#finish({ reason: thrown })
    }
  }

  /** @returns whether it follows now */
  #tryToFollow(): boolean {
    try {
      this.#follow()
    } catch (thrown) {
      this.#finish({ reason: thrown })
    }
    return this.#leave !== undefined
  }

  #follow(): void {
    const fromIndex = this.#hasFollowed ? undefined : this.#fromIndex
    this.#hasFollowed = true
    let isLeft = false
    // Frames come from inside this call already, so what leaves may not know how to yet.
    const leave = this.#deps.store.follow(this.#options.topic, fromIndex, (frame) => {
      if (isLeft) return
      if (!this.#accept(frame)) {
        isLeft = true
        this.#leave?.()
        this.#leave = undefined
      }
      this.#wake?.()
    })
    if (isLeft) {
      leave()
      return
    }
    this.#leave = () => {
      isLeft = true
      leave()
    }
    if (fromIndex !== undefined && this.#queue.length === 0) {
      this.#queue.push({ kind: 'bookmark', index: fromIndex, hasLeader: true })
    }
  }

  /** @returns false when the bound is passed: the queue is then empty and the feed must be left */
  #accept(frame: FeedFrame): boolean {
    const items = itemCount(frame)
    // A snapshot stands for all that came before it.
    if (frame.kind === 'snapshot') this.#clear()
    const isTooMuch =
      this.#queue.length >= (this.#options.framesMax ?? QUEUE_FRAMES_MAX) ||
      (this.#queue.length > 0 &&
        this.#queuedItems + items > (this.#options.itemsMax ?? QUEUE_ITEMS_MAX))
    if (isTooMuch) {
      this.#clear()
      return false
    }
    this.#queue.push(frame)
    this.#queuedItems += items
    return true
  }

  #clear(): void {
    this.#queue = []
    this.#queuedItems = 0
  }

  #finish(end: { readonly reason: unknown }): void {
    if (this.#end !== undefined) return
    this.#end = end
    this.#leave?.()
    this.#leave = undefined
    this.#clear()
    this.#abort.abort()
    this.#wake?.()
    this.#deps.onClosed()
  }
}

function itemCount(frame: SubscriptionFrame): number {
  if (frame.kind === 'bookmark') return 0
  return frame.kind === 'snapshot'
    ? frame.items.length
    : frame.upserts.length + frame.deletes.length
}
