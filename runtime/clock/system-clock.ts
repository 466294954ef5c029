/**
 * The real clock: the only place outside tests that reads time or arms timers of the platform.
 *
 * `now()` is `performance.now()` (CLOCK_MONOTONIC). Timers do not keep the process alive by themselves
 * less than others do: a service that stops must cancel its own. None of them fires before its time: the platform's
 * own come up to a millisecond early, which would let an election or a lease begin before it may.
 */

import { setTimeout as sleepTimeout } from 'node:timers/promises'
import type { Clock, Instant, Timer, WallTime } from '../../core/time.ts'
import { instant, wallTime } from '../../core/time.ts'

/** Longest delay that the platform's timers take (2^31 - 1 ms); longer ones are re-armed. */
const TIMER_MAX_MS = 2_147_483_647

export const systemClock: Clock = {
  now: (): Instant => instant(performance.now()),
  wall: (): WallTime => wallTime(Date.now()),
  timer: (at: Instant, fn: () => void): Timer => new SystemTimer(at, fn),
  sleep: async (ms: number, signal?: AbortSignal): Promise<void> => {
    try {
      // Of a time that has just gone by a caller may be left with a little less than nothing.
      await sleepTimeout(Math.max(0, ms), undefined, signal === undefined ? undefined : { signal })
    } catch (thrown) {
      // The platform rejects with an error of its own, which only has the reason for its cause.
      signal?.throwIfAborted()
      throw thrown
    }
  },
}

class SystemTimer implements Timer {
  readonly #at: Instant
  readonly #fn: () => void
  #handle: NodeJS.Timeout | undefined

  constructor(at: Instant, fn: () => void) {
    this.#at = at
    this.#fn = fn
    this.#arm()
  }

  cancel(): void {
    clearTimeout(this.#handle)
    this.#handle = undefined
  }

  #arm(): void {
    const delay = Math.max(0, Math.ceil(this.#at - performance.now()))
    this.#handle = setTimeout(SystemTimer.#fire, Math.min(delay, TIMER_MAX_MS), this)
  }

  static #fire(this: void, timer: SystemTimer): void {
    if (performance.now() < timer.#at) timer.#arm()
    else timer.#fn()
  }
}
