/**
 * A feed driven by the test: pushes frames into whatever is subscribed.
 */

import assert from 'node:assert/strict'
import type { FeedPosition, SubscriptionFrame, TopicKey } from '../../../../core/catalog/feed.ts'
import type { Subscription } from '../../../../core/rpc/server-api.ts'

export class Feed {
  readonly subscriptions: FakeSubscription[] = []

  subscribe(topic: TopicKey, from?: FeedPosition): Subscription {
    const subscription = new FakeSubscription(topic, from)
    this.subscriptions.push(subscription)
    return subscription
  }

  get last(): FakeSubscription {
    const last = this.subscriptions.at(-1)
    assert.ok(last !== undefined, 'nothing is subscribed')
    return last
  }
}

class FakeSubscription implements Subscription {
  readonly topic: TopicKey
  readonly from: FeedPosition | undefined
  epoch = 'e/1'
  isClosed = false
  readonly #frames: SubscriptionFrame[] = []
  #failure: Error | undefined
  #wake = (): void => {}

  constructor(topic: TopicKey, from: FeedPosition | undefined) {
    this.topic = topic
    this.from = from
  }

  push(frame: SubscriptionFrame): void {
    this.#frames.push(frame)
    this.#wake()
  }

  fail(): void {
    this.#failure = new Error('connection lost')
    this.#wake()
  }

  close(): void {
    this.isClosed = true
    this.#wake()
  }

  async *[Symbol.asyncIterator](): AsyncIterator<SubscriptionFrame> {
    for (;;) {
      const frame = this.#frames.shift()
      if (frame !== undefined) yield frame
      else if (this.isClosed) return
      else if (this.#failure !== undefined) throw this.#failure
      else await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }
}

/** Lets everything that is due now run once. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
