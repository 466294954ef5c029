/**
 * Gathers where nodes stand in the network and writes it in batches: a duty of the leader (gossip.md 12).
 *
 * Guarantees: one batch of log entries in a period, however many agents speak; of each node the last word; nothing is
 * armed while nothing waits, nor after `stop`, which forgets what waited: agents say it again. What cannot be written is
 * forgotten too. Bounds: BATCHES_MAX entries a period, of COORDINATE_BATCH_MAX nodes each; a node beyond is refused
 * (RATE_LIMITED), and told in the log once a period.
 */

import type { Command } from '../../core/catalog/commands.ts'
import { COORDINATE_BATCH_MAX } from '../../core/catalog/coordinate-table.ts'
import { nameKey, pairKey } from '../../core/catalog/state.ts'
import type { CoordinateRecord } from '../../core/catalog/types.ts'
import { coordinateFault } from '../../core/coordinates/coordinate.ts'
import { FairleadError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import { type Clock, instant, type Timer } from '../../core/time.ts'

const BATCHES_MAX = 5
export const WAITING_MAX = BATCHES_MAX * COORDINATE_BATCH_MAX

export interface CoordinateBatchesOptions {
  readonly periodMs: number
}

export interface CoordinateBatchesDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly write: (command: Command) => Promise<unknown>
}

export class CoordinateBatches {
  readonly #options: CoordinateBatchesOptions
  readonly #deps: CoordinateBatchesDeps
  readonly #waiting = new Map<string, CoordinateRecord>()
  #timer: Timer | undefined
  #isLeading = false
  #refused = 0

  constructor(options: CoordinateBatchesOptions, deps: CoordinateBatchesDeps) {
    this.#options = options
    this.#deps = deps
  }

  start(): void {
    this.#isLeading = true
  }

  /** Idempotent. */
  stop(): void {
    this.#isLeading = false
    this.#timer?.cancel()
    this.#timer = undefined
    this.#waiting.clear()
  }

  /**
   * Takes the place of what the node said before. While this server does not lead it is passed over.
   *
   * @throws FairleadError REJECTED | RATE_LIMITED
   */
  add(place: CoordinateRecord): void {
    const fault = coordinateFault(place.coordinate)
    if (fault !== undefined) throw new FairleadError('REJECTED', fault)
    if (!this.#isLeading) return
    const key = pairKey(nameKey(place.node), place.segment)
    if (this.#waiting.size >= WAITING_MAX && !this.#waiting.has(key)) {
      this.#refused++
      throw new FairleadError(
        'RATE_LIMITED',
        `Coordinates of ${WAITING_MAX} nodes wait to be written; say it again later`,
      )
    }
    this.#waiting.set(key, place)
    if (this.#timer !== undefined) return
    const { clock } = this.#deps
    this.#timer = clock.timer(instant(clock.now() + this.#options.periodMs), () => {
      this.#timer = undefined
      void this.#flush()
    })
  }

  async #flush(): Promise<void> {
    const { log, write } = this.#deps
    const updates = [...this.#waiting.values()]
    this.#waiting.clear()
    if (this.#refused > 0) {
      log.warn('refused coordinates: more nodes spoke than are written', { nodes: this.#refused })
      this.#refused = 0
    }
    try {
      for (let from = 0; from < updates.length; from += COORDINATE_BATCH_MAX) {
        const batch = updates.slice(from, from + COORDINATE_BATCH_MAX)
        await write({ kind: 'coordinate.batch', updates: batch })
      }
    } catch (err) {
      if (this.#isLeading) log.warn('cannot write coordinates of nodes', { err })
    }
  }
}
