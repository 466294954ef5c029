/**
 * Short-term avoidance of an endpoint that could not be reached. Pure: time comes in as an argument.
 *
 * After a failure the endpoint is avoided for AVOID_FIRST_MS, doubling with each further failure in a row up to
 * AVOID_MAX_MS; one success forgets all of it. Avoided means "others first", never "not at all": whoever
 * picks falls back on avoided endpoints when there is no other. Health from the catalog stays the authority;
 * this only bridges the time until it knows.
 */

import type { Instant } from '../time.ts'

export const AVOID_FIRST_MS = 1000
export const AVOID_MAX_MS = 30_000

export class Avoidance {
  #failures = 0
  #until = Number.NEGATIVE_INFINITY

  /** Whether failures in a row have been seen; when false, `isAvoided` is false at any time. */
  get hasFailed(): boolean {
    return this.#failures > 0
  }

  failed(now: Instant): void {
    // Attempts that were under way together fail together: they count once.
    if (now < this.#until) return
    this.#until = now + Math.min(AVOID_MAX_MS, AVOID_FIRST_MS * 2 ** this.#failures)
    this.#failures++
  }

  succeeded(): void {
    this.#failures = 0
    this.#until = Number.NEGATIVE_INFINITY
  }

  isAvoided(now: Instant): boolean {
    return now < this.#until
  }
}
