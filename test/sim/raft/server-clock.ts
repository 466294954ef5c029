/**
 * The clocks of a simulated server: a monotonic one that runs a little wrong, and a wall clock that jumps.
 */

import type { Rng } from '../../../core/rng.ts'
import type { EventQueue } from './event-queue.ts'
import type { ClockProfile } from './swarm.ts'

const TICK_US = 10_000
/** How far a timer misses its time. */
const TIMER_ERROR_US = 200
const EPOCH_MS = 1_700_000_000_000
/** The window of requests lasts ten minutes of leader-stamped time; clocks that differ by less never end it early. */
const WALL_ERROR_MS = 240_000

export class ServerClock {
  readonly #events: EventQueue
  readonly #rng: Rng
  #rate: number
  /** Local microseconds at the last change of the rate, and real ones. */
  #base = 0
  #since: number
  #wallOffset: number
  #isCalm = false

  constructor(profile: ClockProfile, events: EventQueue, rng: Rng) {
    this.#events = events
    this.#rng = rng
    this.#rate = 1 + profile.driftMax * (2 * rng.float() - 1)
    this.#since = events.now
    this.#wallOffset = profile.hasWallJumps ? rng.range(-WALL_ERROR_MS, WALL_ERROR_MS) : 0
  }

  get monotonicMs(): number {
    return (this.#base + (this.#events.now - this.#since) * this.#rate) / 1_000
  }

  /** Epoch milliseconds as this server believes. */
  get wallMs(): number {
    return EPOCH_MS + Math.round(this.#events.now / 1_000) + this.#wallOffset
  }

  /**
   * Until the timer of the next tick fires. A healthy one is late, never early, as the host's is: one that fires
   * just before its tick finds none due and the next finds two, and so a heartbeat that is due at every tick is left out.
   */
  get usOfTick(): number {
    const early = this.#isCalm ? 0 : TIMER_ERROR_US
    return Math.round(TICK_US / this.#rate) + this.#rng.range(-early, TIMER_ERROR_US + 1)
  }

  jumpWall(): void {
    this.#wallOffset = this.#rng.range(-WALL_ERROR_MS, WALL_ERROR_MS)
  }

  calm(): void {
    this.#base = this.monotonicMs * 1_000
    this.#since = this.#events.now
    this.#rate = 1
    this.#isCalm = true
  }
}
