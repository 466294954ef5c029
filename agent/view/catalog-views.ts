/**
 * The views of this agent: one subscription per topic and key, however many parts of the agent hold it and however they
 * spell it.
 *
 * A view nobody holds is kept for `IDLE_KEEP_MS`, so that the next question finds it warm; at most
 * `VIEWS_IDLE_MAX` such views are kept, the longest unheld is dropped first. Views in use are bounded by
 * `VIEWS_MAX`: beyond, `open` throws RATE_LIMITED. With a data directory they are kept over a restart
 * (view-files.ts); what gossip knows of failed nodes shows in them at once (failed-nodes.ts).
 */

import type { Topic, TopicKey, Topics } from '../../core/catalog/feed.ts'
import { canonicalKey } from '../../core/catalog/topic-key.ts'
import type { HealthEntry } from '../../core/catalog/types.ts'
import { FairleadError } from '../../core/errors.ts'
import type { Service } from '../../core/lifecycle.ts'
import { instant, type Timer } from '../../core/time.ts'
import type { FailedNodes } from './failed-nodes.ts'
import { FeedView, type FeedViewDeps } from './feed-view.ts'
import type { CatalogViews, View } from './types.ts'
import type { ViewFiles } from './view-files.ts'

export const IDLE_KEEP_MS = 20 * 60_000
export const VIEWS_IDLE_MAX = 512
export const VIEWS_MAX = 8192

type ViewsByTopic = { readonly [T in Topic]: Map<string, FeedView<T>> }

export interface SubscribedViewsDeps extends Omit<FeedViewDeps, 'files'> {
  readonly files?: ViewFiles
  readonly failed?: FailedNodes
}

interface IdleView {
  readonly timer: Timer
  drop(): void
}

export class SubscribedViews implements CatalogViews, Service {
  readonly #deps: SubscribedViewsDeps
  readonly #views: ViewsByTopic = {
    health: new Map(),
    connect: new Map(),
    intentions: new Map(),
    roots: new Map(),
    config: new Map(),
    'virtual-ips': new Map(),
    node: new Map(),
    address: new Map(),
  }
  /** In the order in which they became idle. */
  readonly #idle = new Map<object, IdleView>()
  readonly #closing = new Set<Promise<void>>()
  #count = 0
  #isStopped = false
  #unfollow: (() => void) | undefined

  constructor(deps: SubscribedViewsDeps) {
    this.#deps = deps
  }

  /** @throws FairleadError RATE_LIMITED at `VIEWS_MAX`, SHUTTING_DOWN after `stop` */
  open<T extends Topic>(topic: T, spelling: string): View<T> {
    const key = canonicalKey({ topic, key: spelling })
    if (this.#isStopped) throw new FairleadError('SHUTTING_DOWN', 'The agent is stopping')
    const known = this.#views[topic].get(key)
    if (known !== undefined) {
      this.#takeOutOfIdle(known)
      return known.hold()
    }
    if (this.#count >= VIEWS_MAX) this.#dropLongestIdle()
    if (this.#count >= VIEWS_MAX) {
      throw new FairleadError('RATE_LIMITED', `Already ${VIEWS_MAX} catalog views are in use`)
    }
    const view: FeedView<T> = new FeedView<T>(
      {
        topic: { topic, key },
        shown: (items) => this.#shown(topic, items),
        onIdle: () => this.#keepIdle({ topic, key }, view),
      },
      this.#deps,
    )
    this.#views[topic].set(key, view)
    this.#count++
    return view.hold()
  }

  /** Number of live subscriptions, held or idle. */
  get size(): number {
    return this.#count
  }

  /** How many views no server feeds, and how long ago the oldest of them was last known to be right. */
  get staleness(): { readonly views: number; readonly ageMs: number } {
    let views = 0
    let ageMs = 0
    for (const topic of Object.values(this.#views)) {
      for (const view of topic.values()) {
        if (!view.isReady || !view.isStale) continue
        views += 1
        ageMs = Math.max(ageMs, view.staleMs)
      }
    }
    return { views, ageMs }
  }

  /** @throws FairleadError STORAGE_FAILED */
  async start(): Promise<void> {
    const { files, failed } = this.#deps
    await files?.open()
    failed?.start()
    this.#unfollow = failed?.onChange(() => {
      for (const view of this.#views.health.values()) view.refresh()
      for (const view of this.#views.connect.values()) view.refresh()
    })
  }

  async drain(): Promise<void> {}

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#unfollow?.()
    this.#deps.failed?.stop()
    // While they are fed: what is written then says so.
    for (const views of Object.values(this.#views)) for (const view of views.values()) view.save()
    await this.#deps.files?.flush()
    for (const idle of this.#idle.values()) idle.timer.cancel()
    this.#idle.clear()
    for (const views of Object.values(this.#views)) {
      for (const view of views.values()) this.#close(view)
      views.clear()
    }
    this.#count = 0
    await Promise.all(this.#closing)
  }

  #shown<T extends Topic>(
    topic: T,
    items: ReadonlyMap<string, Topics[T]>,
  ): ReadonlyMap<string, Topics[T]> {
    const { failed } = this.#deps
    if (failed === undefined || (topic !== 'health' && topic !== 'connect')) return items
    // Both topics carry instances, which the compiler cannot conclude from the comparison above.
    const entries = items as ReadonlyMap<string, HealthEntry>
    return failed.shown(entries) as ReadonlyMap<string, Topics[T]>
  }

  #keepIdle<T extends Topic>(topicKey: TopicKey<T>, view: FeedView<T>): void {
    if (this.#isStopped) return
    const drop = (): void => {
      this.#takeOutOfIdle(view)
      this.#views[topicKey.topic].delete(topicKey.key)
      this.#count--
      this.#deps.files?.remove(topicKey)
      this.#close(view)
    }
    const { clock } = this.#deps
    this.#idle.set(view, { timer: clock.timer(instant(clock.now() + IDLE_KEEP_MS), drop), drop })
    if (this.#idle.size > VIEWS_IDLE_MAX) this.#dropLongestIdle()
  }

  #dropLongestIdle(): void {
    for (const idle of this.#idle.values()) {
      idle.drop()
      return
    }
  }

  #takeOutOfIdle(view: object): void {
    this.#idle.get(view)?.timer.cancel()
    this.#idle.delete(view)
  }

  #close(view: { close(): Promise<void> }): void {
    const closing = view.close()
    this.#closing.add(closing)
    void closing.then(() => this.#closing.delete(closing))
  }
}
