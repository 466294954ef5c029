/**
 * The time that a leader writes into commands (Raft specification 15.6). Pure.
 *
 * Lock delays, TTLs and the window of requests live by it, so a wall clock that jumps must not end them. Guarantees:
 * stamps never go back, neither in this process nor below what is applied; over any stretch they go forward by at
 * most 1.1 times what the monotonic clock measured, plus one second. A wall clock that was set forward for good is
 * caught up with at that pace. The first stamp of a process takes the wall clock as it is: how long nobody was
 * there to stamp, only that one knows.
 */

import { type Instant, type WallTime, wallTime } from '../../core/time.ts'

/** Faster than any clock that is slewed and not set. */
const RATE_MAX = 1.1
const SLACK_MS_MAX = 1_000

interface Stamp {
  readonly time: number
  readonly at: Instant
  /** What the next stamp may go forward beyond the rate. */
  readonly slackMs: number
}

export class LeaderStamps {
  #last: Stamp | null = null

  /**
   * @param now when `wall` was read
   * @param applied the newest stamp that is part of the state; another leader may have written it
   */
  next(now: Instant, wall: WallTime, applied: number): WallTime {
    const last = this.#last
    const least = Math.max(last?.time ?? 0, applied)
    const room =
      last === null ? Number.POSITIVE_INFINITY : last.slackMs + (now - last.at) * RATE_MAX
    const time = Math.max(least, Math.floor(Math.min(wall, least + room)))
    this.#last = { time, at: now, slackMs: Math.min(SLACK_MS_MAX, room - (time - least)) }
    return wallTime(time)
  }
}
