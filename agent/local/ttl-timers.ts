/**
 * Deadlines of TTL checks: one timer per check, armed again by every report.
 *
 * Guarantees: `onExpire` is called once per arming, never after `cancel` or `stop`.
 */

import { type Clock, instant, type Timer } from '../../core/time.ts'

export class TtlTimers {
  readonly #clock: Clock
  readonly #onExpire: (checkId: string) => void
  readonly #timers = new Map<string, Timer>()

  constructor(onExpire: (checkId: string) => void, deps: { readonly clock: Clock }) {
    this.#clock = deps.clock
    this.#onExpire = onExpire
  }

  arm(checkId: string, delayMs: number): void {
    this.cancel(checkId)
    const timer = this.#clock.timer(instant(this.#clock.now() + delayMs), () => {
      this.#timers.delete(checkId)
      this.#onExpire(checkId)
    })
    this.#timers.set(checkId, timer)
  }

  cancel(checkId: string): void {
    this.#timers.get(checkId)?.cancel()
    this.#timers.delete(checkId)
  }

  stop(): void {
    for (const timer of this.#timers.values()) timer.cancel()
    this.#timers.clear()
  }
}
