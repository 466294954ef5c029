/**
 * When an agent moves to the server that consistent hashing gives it, after servers have come, gone or failed it.
 *
 * Guarantees: it looks SETTLE_MS to twice that after that, later in large fleets, so that
 * no more than MOVES_PER_SECOND agents of the whole fleet move at a time; again when a server that failed has
 * been passed over long enough; and not at all while nothing changes. One timer.
 * Source: gossip.md 14; the figures are ours.
 */

import type { Logger } from '../../core/log.ts'
import type { Rng } from '../../core/rng.ts'
import { type Clock, instant, type Timer } from '../../core/time.ts'
import { FAILED_MS } from './server-choice.ts'

/** A server that has just come has its state to fetch first. */
export const SETTLE_MS = 5_000
const MOVES_PER_SECOND = 64

export interface ServerMovesDeps {
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  /** Members of the fleet, about. */
  readonly members: () => number
  /** Moves when another server should be used. @returns whether to look again once failures are forgotten */
  readonly move: () => Promise<boolean>
}

export class ServerMoves {
  readonly #deps: ServerMovesDeps
  #timer: Timer | undefined
  #isStopped = false

  constructor(deps: ServerMovesDeps) {
    this.#deps = deps
  }

  serversChanged(): void {
    if (this.#timer === undefined) this.#arm(SETTLE_MS)
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
  }

  #arm(afterMs: number): void {
    const { clock, rng, members } = this.#deps
    if (this.#isStopped) return
    const spreadMs = Math.max(SETTLE_MS, (members() / MOVES_PER_SECOND) * 1000)
    const at = instant(clock.now() + afterMs + rng.float() * spreadMs)
    this.#timer = clock.timer(at, () => void this.#look())
  }

  async #look(): Promise<void> {
    let shallLookAgain = true
    try {
      shallLookAgain = await this.#deps.move()
    } catch (err) {
      this.#deps.log.debug('cannot move to another server', { err })
    }
    this.#timer = undefined
    if (shallLookAgain) this.#arm(FAILED_MS)
  }
}
