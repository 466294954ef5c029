/**
 * When a rebuild that was asked for takes place: at once, but one after another with a pause in between.
 *
 * Guarantees: every request is followed by a run that begins after it; requests that come together, or during a
 * pause, share one run. A pause lasts REST times what the run took, within PAUSE_MIN_MS and PAUSE_MAX_MS: however
 * fast changes come, runs take a third of the agent's time at most while one takes 50 ms at most. One timer.
 */

import { type Clock, type Instant, instant, type Timer } from '../../core/time.ts'

const PAUSE_MIN_MS = 10
/** A run that was itself held up does not hold up what follows for long. */
const PAUSE_MAX_MS = 100
const REST = 2

export function pauseAfterMs(runMs: number): number {
  return Math.min(PAUSE_MAX_MS, Math.max(PAUSE_MIN_MS, REST * runMs))
}

export class Pace {
  readonly #clock: Clock
  readonly #run: () => void
  #timer: Timer | undefined
  #notBefore: Instant = instant(0)
  #isRunning = false
  #isWantedAgain = false
  #isStopped = false

  constructor(clock: Clock, run: () => void) {
    this.#clock = clock
    this.#run = run
  }

  request(): void {
    if (this.#isRunning) this.#isWantedAgain = true
    if (this.#isStopped || this.#isRunning || this.#timer !== undefined) return
    const at = instant(Math.max(this.#clock.now(), this.#notBefore))
    this.#timer = this.#clock.timer(at, () => this.runNow())
  }

  /** Without waiting; stands for every request before it. */
  runNow(): void {
    if (this.#isStopped) return
    this.#timer?.cancel()
    this.#timer = undefined
    this.#isRunning = true
    this.#isWantedAgain = false
    const begun = this.#clock.now()
    try {
      this.#run()
    } finally {
      const ended = this.#clock.now()
      this.#notBefore = instant(ended + pauseAfterMs(ended - begun))
      this.#isRunning = false
      if (this.#isWantedAgain) this.request()
    }
  }

  /** Idempotent; nothing runs after it. */
  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
    this.#timer = undefined
  }
}
