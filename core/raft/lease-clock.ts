/**
 * When the heartbeats of this reign were sent, and whether that still makes a lease (specification 8.3).
 *
 * A lease is measured from the tick in which an acknowledged heartbeat was sent, never from the arrival of
 * its answer. It is void for rounds sent before a stall, and for the rest of the reign once a TimeoutNow
 * left: that message may arrive at any later time and its vote requests override every follower's lease.
 * Bound: one mark for each tick of the last lease in which a heartbeat left.
 */

interface RoundMark {
  readonly firstSeq: number
  readonly tick: number
}

/** Older than any lease. */
export const NEVER = Number.MIN_SAFE_INTEGER

export class LeaseClock {
  readonly #leaseTicks: number
  #marks: RoundMark[] = []
  #seq = 0
  /** Rounds below it count no more. */
  #validFrom = 0
  #isForfeited = false

  constructor(leaseTicks: number) {
    this.#leaseTicks = leaseTicks
  }

  /** Number of the last round of heartbeats. */
  get seq(): number {
    return this.#seq
  }

  get isForfeited(): boolean {
    return this.#isForfeited
  }

  /** A round of heartbeats leaves. @returns its number */
  open(now: number): number {
    this.#seq++
    const last = this.#marks[this.#marks.length - 1]
    if (last === undefined || last.tick !== now) {
      this.#marks.push({ firstSeq: this.#seq, tick: now })
      const expired = this.#marks.findIndex((mark) => mark.tick >= now - this.#leaseTicks)
      if (expired > 0) this.#marks.splice(0, expired)
    }
    return this.#seq
  }

  /** Tick in which round `seq` was sent; NEVER when that was too long ago, or void. */
  sentAt(seq: number): number {
    if (seq < this.#validFrom || seq > this.#seq) return NEVER
    const mark = this.#marks.findLast((candidate) => candidate.firstSeq <= seq)
    return mark?.tick ?? NEVER
  }

  /**
   * @param sentAt tick of the newest heartbeat that a quorum has acknowledged; both ticks are only known to
   *   the tick, so that a lease of L ticks holds for L - 1 of them
   */
  holds(now: number, sentAt: number): boolean {
    return !this.#isForfeited && sentAt !== NEVER && now - sentAt < this.#leaseTicks
  }

  /** Time passed unseen: what was acknowledged before proves nothing now. */
  stalled(): void {
    this.#validFrom = this.#seq + 1
  }

  /** Votes may be forced from here on, for as long as this reign lasts. */
  forfeit(): void {
    this.#isForfeited = true
  }
}
