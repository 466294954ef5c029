/**
 * When what waits is handed to the core (Raft specification 5.5, 8.2): the size of batches. Pure.
 *
 * A batch of writes costs every server a synced write and messages, a round of reads messages, whatever their
 * size, so what comes together should go together, without an artificial delay:
 *  - While some are on their way, others wait until these are done or until at least as many wait (as
 *    Nagle's algorithm, RFC 896, does with bytes). So a lone request does not wait behind a lone request, and
 *    under load two batches at most are under way.
 *  - Clients that were answered together ask again together, but their requests come in over some rounds
 *    of the event loop. As long as each round brings more, and less waits than was lately under way at
 *    once, another round is taken, at most four. A round with nothing to do costs microseconds.
 */

export type Verdict = 'nothing' | 'submit' | 'another-round' | 'wait'

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
   * @param waiting requests that the core has not seen
   * @param underWay requests that it has seen and that are not done
   */
  judge(waiting: number, underWay: number): Verdict {
    if (waiting === 0) return 'nothing'
    if (waiting < underWay) return 'wait'
    const isGrowing = waiting > this.#seen
    if (isGrowing && waiting < ENOUGH * this.#peak && this.#rounds < ROUNDS_MAX) {
      this.#rounds++
      this.#seen = waiting
      return 'another-round'
    }
    this.#rounds = 0
    this.#seen = 0
    this.#peak = Math.max(waiting + underWay, PEAK_KEPT * this.#peak)
    return 'submit'
  }
}
