/**
 * When a check's results change its status: success and failure counters (http-api.md 10.4). Pure.
 *
 * Guarantees: the first result always takes effect, since the counters start at their thresholds; with
 * thresholds of 0 every result does. Not for ttl and alias checks, nor for a script that timed out.
 */

import type { CheckStatus } from '../catalog/types.ts'

export interface Thresholds {
  readonly successBeforePassing: number
  readonly failuresBeforeWarning: number
  readonly failuresBeforeCritical: number
}

export class ThresholdCounter {
  readonly #thresholds: Thresholds
  #successes: number
  #failures: number

  constructor(thresholds: Thresholds) {
    this.#thresholds = thresholds
    this.#successes = thresholds.successBeforePassing
    this.#failures = thresholds.failuresBeforeCritical
  }

  /** @returns the status to store, or undefined when the old one stays */
  observe(result: CheckStatus): CheckStatus | undefined {
    if (result !== 'critical') {
      this.#successes++
      this.#failures = 0
      return this.#successes >= this.#thresholds.successBeforePassing ? result : undefined
    }
    this.#failures++
    this.#successes = 0
    if (this.#failures >= this.#thresholds.failuresBeforeCritical) return 'critical'
    if (this.#failures >= this.#thresholds.failuresBeforeWarning) return 'warning'
    return undefined
  }
}
