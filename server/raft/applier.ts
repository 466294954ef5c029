/**
 * Feeds committed entries to the state machine, in order, each once, without holding the event loop.
 *
 * Guarantees: only `normal` entries reach the state machine; a slice ends after about 8 ms and the rest
 * follows in a later turn. What throws in `apply` is fatal for the server (Raft specification 15.16).
 * Bound: the core hands out at most 16 MiB ahead of what is applied.
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
  #queue: Entry[] = []
  #next = 0

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
    return this.#next < this.#queue.length
  }

  add(entries: readonly Entry[]): void {
    if (!this.hasWork) {
      this.#queue = [...entries]
      this.#next = 0
      return
    }
    for (const entry of entries) this.#queue.push(entry)
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
