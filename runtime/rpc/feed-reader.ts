/**
 * One subscription of an agent: frames as they come, as an async iterable for one consumer.
 *
 * Guarantees: begins with a snapshot or the position it was resumed from; frames that were on their way for an
 * earlier subscription to the same topic are passed over. What was received before an error is read before it.
 * Bound: FRAMES_MAX unread frames; beyond it ends with BUSY, and who reads it subscribes again.
 */

import type { FeedPosition, SubscriptionFrame, TopicKey } from '../../core/catalog/feed.ts'
import { FairleadError } from '../../core/errors.ts'
import type { Subscription } from '../../core/rpc/server-api.ts'

const FRAMES_MAX = 16_384

export interface FeedReaderOptions {
  readonly topic: TopicKey
  readonly from: FeedPosition | undefined
}

interface FeedReaderDeps {
  readonly onBegin: (reader: FeedReader) => void
  readonly onClose: (reader: FeedReader) => void
}

export class FeedReader implements Subscription {
  readonly topic: TopicKey
  readonly from: FeedPosition | undefined
  readonly #deps: FeedReaderDeps
  #epoch = ''
  #frames: SubscriptionFrame[] = []
  #hasBegun = false
  #isAsked = false
  #end: { readonly error: FairleadError | undefined } | undefined
  #wake: (() => void) | undefined

  constructor(options: FeedReaderOptions, deps: FeedReaderDeps) {
    this.topic = options.topic
    this.from = options.from
    this.#deps = deps
  }

  get epoch(): string {
    return this.#epoch
  }

  /** The server has said where it begins. */
  get hasBegun(): boolean {
    return this.#hasBegun
  }

  begin(epoch: string, first: SubscriptionFrame): void {
    this.#hasBegun = true
    this.#epoch = epoch
    this.push(first)
  }

  push(frame: SubscriptionFrame): void {
    if (this.#end !== undefined) return
    const last = this.#frames.at(-1)
    // Of two bookmarks in a row the second says it all.
    if (frame.kind === 'bookmark' && last?.kind === 'bookmark') this.#frames.pop()
    if (this.#frames.length >= FRAMES_MAX) {
      this.end(new FairleadError('BUSY', `More than ${FRAMES_MAX} changes wait to be read`))
      return
    }
    this.#frames.push(frame)
    this.#wake?.()
  }

  /** Idempotent. */
  end(error: FairleadError): void {
    this.#finish(error)
  }

  close(): void {
    this.#frames = []
    this.#finish(undefined)
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
    if (!this.#isAsked && this.#end === undefined) {
      this.#isAsked = true
      this.#deps.onBegin(this)
    }
    for (;;) {
      const frame = this.#frames.shift()
      if (frame !== undefined) return { done: false, value: frame }
      if (this.#end !== undefined) {
        if (this.#end.error !== undefined) throw this.#end.error
        return { done: true, value: undefined }
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      this.#wake = undefined
    }
  }

  #finish(error: FairleadError | undefined): void {
    if (this.#end !== undefined) return
    this.#end = { error }
    this.#deps.onClose(this)
    this.#wake?.()
  }
}
