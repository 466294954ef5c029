/**
 * Warnings about what repeats many times a second: each is logged once in a while, with how often it came.
 *
 * Two warnings are the same when their sentence and peer are. Bound: KEYS_MAX remembered; beyond it all are
 * forgotten, and may be logged again.
 */

import type { LogFacts, Logger } from '../../core/log.ts'
import type { Clock } from '../../core/time.ts'

const INTERVAL_MS = 10_000
const KEYS_MAX = 256

export class RareWarnings {
  readonly #clock: Clock
  readonly #log: Logger
  readonly #seen = new Map<string, { at: number; suppressed: number }>()

  constructor(deps: { readonly clock: Clock; readonly log: Logger }) {
    this.#clock = deps.clock
    this.#log = deps.log
  }

  warn(message: string, facts: LogFacts): void {
    const key = `${message} ${String(facts['peer'] ?? '')}`
    const now = this.#clock.now()
    const seen = this.#seen.get(key)
    if (seen !== undefined && now - seen.at < INTERVAL_MS) {
      seen.suppressed += 1
      return
    }
    if (this.#seen.size >= KEYS_MAX) this.#seen.clear()
    this.#seen.set(key, { at: now, suppressed: 0 })
    const repeats = seen?.suppressed ?? 0
    this.#log.warn(message, repeats === 0 ? facts : { ...facts, suppressed: repeats })
  }
}
