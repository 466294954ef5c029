/**
 * Idle limits and deadlines for all connections and exchanges with one timer: a coarse tick of one second.
 *
 * Activity costs one store (`entry.lastTick = sweep.tick`). Guarantees: an entry is told at the earliest when
 * its limit has passed, at the latest two ticks after. Cost: one pass over all entries per tick.
 */

import { type Clock, instant, type Timer } from '../../core/time.ts'

export const TICK_MS = 1000

export interface Swept {
  /** Called each tick; the entry compares its own marks with `tick`. */
  onTick(tick: number): void
}

/** Ticks after which `ms` have certainly passed. */
export function ticksOf(ms: number): number {
  return Math.ceil(ms / TICK_MS) + 1
}

export class IdleSweep {
  /** Seconds since start, roughly; read it to mark activity. */
  tick = 0
  readonly #clock: Clock
  readonly #entries = new Set<Swept>()
  #timer: Timer | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  start(): void {
    this.#arm()
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  add(entry: Swept): void {
    this.#entries.add(entry)
  }

  remove(entry: Swept): void {
    this.#entries.delete(entry)
  }

  #arm(): void {
    this.#timer = this.#clock.timer(instant(this.#clock.now() + TICK_MS), () => {
      this.tick++
      for (const entry of this.#entries) entry.onTick(this.tick)
      if (this.#timer !== undefined) this.#arm()
    })
  }
}
