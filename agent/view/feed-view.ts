/**
 * One subscription at the servers, shared by any number of holders.
 *
 * Keeps the last items while no server that knows a leader feeds it, and says so (`isStale`); subscribes again
 * from where it was after a back-off with jitter, for as long as it lives, and from nothing when what comes does
 * not fit on what it has. Holders are told of changes once per microtask,
 * after the items have changed. A listener that throws is a bug and ends the process.
 * Bounds: one subscription, one timer; back-off `BACKOFF_MIN_MS` to `BACKOFF_MAX_MS`.
 */

import type { SubscriptionFrame, Topic, TopicKey, Topics } from '../../core/catalog/feed.ts'
import { FairleadError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import type { Rng } from '../../core/rng.ts'
import type { ServerApi, Subscription } from '../../core/rpc/server-api.ts'
import type { Clock } from '../../core/time.ts'
import { MaterialisedView } from './materialised.ts'
import type { View } from './types.ts'

export interface FeedViewDeps {
  readonly servers: Pick<ServerApi, 'subscribe'>
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
}

const BACKOFF_MIN_MS = 50
export const BACKOFF_MAX_MS = 10_000
const BACKOFF_BASE_MS = 200

export class FeedView<T extends Topic> {
  readonly #topic: TopicKey<T>
  readonly #deps: FeedViewDeps
  readonly #onIdle: () => void
  readonly #state = new MaterialisedView<T>()
  readonly #holders = new Set<Holder<T>>()
  readonly #ready = Promise.withResolvers<void>()
  readonly #abort = new AbortController()
  readonly #task: Promise<void>
  #subscription: Subscription | undefined
  #isStale = true
  /** What is here does not fit on what the servers have. */
  #mustBeginAnew = false
  #isNotifying = false

  /** @param onIdle called whenever the last holder lets go */
  constructor(topic: TopicKey<T>, deps: FeedViewDeps, onIdle: () => void) {
    this.#topic = topic
    this.#deps = deps
    this.#onIdle = onIdle
    // A view that is closed before its first snapshot may have nobody waiting.
    this.#ready.promise.catch(() => {})
    this.#task = this.#run()
  }

  get items(): ReadonlyMap<string, Topics[T]> {
    return this.#state.items
  }

  get index(): number {
    return this.#state.index
  }

  get isReady(): boolean {
    return this.#state.isReady
  }

  get isStale(): boolean {
    return this.#isStale
  }

  get isHeld(): boolean {
    return this.#holders.size > 0
  }

  hold(): View<T> {
    const holder = new Holder(this, () => {
      if (this.#holders.delete(holder) && this.#holders.size === 0) this.#onIdle()
    })
    this.#holders.add(holder)
    return holder
  }

  async whenReady(signal?: AbortSignal): Promise<void> {
    if (this.#state.isReady) return
    if (signal === undefined) return this.#ready.promise
    signal.throwIfAborted()
    const aborted = Promise.withResolvers<never>()
    const onAbort = (): void => aborted.reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      await Promise.race([this.#ready.promise, aborted.promise])
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** Ends the subscription; the items stay readable. Resolves when nothing of this view runs any more. */
  async close(): Promise<void> {
    this.#abort.abort()
    this.#subscription?.close()
    this.#isStale = true
    this.#ready.reject(new FairleadError('SHUTTING_DOWN', 'The catalog view is closed'))
    await this.#task
  }

  async #run(): Promise<void> {
    const { clock, rng } = this.#deps
    const { signal } = this.#abort
    let failures = 0
    while (!signal.aborted) {
      const wasFed = await this.#follow()
      this.#isStale = true
      failures = wasFed ? 0 : failures + 1
      const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_BASE_MS * 2 ** Math.min(failures, 16))
      const delayMs = Math.max(BACKOFF_MIN_MS, rng.float() * ceiling)
      try {
        await clock.sleep(delayMs, signal)
      } catch {
        return // closed while waiting
      }
    }
  }

  /** Follows one subscription to its end. @returns whether it delivered anything */
  async #follow(): Promise<boolean> {
    const { log, servers } = this.#deps
    let wasFed = false
    try {
      const from = this.#mustBeginAnew ? undefined : this.#state.position
      this.#mustBeginAnew = false
      const subscription = servers.subscribe(this.#topic, from)
      this.#subscription = subscription
      for await (const frame of subscription) {
        if (this.#abort.signal.aborted) break
        // The feed of a topic carries that topic's items: the one place where this is taken on trust.
        if (!this.#apply(frame as SubscriptionFrame<T>, subscription.epoch)) break
        wasFed = true
      }
    } catch (err) {
      log.debug('subscription ended', { topic: this.#topic.topic, key: this.#topic.key, err })
    } finally {
      this.#subscription?.close()
      this.#subscription = undefined
    }
    return wasFed
  }

  /** @returns false when this subscription is of no use */
  #apply(frame: SubscriptionFrame<T>, epoch: string): boolean {
    const outcome = this.#state.apply(frame, epoch)
    if (outcome === 'missed' || outcome === 'behind') {
      const { topic, key } = this.#topic
      this.#deps.log.warn('a feed does not go on where this view is', { topic, key, outcome })
      this.#mustBeginAnew = outcome === 'missed'
      return false
    }
    this.#isStale = frame.kind === 'bookmark' && !frame.hasLeader
    this.#ready.resolve()
    if (outcome === 'changed') this.#notify()
    return true
  }

  #notify(): void {
    if (this.#isNotifying) return
    this.#isNotifying = true
    queueMicrotask(() => {
      this.#isNotifying = false
      if (this.#abort.signal.aborted) return
      for (const holder of this.#holders) holder.changed()
    })
  }
}

/** One holder's claim; its listeners die with it. */
class Holder<T extends Topic> implements View<T> {
  readonly #view: FeedView<T>
  readonly #onRelease: () => void
  readonly #listeners = new Set<() => void>()
  #isReleased = false

  constructor(view: FeedView<T>, onRelease: () => void) {
    this.#view = view
    this.#onRelease = onRelease
  }

  ready(signal?: AbortSignal): Promise<void> {
    return this.#view.whenReady(signal)
  }

  get isReady(): boolean {
    return this.#view.isReady
  }

  get isStale(): boolean {
    return this.#view.isStale
  }

  get index(): number {
    return this.#view.index
  }

  items(): ReadonlyMap<string, Topics[T]> {
    return this.#view.items
  }

  onChange(listener: () => void): () => void {
    if (this.#isReleased) return () => {}
    const entry = (): void => listener()
    this.#listeners.add(entry)
    return () => void this.#listeners.delete(entry)
  }

  release(): void {
    if (this.#isReleased) return
    this.#isReleased = true
    this.#listeners.clear()
    this.#onRelease()
  }

  changed(): void {
    for (const listener of this.#listeners) listener()
  }
}
