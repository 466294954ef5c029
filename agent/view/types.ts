/**
 * Local views of the catalog: what DNS answers and proxy configuration are built from.
 *
 * One subscription per topic however many watchers; a view keeps its last value when servers are away.
 */

import type { Topic, Topics } from '../../core/catalog/feed.ts'

export interface View<T extends Topic> {
  /** Resolves at the first snapshot; rejects when the signal aborts first. */
  ready(signal?: AbortSignal): Promise<void>
  readonly isReady: boolean
  /** True while no server feeds the view; its items are then the last known. */
  readonly isStale: boolean
  /** How long ago a server last confirmed the items; 0 while one feeds the view. */
  readonly staleMs: number
  readonly index: number
  /** In order of their ids, as the servers order them. */
  items(): ReadonlyMap<string, Topics[T]>
  onChange(listener: () => void): () => void
  /** Gives this holder's claim back; the subscription ends some time after the last one. Idempotent. */
  release(): void
}

export interface CatalogViews {
  open<T extends Topic>(topic: T, key: string): View<T>
}
