/**
 * Who waits for which keys; one call per waiter, at the first of its keys that fires.
 *
 * Prefixes of KV keys are matched by looking up each length in use, so a key costs as many look-ups as
 * there are different prefix lengths among the waiters. Calls are made after all matching waiters were
 * taken out, in the order of registration per key; a call may register again.
 * Bound: WATCHES_MAX pairs of waiter and key; beyond it `watchOnce` throws BUSY and registers nothing.
 */

import { FairleadError } from '../errors.ts'
import type { WatchKey } from './store-api.ts'
import { KV_PREFIX_MARK, kvPrefixWatch } from './watch-keys.ts'

export const WATCHES_MAX = 1_000_000

interface Waiter {
  readonly keys: readonly WatchKey[]
  readonly onChange: () => void
  isDone: boolean
}

export class WatchRegistry {
  readonly #waiters = new Map<WatchKey, Set<Waiter>>()
  /** Length of a watched KV prefix → number of different prefixes of that length. */
  readonly #prefixLengths = new Map<number, number>()
  readonly #watchesMax: number
  #size = 0

  constructor(watchesMax = WATCHES_MAX) {
    this.#watchesMax = watchesMax
  }

  /** Pairs of waiter and key. */
  get size(): number {
    return this.#size
  }

  /** @throws FairleadError BUSY */
  watchOnce(keys: readonly WatchKey[], onChange: () => void): () => void {
    const waiter: Waiter = { keys: [...new Set(keys)], onChange, isDone: false }
    if (this.#size + waiter.keys.length > this.#watchesMax) {
      const text = `Too many blocking queries (limit ${this.#watchesMax} watches)`
      throw new FairleadError('BUSY', text)
    }
    for (const key of waiter.keys) this.#add(key, waiter)
    return () => this.#remove(waiter)
  }

  /** Wakes everyone who waits for one of `keys`, or for a prefix of one of `kvKeys` (order keys). */
  fire(keys: Iterable<WatchKey>, kvKeys: Iterable<string>): void {
    if (this.#size === 0) return
    const woken: Waiter[] = []
    for (const key of keys) this.#take(key, woken)
    for (const kvKey of kvKeys) {
      for (const length of [...this.#prefixLengths.keys()]) {
        if (length <= kvKey.length) this.#take(kvPrefixWatch(kvKey.slice(0, length)), woken)
      }
    }
    for (const waiter of woken) waiter.onChange()
  }

  fireAll(): void {
    const woken: Waiter[] = []
    for (const key of [...this.#waiters.keys()]) this.#take(key, woken)
    for (const waiter of woken) waiter.onChange()
  }

  #take(key: WatchKey, woken: Waiter[]): void {
    const waiters = this.#waiters.get(key)
    if (waiters === undefined) return
    for (const waiter of [...waiters]) {
      woken.push(waiter)
      this.#remove(waiter)
    }
  }

  #add(key: WatchKey, waiter: Waiter): void {
    let waiters = this.#waiters.get(key)
    if (waiters === undefined) {
      waiters = new Set()
      this.#waiters.set(key, waiters)
      this.#countPrefix(key, 1)
    }
    waiters.add(waiter)
    this.#size += 1
  }

  #remove(waiter: Waiter): void {
    if (waiter.isDone) return
    waiter.isDone = true
    for (const key of waiter.keys) {
      const waiters = this.#waiters.get(key)
      waiters?.delete(waiter)
      this.#size -= 1
      if (waiters?.size !== 0) continue
      this.#waiters.delete(key)
      this.#countPrefix(key, -1)
    }
  }

  #countPrefix(key: WatchKey, by: 1 | -1): void {
    if (!key.startsWith(KV_PREFIX_MARK)) return
    const length = key.length - KV_PREFIX_MARK.length
    const total = (this.#prefixLengths.get(length) ?? 0) + by
    if (total === 0) this.#prefixLengths.delete(length)
    else this.#prefixLengths.set(length, total)
  }
}
