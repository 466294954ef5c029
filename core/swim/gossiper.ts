/**
 * The gossip tick: queued news goes to a few random members at each interval (gossip.md 7.2).
 *
 * Guarantees: no timer runs while nothing is queued; the first news after a rest goes out at once.
 */

import { instant } from '../time.ts'
import type { Pool } from './pool.ts'

export class Gossiper {
  readonly #pool: Pool
  #isArmed = false
  #last = Number.NEGATIVE_INFINITY

  constructor(pool: Pool) {
    this.#pool = pool
    pool.onQueued = () => this.#arm()
  }

  #arm(): void {
    if (this.#isArmed) return
    this.#isArmed = true
    const { timers, timing, now } = this.#pool
    const at = instant(Math.max(now, this.#last + timing.gossipIntervalMs))
    timers.at(at, () => this.#tick())
  }

  #tick(): void {
    const { table, timing, self, now } = this.#pool
    this.#isArmed = false
    this.#last = now
    // The dead that are not forgotten may live and object.
    const targets = table.random(
      timing.gossipNodes,
      (record) => record !== self && record.state !== 'left',
    )
    if (targets.length === 0) {
      this.#pool.clearNews()
      return
    }
    for (const target of targets) if (!this.#pool.sendNews(target)) break
    if (this.#pool.hasNews) this.#arm()
  }
}
