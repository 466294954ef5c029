/**
 * The taps that are open: each gets the requests it asks for, at most so many a second.
 */

import type { ExchangeRecord } from '../../core/exchange/record.ts'
import { type TapEvent, type TapFilter, tapEvent, tapMatches } from '../../core/exchange/tap.ts'
import type { ExchangeWatch } from './exchange-watch.ts'

/** @param skipped requests that were not told since the last, for being too many */
export type TapSink = (event: TapEvent, skipped: number) => boolean

interface OpenTap {
  readonly filter: TapFilter
  readonly sink: TapSink
  second: number
  told: number
  skipped: number
}

/** Taps that are open at once. */
export const TAPS_MAX = 16

export class Taps {
  dropped = 0
  readonly #open = new Map<number, OpenTap>()

  get isEmpty(): boolean {
    return this.#open.size === 0
  }

  /** @returns false when there are too many */
  add(id: number, filter: TapFilter, sink: TapSink): boolean {
    if (this.#open.size >= TAPS_MAX) return false
    this.#open.set(id, { filter, sink, second: 0, told: 0, skipped: 0 })
    return true
  }

  remove(id: number): void {
    this.#open.delete(id)
  }

  clear(): void {
    this.#open.clear()
  }

  tell(record: ExchangeRecord, watch: ExchangeWatch, nowMs: number): void {
    const second = Math.floor(nowMs / 1000)
    for (const tap of this.#open.values()) {
      if (!tapMatches(tap.filter, record)) continue
      if (tap.second !== second) {
        tap.second = second
        tap.told = 0
      }
      if (tap.told >= tap.filter.maxPerSecond) {
        tap.skipped++
        continue
      }
      tap.told++
      const fields = tap.filter.withFields ? watch.requestFields : undefined
      if (tap.sink(tapEvent(record, fields), tap.skipped)) tap.skipped = 0
      else {
        tap.skipped++
        this.dropped++
      }
    }
  }
}
