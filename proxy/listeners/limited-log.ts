/**
 * Warnings about things that strangers can cause at will: some each second, the rest counted.
 */

import type { LogFacts, Logger } from '../../core/log.ts'
import type { IdleSweep } from '../sockets/idle-sweep.ts'

/** Lines of one kind of trouble within one tick (a second). */
const LINES_PER_TICK_MAX = 5

export class LimitedLog {
  readonly #log: Logger
  readonly #sweep: IdleSweep
  #tick = -1
  #lines = 0
  #skipped = 0

  constructor(log: Logger, sweep: IdleSweep) {
    this.#log = log
    this.#sweep = sweep
  }

  warn(message: string, facts: LogFacts): void {
    if (this.#tick !== this.#sweep.tick) {
      this.#tick = this.#sweep.tick
      this.#lines = 0
      if (this.#skipped > 0) this.#log.warn('similar lines were left out', { count: this.#skipped })
      this.#skipped = 0
    }
    if (++this.#lines <= LINES_PER_TICK_MAX) this.#log.warn(message, facts)
    else this.#skipped++
  }
}
