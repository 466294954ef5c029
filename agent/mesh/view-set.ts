/**
 * The views of one topic that are wanted now, by name: opened when a name appears, released when it goes.
 *
 * What is read out of a view is the same object until the view says that it has changed.
 */

import type { Topic, Topics } from '../../core/catalog/feed.ts'
import type { CatalogViews, View } from '../view/types.ts'

export interface ViewSetOptions<T extends Topic, R extends object> {
  readonly topic: T
  readonly read: (items: Iterable<Topics[T]>) => R
  readonly onChange: () => void
}

interface Held<T extends Topic, R> {
  readonly view: View<T>
  unsubscribe: () => void
  /** Undefined since the last change. */
  value: R | undefined
}

export class ViewSet<T extends Topic, R extends object> {
  readonly #options: ViewSetOptions<T, R>
  readonly #views: CatalogViews
  readonly #held = new Map<string, Held<T, R>>()

  constructor(options: ViewSetOptions<T, R>, views: CatalogViews) {
    this.#options = options
    this.#views = views
  }

  /** True when every wanted view has had its first snapshot. */
  get isReady(): boolean {
    for (const { view } of this.#held.values()) if (!view.isReady) return false
    return true
  }

  want(names: ReadonlySet<string>): void {
    for (const name of names) if (!this.#held.has(name)) this.#hold(name)
    for (const [name, held] of this.#held) {
      if (names.has(name)) continue
      this.#held.delete(name)
      held.unsubscribe()
      held.view.release()
    }
  }

  /** By name, of the views that are ready; the others are left out. */
  values(): Map<string, R> {
    const values = new Map<string, R>()
    for (const [name, held] of this.#held) {
      if (!held.view.isReady) continue
      held.value ??= this.#options.read(held.view.items().values())
      values.set(name, held.value)
    }
    return values
  }

  close(): void {
    this.want(new Set())
  }

  #hold(name: string): void {
    const { topic, onChange } = this.#options
    const view = this.#views.open(topic, name)
    const held: Held<T, R> = { view, unsubscribe: () => {}, value: undefined }
    held.unsubscribe = view.onChange(() => {
      held.value = undefined
      onChange()
    })
    this.#held.set(name, held)
  }
}
