/**
 * How long an endpoint takes to answer: a moving average that jumps to every peak and forgets with time (mesh.md 10.3).
 * Pure: time comes in as an argument.
 *
 * With nothing observed the estimate decays towards zero, so that one that was slow is tried again. Before the first
 * observation it is INITIAL_MS. Guarantees: a cost is never below FLOOR_MS, so that noise below it decides nothing.
 */

import type { Instant } from '../time.ts'

const INITIAL_MS = 30
const FLOOR_MS = 1
const DECAY_MS = 10_000

export class PeakEwma {
  #estimateMs = INITIAL_MS
  #at: number

  constructor(now: Instant) {
    this.#at = now
  }

  observe(now: Instant, tookMs: number): void {
    if (tookMs > this.#decayed(now)) {
      this.#estimateMs = tookMs
    } else {
      const keep = Math.exp(-(now - this.#at) / DECAY_MS)
      this.#estimateMs = this.#estimateMs * keep + tookMs * (1 - keep)
    }
    this.#at = now
  }

  /** @param pending exchanges under way there */
  cost(now: Instant, pending: number): number {
    return Math.max(FLOOR_MS, this.#decayed(now)) * (pending + 1)
  }

  #decayed(now: Instant): number {
    const idleMs = now - this.#at
    return idleMs <= 0 ? this.#estimateMs : this.#estimateMs * Math.exp(-idleMs / DECAY_MS)
  }
}
