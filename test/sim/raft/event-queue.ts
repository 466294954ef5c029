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
    const event = { at: this.#now + Math.max(0, Math.round(delay)), seq: this.#seq++, run }
    const heap = this.#heap
    let child = heap.push(event) - 1
    while (child > 0) {
      const parent = (child - 1) >> 1
      const above = heap[parent] as Scheduled
      if (!isBefore(event, above)) break
      heap[child] = above
      child = parent
    }
    heap[child] = event
  }

  /** Runs the next event. @returns false when there is none */
  step(): boolean {
    const heap = this.#heap
    const next = heap[0]
    if (next === undefined) return false
    const last = heap.pop() as Scheduled
    if (heap.length > 0) this.#sink(last)
    this.#now = next.at
    next.run()
    return true
  }

  /** Puts `event` at the top and lets it find its place. */
  #sink(event: Scheduled): void {
    const heap = this.#heap
    let parent = 0
    for (;;) {
      let child = 2 * parent + 1
      const left = heap[child]
      if (left === undefined) break
      const right = heap[child + 1]
      let least = left
      if (right !== undefined && isBefore(right, left)) {
        least = right
        child++
      }
      if (!isBefore(least, event)) break
      heap[parent] = least
      parent = child
    }
    heap[parent] = event
  }
}

function isBefore(x: Scheduled, y: Scheduled): boolean {
  return x.at !== y.at ? x.at < y.at : x.seq < y.seq
}
