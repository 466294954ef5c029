/**
 * Feeds committed entries to the state machine, in order, each once, without holding the event loop.
 *
 * Guarantees: only `normal` entries reach the state machine; a slice ends after about 8 ms and the rest
 * follows in a later turn; while the state is being replaced by an image nothing is applied, and entries
 * that the image covers are forgotten. What throws in `apply` is fatal for the server (Raft specification
 * 15.16). Bound: the core hands out at most 16 MiB ahead of what is applied.
 */

import type { Entry } from '../../core/raft/types.ts'
import type { Clock } from '../../core/time.ts'
import type { RaftStateMachine } from './types.ts'

const SLICE_MS = 8
const ENTRIES_PER_LOOK_AT_THE_CLOCK = 64

export interface AppliedSlice {
  readonly lastIndex: number
  readonly entries: number
  readonly bytes: number
}

export class Applier {
  readonly #stateMachine: RaftStateMachine
  readonly #clock: Clock
  readonly #onResult: (entry: Entry, result: unknown) => void
  #queue: readonly Entry[] = []
  #next = 0
  #isHeld = false

  constructor(deps: {
    readonly stateMachine: RaftStateMachine
    readonly clock: Clock
    readonly onResult: (entry: Entry, result: unknown) => void
  }) {
    this.#stateMachine = deps.stateMachine
    this.#clock = deps.clock
    this.#onResult = deps.onResult
  }

  get hasWork(): boolean {
    return !this.#isHeld && this.#next < this.#queue.length
  }

  add(entries: readonly Entry[]): void {
    if (entries.length === 0) return
    this.#queue =
      this.#next === this.#queue.length ? entries : [...this.#queue.slice(this.#next), ...entries]
    this.#next = 0
  }

  /** An image as of `index` is about to replace the state: entries up to there are forgotten, all else waits. */
  hold(index: number): void {
    this.#isHeld = true
    this.#queue = this.#queue.slice(this.#next).filter((entry) => entry.index > index)
    this.#next = 0
  }

  /** The image is in place. */
  release(): void {
    this.#isHeld = false
  }

  /** Applies until the queue is empty or the slice is used up; null when there was nothing. */
  applySlice(): AppliedSlice | null {
    if (!this.hasWork) return null
    const until = this.#clock.now() + SLICE_MS
    const begun = this.#next
    let bytes = 0
    let lastIndex = 0
    while (this.#next < this.#queue.length) {
      const entry = this.#queue[this.#next] as Entry
      const result =
        entry.type === 'normal' ? this.#stateMachine.apply(entry.index, entry.data) : undefined
      this.#next++
      lastIndex = entry.index
      bytes += entry.data.length
      this.#onResult(entry, result)
      const isTimeToLook = (this.#next - begun) % ENTRIES_PER_LOOK_AT_THE_CLOCK === 0
      if (isTimeToLook && this.#clock.now() >= until) break
    }
    return { lastIndex, entries: this.#next - begun, bytes }
  }
}
