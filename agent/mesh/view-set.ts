/**
 * The views of one topic that are wanted now, by name: opened when a name appears, released when it goes.
 */

import type { Topic, Topics } from '../../core/catalog/feed.ts'
import type { CatalogViews, View } from '../view/types.ts'

interface Held<T extends Topic> {
  readonly view: View<T>
  readonly unsubscribe: () => void
}

export class ViewSet<T extends Topic> {
  readonly #topic: T
  readonly #views: CatalogViews
  readonly #onChange: () => void
  readonly #held = new Map<string, Held<T>>()

  constructor(topic: T, views: CatalogViews, onChange: () => void) {
    this.#topic = topic
    this.#views = views
    this.#onChange = onChange
  }

  /** True when every wanted view has had its first snapshot. */
  get isReady(): boolean {
    for (const { view } of this.#held.values()) if (!view.isReady) return false
    return true
  }

  want(names: ReadonlySet<string>): void {
    for (const name of names) {
      if (this.#held.has(name)) continue
      const view = this.#views.open(this.#topic, name)
      this.#held.set(name, { view, unsubscribe: view.onChange(this.#onChange) })
    }
    for (const [name, held] of this.#held) {
      if (names.has(name)) continue
      this.#held.delete(name)
      held.unsubscribe()
      held.view.release()
    }
  }

  /** By name, of the views that are ready; the others are left out. */
  values<R>(read: (items: Iterable<Topics[T]>) => R): Map<string, R> {
    const values = new Map<string, R>()
    for (const [name, { view }] of this.#held) {
      if (view.isReady) values.set(name, read(view.items().values()))
    }
    return values
  }

  close(): void {
    this.want(new Set())
  }
}
