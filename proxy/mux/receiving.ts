/**
 * The receiving half of one exchange: how much the peer may still send, and when it hears of more room.
 *
 * Room is given back when the reader took the bytes without asking to wait, so one slow reader holds at most
 * its own window. A reader that keeps up gets a larger window, up to WINDOW_MAX, while the connection's
 * budget lasts. Small bodies cost no frame.
 */

import { INITIAL_WINDOW, WINDOW, WINDOW_MAX } from './format.ts'
import type { FrameWriter } from './frame-writer.ts'

/** Room beyond the initial windows, shared by the exchanges of one connection. */
export interface WindowBudget {
  extraBytes: number
}

export class Receiving {
  readonly #out: FrameWriter
  readonly #id: number
  readonly #budget: WindowBudget
  #window = INITIAL_WINDOW
  /** What the peer may still send. */
  #room = INITIAL_WINDOW
  /** Taken by the reader but not told to the peer yet. */
  #owed = 0
  #extra = 0
  #isWaiting = false
  isEnded = false
  hasReceived = false

  constructor(out: FrameWriter, id: number, budget: WindowBudget) {
    this.#out = out
    this.#id = id
    this.#budget = budget
  }

  /** @returns false when the peer sent more than it may, or after its end */
  accept(bytes: number): boolean {
    this.#room -= bytes
    this.hasReceived = true
    return this.#room >= 0 && !this.isEnded
  }

  /** The reader was given `bytes`; `isRoomy` is its answer. */
  consumed(bytes: number, isRoomy: boolean): void {
    this.#owed += bytes
    if (!isRoomy) this.#isWaiting = true
    else if (!this.#isWaiting) this.#giveBack()
  }

  /** The reader that asked to wait has caught up. */
  resume(): void {
    this.#isWaiting = false
    this.#giveBack()
  }

  /** Returns the exchange's share of the budget. */
  close(): void {
    this.isEnded = true
    this.#budget.extraBytes += this.#extra
    this.#extra = 0
  }

  #giveBack(): void {
    if (this.isEnded || this.#owed * 2 < this.#window) return
    let grant = this.#owed
    const growth = Math.min(this.#window, WINDOW_MAX - this.#window, this.#budget.extraBytes)
    if (growth > 0) {
      this.#window += growth
      this.#extra += growth
      this.#budget.extraBytes -= growth
      grant += growth
    }
    this.#owed = 0
    this.#room += grant
    this.#out.numbers(WINDOW, this.#id, grant)
  }
}
