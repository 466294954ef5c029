/**
 * When writes that wait go to the log (Raft specification 5.5): the size of batches. Pure.
 *
 * A batch costs every server a synced write and messages whatever its size, so what comes together should go
 * together, without an artificial delay:
 *  - While writes are on their way, others wait until they are committed or until at least as many wait (as
 *    Nagle's algorithm, RFC 896, does with bytes). So a lone write does not wait behind a lone write, and
 *    under load two batches at most are under way.
 *  - Clients that were answered together write again together, but their requests come in over some rounds
 *    of the event loop. As long as each round brings more, and less waits than was lately under way at
 *    once, another round is taken, at most four. A round with nothing to do costs microseconds.
 */

export type Verdict = 'nothing' | 'submit' | 'another-round' | 'await-commit'

const ROUNDS_MAX = 4
/** Enough of what was lately under way at once; not all, as some clients pause or go. */
const ENOUGH = 0.75
/** How much of the recent peak each batch keeps. */
const PEAK_KEPT = 0.9

export class Gathering {
  #rounds = 0
  #seen = 0
  #peak = 0

  /**
   * To be asked once in each round.
   *
   * @param waiting writes that are not in the log yet
   * @param uncommitted writes in the log that are not committed yet
   */
  judge(waiting: number, uncommitted: number): Verdict {
    if (waiting === 0) return 'nothing'
    if (waiting < uncommitted) return 'await-commit'
    const isGrowing = waiting > this.#seen
    if (isGrowing && waiting < ENOUGH * this.#peak && this.#rounds < ROUNDS_MAX) {
      this.#rounds++
      this.#seen = waiting
      return 'another-round'
    }
    this.#rounds = 0
    this.#seen = 0
    this.#peak = Math.max(waiting + uncommitted, PEAK_KEPT * this.#peak)
    return 'submit'
  }
}
