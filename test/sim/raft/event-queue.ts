/**
 * Virtual time for the simulator: a binary heap on (time, sequence), so that ties are broken by order.
 */

interface Scheduled {
  readonly at: number
  readonly seq: number
  readonly run: () => void
}

export class EventQueue {
  readonly #heap: Scheduled[] = []
  #now = 0
  #seq = 0

  /** Virtual microseconds. */
  get now(): number {
    return this.#now
  }

  after(delay: number, run: () => void): void {
    this.#heap.push({ at: this.#now + Math.max(0, Math.round(delay)), seq: this.#seq++, run })
    let child = this.#heap.length - 1
    while (child > 0) {
      const parent = (child - 1) >> 1
      if (!this.#less(child, parent)) break
      this.#swap(child, parent)
      child = parent
    }
  }

  /** Runs the next event. @returns false when there is none */
  step(): boolean {
    const next = this.#heap[0]
    if (next === undefined) return false
    const last = this.#heap.pop() as Scheduled
    if (this.#heap.length > 0) {
      this.#heap[0] = last
      this.#sink()
    }
    this.#now = next.at
    next.run()
    return true
  }

  #sink(): void {
    let parent = 0
    for (;;) {
      let least = parent
      for (const child of [2 * parent + 1, 2 * parent + 2]) {
        if (child < this.#heap.length && this.#less(child, least)) least = child
      }
      if (least === parent) return
      this.#swap(parent, least)
      parent = least
    }
  }

  #less(i: number, j: number): boolean {
    const x = this.#heap[i] as Scheduled
    const y = this.#heap[j] as Scheduled
    return x.at !== y.at ? x.at < y.at : x.seq < y.seq
  }

  #swap(i: number, j: number): void {
    const kept = this.#heap[i] as Scheduled
    this.#heap[i] = this.#heap[j] as Scheduled
    this.#heap[j] = kept
  }
}
