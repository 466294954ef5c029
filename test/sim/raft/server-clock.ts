/**
 * The clocks of a simulated server: a monotonic one that runs a little wrong, and a wall clock that jumps.
 */

import type { Rng } from '../../../core/rng.ts'
import type { EventQueue } from './event-queue.ts'
import type { ClockProfile } from './swarm.ts'

const TICK_US = 10_000
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

  /** Until the timer of the next tick fires. */
  get usOfTick(): number {
    return Math.round(TICK_US / this.#rate) + this.#rng.range(-200, 201)
  }

  jumpWall(): void {
    this.#wallOffset = this.#rng.range(-WALL_ERROR_MS, WALL_ERROR_MS)
  }

  calm(): void {
    this.#base = this.monotonicMs * 1_000
    this.#since = this.#events.now
    this.#rate = 1
  }
}
