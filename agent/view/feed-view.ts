/**
 * One subscription at the servers, shared by any number of holders.
 *
 * Keeps the last items while no server that knows a leader feeds it, and says so (`isStale`); subscribes again
 * from where it was after a back-off with jitter, for as long as it lives, and from nothing when what comes does
 * not fit on what it has. What was saved by an earlier run is shown when no server feeds the view in time.
 * Holders are told of changes once per microtask, after the items have changed. A listener that throws is a bug
 * and ends the process.
 * Bounds: one subscription, two timers; back-off `BACKOFF_MIN_MS` to `BACKOFF_MAX_MS`.
 */

import type { SubscriptionFrame, Topic, TopicKey, Topics } from '../../core/catalog/feed.ts'
import { FairleadError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import type { Rng } from '../../core/rng.ts'
import type { ServerApi, Subscription } from '../../core/rpc/server-api.ts'
import { type Clock, type Instant, instant, type Timer, type WallTime } from '../../core/time.ts'
import { MaterialisedView } from './materialised.ts'
import type { View } from './types.ts'
import type { SavedView, ViewFiles } from './view-files.ts'

export interface FeedViewDeps {
  readonly servers: Pick<ServerApi, 'subscribe'>
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  /** Absent where nothing outlives the process. */
  readonly files?: Pick<ViewFiles, 'load' | 'save'>
}

export interface FeedViewOptions<T extends Topic> {
  readonly topic: TopicKey<T>
  /** What is to be shown instead of the items, or they themselves; asked again after every change. */
  readonly shown: (items: ReadonlyMap<string, Topics[T]>) => ReadonlyMap<string, Topics[T]>
  /** Called whenever the last holder lets go. */
  readonly onIdle: () => void
}

const BACKOFF_MIN_MS = 50
export const BACKOFF_MAX_MS = 10_000
const BACKOFF_BASE_MS = 200
/** So long a server may take before an older answer is better than none; below what DNS waits for. */
export const SAVED_AFTER_MS = 1_000
/** A view that does not change is written again after this, so that its age is about right. */
const SAVED_AGAIN_MS = 3600 * 1000

export class FeedView<T extends Topic> {
  readonly #topic: TopicKey<T>
  readonly #options: FeedViewOptions<T>
  readonly #deps: FeedViewDeps
  readonly #state = new MaterialisedView<T>()
  readonly #holders = new Set<Holder<T>>()
  readonly #ready = Promise.withResolvers<void>()
  readonly #abort = new AbortController()
  readonly #task: Promise<void>
  #subscription: Subscription | undefined
  #isStale = true
  #isReady = false
  /** When a server last said that this is how things are. */
  #confirmedAt: WallTime | undefined
  #shown: ReadonlyMap<string, Topics[T]> | undefined
  #savedTimer: Timer | undefined
  #savedAt: Instant = instant(0)
  /** What is here does not fit on what the servers have. */
  #mustBeginAnew = false
  #isNotifying = false

  constructor(options: FeedViewOptions<T>, deps: FeedViewDeps) {
    this.#topic = options.topic
    this.#options = options
    this.#deps = deps
    // A view that is closed before its first snapshot may have nobody waiting.
    this.#ready.promise.catch(() => {})
    this.#task = this.#run()
  }

  get items(): ReadonlyMap<string, Topics[T]> {
    this.#shown ??= this.#options.shown(this.#state.items)
    return this.#shown
  }

  get index(): number {
    return this.#state.index
  }

  get isReady(): boolean {
    return this.#isReady
  }

  get isStale(): boolean {
    return this.#isStale
  }

  get staleMs(): number {
    if (!this.#isStale) return 0
    const { clock } = this.#deps
    return this.#confirmedAt === undefined ? 0 : Math.max(0, clock.wall() - this.#confirmedAt)
  }

  /** Has the view written, soon. */
  save(): void {
    const { files, clock } = this.#deps
    this.#savedAt = clock.now()
    if (this.#isReady) files?.save(this.#topic, () => this.#image())
  }

  /** What is shown beside the items may have changed. */
  refresh(): void {
    if (!this.#isReady) return
    const before = this.items
    this.#shown = undefined
    if (this.items !== before) this.#notify()
  }

  get isHeld(): boolean {
    return this.#holders.size > 0
  }

  hold(): View<T> {
    const holder = new Holder(this, () => {
      if (this.#holders.delete(holder) && this.#holders.size === 0) this.#options.onIdle()
    })
    this.#holders.add(holder)
    return holder
  }

  async whenReady(signal?: AbortSignal): Promise<void> {
    if (this.#isReady) return
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
    this.#savedTimer?.cancel()
    this.#notFed()
    this.#ready.reject(new FairleadError('SHUTTING_DOWN', 'The catalog view is closed'))
    await this.#task
  }

  async #run(): Promise<void> {
    const { clock, rng } = this.#deps
    const { signal } = this.#abort
    let failures = 0
    if (this.#deps.files !== undefined) await this.#restore(this.#deps.files)
    while (!signal.aborted) {
      const wasFed = await this.#follow()
      this.#notFed()
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

  async #restore(files: Pick<ViewFiles, 'load'>): Promise<void> {
    const { clock, log } = this.#deps
    const saved = await files.load(this.#topic).catch((err: unknown) => {
      log.warn('saved view not readable', { topic: this.#topic.topic, key: this.#topic.key, err })
      return undefined
    })
    if (saved === undefined || this.#abort.signal.aborted) return
    this.#state.restore(saved)
    this.#shown = undefined
    this.#confirmedAt = saved.confirmedAt
    this.#savedTimer = clock.timer(instant(clock.now() + SAVED_AFTER_MS), () => this.#becomeReady())
  }

  #becomeReady(): void {
    this.#savedTimer?.cancel()
    if (this.#isReady) return
    this.#isReady = true
    this.#ready.resolve()
    this.#notify()
  }

  #notFed(): void {
    if (!this.#isStale) this.#confirmedAt = this.#deps.clock.wall()
    this.#isStale = true
  }

  #image(): SavedView<T> | undefined {
    const image = this.#state.image()
    const confirmedAt = this.#isStale ? this.#confirmedAt : this.#deps.clock.wall()
    return image === undefined || confirmedAt === undefined ? undefined : { ...image, confirmedAt }
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
    if (frame.kind === 'bookmark' && !frame.hasLeader) this.#notFed()
    else this.#isStale = false
    const isChanged = outcome === 'changed'
    if (isChanged) this.#shown = undefined
    if (!this.#isReady) this.#becomeReady()
    else if (isChanged) this.#notify()
    if (isChanged || this.#deps.clock.now() - this.#savedAt > SAVED_AGAIN_MS) this.save()
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

  get staleMs(): number {
    return this.#view.staleMs
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
