/**
 * Calls that are due at an instant, in order of their instants, ties in order of arming. Pure: time is handed in.
 *
 * Guarantees: a cancelled call never runs; a call runs once, when `runDue` is given its instant or a later one;
 * calls armed meanwhile and due already run in the same `runDue`.
 * Bounds: as many as its users arm: a few for each member.
 */

import type { Instant } from '../time.ts'

export interface SwimTimer {
  cancel(): void
}

interface Entry extends SwimTimer {
  readonly at: Instant
  readonly order: number
  run: (() => void) | null
}

export class TimerQueue {
  /** A binary heap; cancelled entries stay until they come to the top. */
  readonly #heap: Entry[] = []
  #order = 0

  at(at: Instant, run: () => void): SwimTimer {
    const entry: Entry = {
      at,
      order: this.#order++,
      run,
      cancel: () => {
        entry.run = null
      },
    }
    this.#push(entry)
    return entry
  }

  /** When the next call is due; null when there is none. */
  get next(): Instant | null {
    for (let top = this.#heap[0]; top !== undefined; top = this.#heap[0]) {
      if (top.run !== null) return top.at
      this.#pop()
    }
    return null
  }

  runDue(now: Instant): void {
    for (let next = this.next; next !== null && next <= now; next = this.next) {
      const entry = this.#pop()
      const run = entry?.run
      if (entry !== undefined) entry.run = null
      run?.()
    }
  }

  #push(entry: Entry): void {
    const heap = this.#heap
    let child = heap.push(entry) - 1
    while (child > 0) {
      const parent = (child - 1) >> 1
      const above = heap[parent]
      if (above === undefined || !isBefore(entry, above)) break
      heap[child] = above
      child = parent
    }
    heap[child] = entry
  }

  #pop(): Entry | undefined {
    const heap = this.#heap
    const top = heap[0]
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return top
    let parent = 0
    for (;;) {
      let child = 2 * parent + 1
      const left = heap[child]
      if (left === undefined) break
      const right = heap[child + 1]
      let least = left
      if (right !== undefined && isBefore(right, left)) {
        child++
        least = right
      }
      if (!isBefore(least, last)) break
      heap[parent] = least
      parent = child
    }
    heap[parent] = last
    return top
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.at === b.at ? a.order < b.order : a.at < b.at
}
