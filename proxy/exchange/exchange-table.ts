/**
 * Exchanges of a connection by id: an open-addressing hash table that makes no garbage.
 *
 * A Map would do, but with thousands of insertions and deletions a second it leaves a chain of discarded
 * tables behind, each keeping its dead entries alive until the next full collection: measured as a kilobyte
 * a request promoted to the old generation, and a tenth of the proxy's time in the collector. Ids are positive;
 * deletion closes gaps, so look-ups stay short. Bounds: grows to twice the exchanges it holds at most.
 */

const CAPACITY_FIRST = 64

export class ExchangeTable<T> {
  #ids = new Int32Array(CAPACITY_FIRST)
  #values: (T | undefined)[] = new Array<T | undefined>(CAPACITY_FIRST).fill(undefined)
  #mask = CAPACITY_FIRST - 1
  #size = 0

  get size(): number {
    return this.#size
  }

  get(id: number): T | undefined {
    const ids = this.#ids
    let slot = id & this.#mask
    for (;;) {
      const found = ids[slot] as number
      if (found === id) return this.#values[slot]
      if (found === 0) return undefined
      slot = (slot + 1) & this.#mask
    }
  }

  /** @param id positive and not in the table */
  set(id: number, value: T): void {
    if ((this.#size + 1) * 2 > this.#mask + 1) this.#grow()
    let slot = id & this.#mask
    while (this.#ids[slot] !== 0) slot = (slot + 1) & this.#mask
    this.#ids[slot] = id
    this.#values[slot] = value
    this.#size++
  }

  delete(id: number): void {
    const ids = this.#ids
    let slot = id & this.#mask
    while (ids[slot] !== id) {
      if (ids[slot] === 0) return
      slot = (slot + 1) & this.#mask
    }
    this.#size--
    this.#closeGap(slot)
  }

  clear(): void {
    this.#ids.fill(0)
    this.#values.fill(undefined)
    this.#size = 0
  }

  /** The exchanges at this moment, in no particular order. */
  values(): T[] {
    return this.#values.filter((value): value is T => value !== undefined)
  }

  /** Moves back what was pushed past the freed slot, so that searches need no tombstones. */
  #closeGap(freed: number): void {
    const ids = this.#ids
    let gap = freed
    let slot = gap
    for (;;) {
      slot = (slot + 1) & this.#mask
      const id = ids[slot] as number
      if (id === 0) break
      const home = id & this.#mask
      const isBeforeGap = ((slot - home) & this.#mask) >= ((slot - gap) & this.#mask)
      if (!isBeforeGap) continue
      ids[gap] = id
      this.#values[gap] = this.#values[slot]
      gap = slot
    }
    ids[gap] = 0
    this.#values[gap] = undefined
  }

  #grow(): void {
    const ids = this.#ids
    const values = this.#values
    const capacity = (this.#mask + 1) * 2
    this.#ids = new Int32Array(capacity)
    this.#values = new Array<T | undefined>(capacity).fill(undefined)
    this.#mask = capacity - 1
    this.#size = 0
    for (let i = 0; i < ids.length; i++) {
      if (ids[i] !== 0) this.set(ids[i] as number, values[i] as T)
    }
  }
}
