/**
 * Leaving: the intent, then the last word, then a while of answering probes until all have heard (gossip.md 9).
 *
 * Guarantees: `left` is emitted once, after at most two broadcast timeouts and the propagation time; at once
 * when nobody else is there to be told.
 */

import type { MemberRules } from './member-rules.ts'
import type { Pool } from './pool.ts'
import type { StatusRules } from './status-rules.ts'

export class Departure {
  readonly #pool: Pool
  readonly #rules: MemberRules
  readonly #status: StatusRules

  constructor(pool: Pool, rules: MemberRules, status: StatusRules) {
    this.#pool = pool
    this.#rules = rules
    this.#status = status
  }

  /** Begun once; a second call changes nothing. */
  begin(): void {
    if (this.#pool.isLeaving) return
    this.#pool.isLeaving = true
    this.#within(
      (onDone) => this.#status.announceLeave(onDone),
      () => this.#sayLeft(),
    )
  }

  #sayLeft(): void {
    this.#within(
      (onDone) => this.#rules.sayLeft(onDone),
      () => this.#linger(),
    )
  }

  #linger(): void {
    const { table, self, timing } = this.#pool
    const isAlone = table.random(1, (record) => record.isLive && record !== self).length === 0
    this.#pool.after(isAlone ? 0 : timing.leavePropagateMs, () => {
      this.#pool.emit({ kind: 'left' })
    })
  }

  /** Goes on when a broadcast was sent often enough, or its time is over. */
  #within(broadcast: (onDone: () => void) => void, next: () => void): void {
    let isOver = false
    const goOn = (): void => {
      if (isOver) return
      isOver = true
      timer.cancel()
      // Not from inside the queue that calls us.
      this.#pool.after(0, next)
    }
    const timer = this.#pool.after(this.#pool.timing.broadcastTimeoutMs, goOn)
    broadcast(goOn)
  }
}
