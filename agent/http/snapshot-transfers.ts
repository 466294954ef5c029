/**
 * How many snapshots go through this agent at once: each takes disk for its whole state.
 *
 * Bound: TRANSFERS_MAX; one more is refused with RATE_LIMITED.
 */

import { FairleadError } from '../../core/errors.ts'

export const TRANSFERS_MAX = 4

export class SnapshotTransfers {
  #running = 0

  /** @returns gives the place back; idempotent. @throws FairleadError RATE_LIMITED */
  begin(): () => void {
    if (this.#running >= TRANSFERS_MAX) {
      throw new FairleadError(
        'RATE_LIMITED',
        `Already ${TRANSFERS_MAX} snapshots are on their way through this agent`,
      )
    }
    this.#running += 1
    let isDone = false
    return () => {
      if (!isDone) this.#running -= 1
      isDone = true
    }
  }
}
