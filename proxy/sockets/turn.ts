/**
 * Collects what was written during one turn of the event loop and sends it at its end.
 *
 * All sockets that became readable together are handled in one poll phase; the check phase comes right after
 * it. Flushing there turns the many small frames and heads of a turn into one write per connection.
 */

export interface Flushable {
  flush(): void
}

export class Turn {
  #dirty: Flushable[] = []
  #spare: Flushable[] = []
  #scheduled = false
  readonly #run = (): void => this.#flushAll()

  /** @param item not added twice: the caller remembers that it is waiting */
  add(item: Flushable): void {
    this.#dirty.push(item)
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(this.#run)
  }

  #flushAll(): void {
    const items = this.#dirty
    this.#dirty = this.#spare
    this.#spare = items
    this.#scheduled = false
    for (let i = 0; i < items.length; i++) (items[i] as Flushable).flush()
    items.length = 0
  }
}
