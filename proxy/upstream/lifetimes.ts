/**
 * Ends connections when the certificate they rest on ends (mesh.md 10.13): ours or the peer's.
 *
 * A renewal never cuts anything; it only lets idle connections go. What is still open at NotAfter of the old
 * leaf, days later, is cut then. Looked at once a minute.
 */

import type { Clock } from '../../core/time.ts'
import type { IdleSweep, Swept } from '../sockets/idle-sweep.ts'

export interface Mortal {
  destroy(): void
}

const CHECK_TICKS = 60

export class Lifetimes implements Swept {
  readonly #clock: Clock
  readonly #deadlines = new Map<Mortal, number>()

  constructor(clock: Clock, sweep: IdleSweep) {
    this.#clock = clock
    sweep.add(this)
  }

  /** @param notAfter epoch ms */
  add(connection: Mortal, notAfter: number): void {
    this.#deadlines.set(connection, notAfter)
  }

  remove(connection: Mortal): void {
    this.#deadlines.delete(connection)
  }

  onTick(tick: number): void {
    if (tick % CHECK_TICKS !== 0 || this.#deadlines.size === 0) return
    const now = this.#clock.wall()
    for (const [connection, notAfter] of this.#deadlines) {
      if (now < notAfter) continue
      this.#deadlines.delete(connection)
      connection.destroy()
    }
  }
}
