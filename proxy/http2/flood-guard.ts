/**
 * Counts what a peer may send for nothing on one HTTP/2 connection (RFC 9113 10.5). Bounds: format.ts.
 */

import type { IdleSweep } from '../sockets/idle-sweep.ts'
import {
  ANSWERED_FRAMES_PER_TICK_MAX,
  CONTROL_FRAMES_PER_TICK_MAX,
  RESETS_BURST_MAX,
  RESETS_PER_TICK,
} from './format.ts'

export class FloodGuard {
  readonly #sweep: IdleSweep
  #tick: number
  #control = 0
  #answered = 0
  #resets = 0

  constructor(sweep: IdleSweep) {
    this.#sweep = sweep
    this.#tick = sweep.tick
  }

  /** @returns false when it was one frame too many */
  takesControl(): boolean {
    this.#forgive()
    return ++this.#control <= CONTROL_FRAMES_PER_TICK_MAX
  }

  takesAnswered(): boolean {
    this.#forgive()
    return ++this.#answered <= ANSWERED_FRAMES_PER_TICK_MAX
  }

  /** A stream was reset before its response had ended. */
  takesReset(): boolean {
    this.#forgive()
    return ++this.#resets <= RESETS_BURST_MAX
  }

  #forgive(): void {
    const ticks = this.#sweep.tick - this.#tick
    if (ticks === 0) return
    this.#tick = this.#sweep.tick
    this.#control = 0
    this.#answered = 0
    this.#resets = Math.max(0, this.#resets - ticks * RESETS_PER_TICK)
  }
}
