/**
 * A Lamport clock: orders what operators and members announce, without clocks of hosts (gossip.md 11.1).
 *
 * Bounds: stops at the largest safe integer, so that a forged time near it cannot overflow.
 */

import type { LamportTime } from './messages.ts'

const TIME_MAX = Number.MAX_SAFE_INTEGER - 1

export class LamportClock {
  #time: LamportTime

  constructor(time: LamportTime) {
    this.#time = time
  }

  get time(): LamportTime {
    return this.#time
  }

  /** @returns the time before: what the next announcement carries */
  increment(): LamportTime {
    const time = this.#time
    this.#time = Math.min(TIME_MAX, time + 1)
    return time
  }

  /** After something that carried `time` was heard, this clock is later than it. */
  witness(time: LamportTime): void {
    if (time >= this.#time) this.#time = Math.min(TIME_MAX, time + 1)
  }
}
