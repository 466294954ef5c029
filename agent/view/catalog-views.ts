/**
 * The views of this agent: one subscription per topic and key, however many parts of the agent hold it.
 *
 * A view nobody holds is kept for `IDLE_KEEP_MS`, so that the next question finds it warm; at most
 * `VIEWS_IDLE_MAX` such views are kept, the longest unheld is dropped first. Views in use are bounded by
 * `VIEWS_MAX`: beyond, `open` throws RATE_LIMITED. Not kept over a restart.
 */

import type { Topic, TopicKey } from '../../core/catalog/feed.ts'
import { FairleadError } from '../../core/errors.ts'
import type { Service } from '../../core/lifecycle.ts'
import { instant, type Timer } from '../../core/time.ts'
import { FeedView, type FeedViewDeps } from './feed-view.ts'
import type { CatalogViews, View } from './types.ts'

export const IDLE_KEEP_MS = 20 * 60_000
export const VIEWS_IDLE_MAX = 512
export const VIEWS_MAX = 8192

type ViewsByTopic = { readonly [T in Topic]: Map<string, FeedView<T>> }

interface IdleView {
  readonly timer: Timer
  drop(): void
}

export class SubscribedViews implements CatalogViews, Service {
  readonly #deps: FeedViewDeps
  readonly #views: ViewsByTopic = {
    health: new Map(),
    connect: new Map(),
    intentions: new Map(),
    roots: new Map(),
    config: new Map(),
    'virtual-ips': new Map(),
  }
  /** In the order in which they became idle. */
  readonly #idle = new Map<object, IdleView>()
  readonly #closing = new Set<Promise<void>>()
  #count = 0
  #isStopped = false

  constructor(deps: FeedViewDeps) {
    this.#deps = deps
  }

  /** @throws FairleadError RATE_LIMITED at `VIEWS_MAX`, SHUTTING_DOWN after `stop` */
  open<T extends Topic>(topic: T, key: string): View<T> {
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
    const view: FeedView<T> = new FeedView<T>({ topic, key }, this.#deps, () =>
      this.#keepIdle({ topic, key }, view),
    )
    this.#views[topic].set(key, view)
    this.#count++
    return view.hold()
  }

  /** Number of live subscriptions, held or idle. */
  get size(): number {
    return this.#count
  }

  async start(): Promise<void> {}

  async drain(): Promise<void> {}

  async stop(): Promise<void> {
    this.#isStopped = true
    for (const idle of this.#idle.values()) idle.timer.cancel()
    this.#idle.clear()
    for (const views of Object.values(this.#views)) {
      for (const view of views.values()) this.#close(view)
      views.clear()
    }
    this.#count = 0
    await Promise.all(this.#closing)
  }

  #keepIdle<T extends Topic>(topicKey: TopicKey<T>, view: FeedView<T>): void {
    if (this.#isStopped) return
    const drop = (): void => {
      this.#takeOutOfIdle(view)
      this.#views[topicKey.topic].delete(topicKey.key)
      this.#count--
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
