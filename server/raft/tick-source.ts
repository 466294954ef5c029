/**
 * Turns monotonic time into the core's ticks (Raft specification 1.6).
 *
 * Guarantees that a stalled process does not feed its whole backlog at once: after a pause at most
 * `catchUpMax` ticks are due and the rest is dropped and counted, so that queued messages of a live leader
 * are seen before an election starts. Pure.
 */

import type { Instant } from '../../core/time.ts'

export class TickSource {
  readonly #tickMs: number
  readonly #catchUpMax: number
  #last: number
  #dropped = 0

  constructor(options: {
    readonly tickMs: number
    readonly catchUpMax: number
    readonly now: Instant
  }) {
    this.#tickMs = options.tickMs
    this.#catchUpMax = Math.max(1, options.catchUpMax)
    this.#last = options.now
  }

  /** Ticks dropped by stalls since the start. */
  get dropped(): number {
    return this.#dropped
  }

  /** How many ticks to feed now. */
  due(now: Instant): number {
    const elapsed = Math.floor((now - this.#last) / this.#tickMs)
    if (elapsed <= 0) return 0
    this.#last += elapsed * this.#tickMs
    const fed = Math.min(elapsed, this.#catchUpMax)
    this.#dropped += elapsed - fed
    return fed
  }

  /** Time passed in which ticks had no meaning. */
  skipTo(now: Instant): void {
    this.#last = now
  }
}
