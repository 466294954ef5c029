/**
 * What was heard of the last WINDOW_TIMES Lamport times, so that nothing is taken for new twice (gossip.md 11.4, 11.5).
 *
 * Guarantees: the same (time, key) is 'new' at most once, whatever comes in between; the digest depends on what is
 * remembered and on nothing else. Bounds: ENTRIES_MAX things; at the bound the oldest time is given up, and what comes
 * later of it, or of a time before, is 'old'.
 */

import type { LamportTime } from './messages.ts'
import { hashName, type NameHash } from './state-digest.ts'

export const WINDOW_TIMES = 512
const ENTRIES_MAX = 4096

interface Entry<T> {
  readonly value: T
  readonly hash: NameHash
}

export class RecentWindow<T> {
  readonly #byTime = new Map<LamportTime, Map<string, Entry<T>>>()
  /** What is of an earlier time is not remembered. */
  #from: LamportTime = 0
  #count = 0
  #high = 0
  #low = 0

  get size(): number {
    return this.#count
  }

  get digest(): NameHash {
    return { high: this.#high, low: this.#low }
  }

  has(time: LamportTime, key: string): boolean {
    return this.#byTime.get(time)?.has(key) ?? false
  }

  /** @param clock later than `time`: the window ends before it */
  admit(clock: LamportTime, time: LamportTime, key: string, value: T): 'new' | 'known' | 'old' {
    this.moveTo(clock)
    if (time < this.#from) return 'old'
    if (this.has(time, key)) return 'known'
    if (this.#count >= ENTRIES_MAX) this.#raise(Math.min(...this.#byTime.keys()) + 1)
    if (time < this.#from) return 'old'
    const entries = this.#byTime.get(time) ?? new Map<string, Entry<T>>()
    const hash = hashName(`${time} ${key}`)
    entries.set(key, { value, hash })
    this.#byTime.set(time, entries)
    this.#count++
    this.#toggle(hash)
    return 'new'
  }

  /** The clock has gone on. */
  moveTo(clock: LamportTime): void {
    this.#raise(clock - WINDOW_TIMES)
  }

  /** In order of time. */
  values(): T[] {
    const times = [...this.#byTime.keys()].sort((a, b) => a - b)
    return times.flatMap((time) =>
      Array.from(this.#byTime.get(time)?.values() ?? [], ({ value }) => value),
    )
  }

  #raise(from: LamportTime): void {
    if (from <= this.#from) return
    this.#from = from
    for (const [time, entries] of this.#byTime) {
      if (time >= from) continue
      for (const { hash } of entries.values()) this.#toggle(hash)
      this.#count -= entries.size
      this.#byTime.delete(time)
    }
  }

  #toggle({ high, low }: NameHash): void {
    this.#high = (this.#high ^ high) >>> 0
    this.#low = (this.#low ^ low) >>> 0
  }
}
