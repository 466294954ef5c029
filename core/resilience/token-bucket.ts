/**
 * A local rate limit (mesh.md 10.9): tokens come in at a constant rate up to a maximum, each request takes one. Pure: time
 * comes in as an argument.
 */

import type { Instant } from '../time.ts'

export interface RateLimit {
  /** Above 0. */
  readonly requestsPerSecond: number
  /** From 1. */
  readonly burst: number
}

export class TokenBucket {
  readonly #limit: RateLimit
  #tokens: number
  #at: number

  constructor(limit: RateLimit, now: Instant) {
    this.#limit = limit
    this.#tokens = limit.burst
    this.#at = now
  }

  /** @returns false when none is left */
  take(now: Instant): boolean {
    const { requestsPerSecond, burst } = this.#limit
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#at) / 1000) * requestsPerSecond)
    this.#at = now
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }
}
