/**
 * Finds out that a stream of feeds has fallen behind what the servers have, by what others say (gossip.md 15.5).
 *
 * Guarantees: a stream that has moved since it was suspected is let be, for progress and not equality is the
 * test; one that has not is asked, and only when that brings nothing either is it called lagging. A word that one
 * server after the other denies is not believed again, so that a forged one costs one move. Twice within
 * SWITCH_APART_MS nothing is called lagging. The wait is jittered, more so in large fleets. One timer.
 */

import type { Rng } from '../../core/rng.ts'
import { type Clock, type Instant, instant, type Timer } from '../../core/time.ts'

export const GRACE_MS = 2_000
const PING_MS = 1_000
const SWITCH_APART_MS = 5_000
const FLEET_MEMBERS = 10_000

export interface FeedLagDeps {
  readonly clock: Clock
  readonly rng: Rng
  readonly members: () => number
  /** Asks the server how far it has come. */
  readonly ping: () => void
  readonly onLagging: () => void
}

export class FeedLag {
  readonly #deps: FeedLagDeps
  #best = 0
  /** How far the stream has come; undefined while there is none. */
  #reached: number | undefined
  /** Believed once already, and denied by the server. */
  #doubted: number | undefined
  #isAnswered = false
  #timer: Timer | undefined
  #switchedAt: Instant | undefined
  #suspicions = 0

  constructor(deps: FeedLagDeps) {
    this.#deps = deps
  }

  /** Indexes by which the stream is behind what others say; 0 without a stream. */
  get lag(): number {
    return this.#reached === undefined ? 0 : Math.max(0, this.#best - this.#reached)
  }

  /** Times the stream was asked. */
  get suspicions(): number {
    return this.#suspicions
  }

  /** Somebody says that the servers have come as far as `index`. */
  noticed(index: number): void {
    if (index > this.#best) this.#best = index
    this.#look()
  }

  /** @param index of a stream that has just begun, or has moved; undefined when it is over */
  reached(index: number | undefined): void {
    this.#reached = index
    this.#isAnswered = true
    if (index === undefined) this.stop()
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #look(): void {
    const { clock, rng, members } = this.#deps
    const reached = this.#reached
    if (this.#timer !== undefined || reached === undefined || reached >= this.#best) return
    const spreadMs = GRACE_MS * Math.max(1, members() / FLEET_MEMBERS)
    const at = instant(clock.now() + GRACE_MS + rng.float() * spreadMs)
    this.#timer = clock.timer(at, () => this.#suspect(reached))
  }

  #suspect(reached: number): void {
    this.#timer = undefined
    if (this.#hasMoved(reached)) {
      this.#look()
      return
    }
    const { clock, ping } = this.#deps
    this.#isAnswered = false
    this.#suspicions += 1
    ping()
    this.#timer = clock.timer(instant(clock.now() + PING_MS), () => this.#judge(reached))
  }

  #judge(reached: number): void {
    this.#timer = undefined
    if (this.#hasMoved(reached)) {
      this.#look()
      return
    }
    if (this.#isAnswered && this.#best === this.#doubted) {
      this.#best = reached
      return
    }
    const now = this.#deps.clock.now()
    if (this.#switchedAt !== undefined && now - this.#switchedAt < SWITCH_APART_MS) return
    this.#switchedAt = now
    this.#doubted = this.#isAnswered ? this.#best : undefined
    this.#deps.onLagging()
  }

  #hasMoved(reached: number): boolean {
    return this.#reached === undefined || this.#reached > reached
  }
}
