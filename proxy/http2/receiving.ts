/**
 * The receiving half of one stream: how much the peer may still send, and when it hears of more room.
 *
 * Room is given back when the reader took the bytes without asking to wait, so one slow reader holds at most its
 * own window; the connection's window is given back as bytes arrive (link.ts), so it holds up nobody else. A reader that
 * keeps up gets a larger window, up to STREAM_WINDOW_MAX, while the connection's budget lasts.
 */

import { STREAM_WINDOW_MAX, WINDOW_DEFAULT } from './format.ts'
import type { FrameWriter } from './frame-writer.ts'

/** Room beyond the initial windows, shared by the streams of one connection. */
export interface WindowBudget {
  extraBytes: number
}

export class Receiving {
  readonly #out: FrameWriter
  readonly #id: number
  readonly #budget: WindowBudget
  #window = WINDOW_DEFAULT
  /** What the peer may still send. */
  #room = WINDOW_DEFAULT
  /** Taken by the reader but not told to the peer yet. */
  #owed = 0
  #extra = 0
  #isWaiting = false
  isEnded = false

  constructor(id: number, link: { readonly out: FrameWriter; readonly budget: WindowBudget }) {
    this.#id = id
    this.#out = link.out
    this.#budget = link.budget
  }

  /** @param bytes padding included. @returns false when the peer sent more than it may */
  accept(bytes: number): boolean {
    this.#room -= bytes
    return this.#room >= 0
  }

  /** The reader was given `bytes`, or padding was dropped; `isRoomy` is the reader's answer. */
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

  /** Returns the stream's share of the budget. */
  close(): void {
    this.isEnded = true
    this.#budget.extraBytes += this.#extra
    this.#extra = 0
  }

  #giveBack(): void {
    if (this.isEnded || this.#owed * 2 < this.#window) return
    let grant = this.#owed
    const growth = Math.min(this.#window, STREAM_WINDOW_MAX - this.#window, this.#budget.extraBytes)
    if (growth > 0) {
      this.#window += growth
      this.#extra += growth
      this.#budget.extraBytes -= growth
      grant += growth
    }
    this.#owed = 0
    this.#room += grant
    this.#out.window(this.#id, grant)
  }
}
