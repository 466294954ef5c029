/**
 * Is there an order of these operations that one object could have executed? The search for one part.
 *
 * Depth first over the operations whose call comes before the first return that is still open (Wing and
 * Gong 1993), with a memory of tried (set, state) pairs (Lowe 2017). Operations of unknown outcome have no
 * return; they are tried last and only where they change the state, since leaving one out is always allowed.
 * Runs in slices, so that a caller can take turns between parts. Bound: the bytes of the memory.
 */

import { seededRng } from '../../core/rng.ts'
import type { Operation } from './operations.ts'
import { SeenSet } from './seen-set.ts'
import type { SequentialModel } from './sequential-model.ts'

export type SearchState = 'running' | 'linearizable' | 'violation' | 'full'

/** Marks that no return bounds the choice of operations of unknown outcome. */
const NONE = -1

export class PartSearch<S, I, O> {
  readonly operations: readonly Operation<I, O>[]
  readonly #model: SequentialModel<S, I, O>
  /** Operation of each entry in order of time; calls are `op`, returns are `~op`. */
  readonly #entries: Int32Array
  readonly #next: Int32Array
  readonly #previous: Int32Array
  readonly #returnOf: Int32Array
  readonly #head: number
  /** Entry positions of the calls of unknown outcome, ascending. */
  readonly #unknown: readonly number[]
  readonly #states: S[] = []
  readonly #stateIds = new Map<string, number>()
  readonly #steps = new Map<number, number>()
  readonly #bits: Uint32Array
  readonly #zobrist: Uint32Array
  readonly #seen: SeenSet
  #hash = 0
  #state: number
  #left: number
  /** Entry position to try next, or NONE while trying operations of unknown outcome. */
  #cursor: number
  #bound = NONE
  #unknownAt = 0
  /** Three numbers for each operation taken: its entry, the state before, the bound or NONE. */
  readonly #stack: number[] = []
  #stepsDone = 0
  #deepest: { readonly taken: readonly number[]; readonly blockedBy: number } | null = null

  constructor(
    operations: readonly Operation<I, O>[],
    model: SequentialModel<S, I, O>,
    bytesMax: number,
  ) {
    this.operations = operations
    this.#model = model
    const entries = entriesOf(operations)
    this.#entries = Int32Array.from(entries)
    this.#head = entries.length
    this.#next = new Int32Array(entries.length + 1)
    this.#previous = new Int32Array(entries.length + 1)
    this.#returnOf = new Int32Array(operations.length).fill(NONE)
    this.#unknown = this.#link(entries)
    const words = Math.max(1, Math.ceil(operations.length / 32))
    this.#bits = new Uint32Array(words)
    const rng = seededRng(operations.length)
    this.#zobrist = Uint32Array.from(operations, () => rng.u32())
    this.#seen = new SeenSet({ words, bytesMax })
    this.#state = this.#intern(model.initial)
    this.#left = operations.filter((operation) => operation.outcome === 'ok').length
    this.#cursor = this.#next[this.#head] as number
  }

  get steps(): number {
    return this.#stepsDone
  }

  /** The longest order found that could not be continued, and the operation that did not fit. */
  get deepest(): { readonly order: readonly number[]; readonly blockedBy: number } | null {
    const deepest = this.#deepest
    return deepest === null ? null : { order: deepest.taken, blockedBy: deepest.blockedBy }
  }

  advance(steps: number): SearchState {
    for (let i = 0; i < steps; i++) {
      if (this.#left === 0) return 'linearizable'
      this.#stepsDone++
      const outcome = this.#cursor === NONE ? this.#tryUnknown() : this.#tryKnown()
      if (outcome !== 'running') return outcome
    }
    return this.#left === 0 ? 'linearizable' : 'running'
  }

  #tryKnown(): SearchState {
    const entry = this.#cursor
    const operation = this.#entries[entry] as number
    if (operation < 0) {
      // This operation has returned: whatever comes now has to be in before it.
      this.#bound = entry
      this.#cursor = NONE
      this.#unknownAt = 0
      return 'running'
    }
    const after = this.#step(operation)
    if (after === NONE) {
      this.#cursor = this.#next[entry] as number
      return 'running'
    }
    const verdict = this.#remember(operation, after)
    if (verdict === 'full') return 'full'
    if (verdict === 'seen') {
      this.#cursor = this.#next[entry] as number
      return 'running'
    }
    this.#stack.push(entry, this.#state, NONE)
    this.#state = after
    this.#unlink(entry)
    this.#unlink(this.#returnOf[operation] as number)
    this.#left--
    this.#cursor = this.#next[this.#head] as number
    return 'running'
  }

  #tryUnknown(): SearchState {
    const entry = this.#unknown[this.#unknownAt]
    if (entry === undefined || entry > this.#bound) return this.#backtrack()
    this.#unknownAt++
    const operation = this.#entries[entry] as number
    if (this.#isTaken(operation)) return 'running'
    const after = this.#step(operation)
    if (after === NONE || after === this.#state) return 'running'
    const verdict = this.#remember(operation, after)
    if (verdict === 'full') return 'full'
    if (verdict === 'seen') return 'running'
    this.#stack.push(entry, this.#state, this.#bound)
    this.#state = after
    this.#cursor = this.#next[this.#head] as number
    return 'running'
  }

  #backtrack(): SearchState {
    this.#noteDepth()
    const bound = this.#stack.pop()
    const state = this.#stack.pop()
    const entry = this.#stack.pop()
    if (bound === undefined || state === undefined || entry === undefined) return 'violation'
    const operation = this.#entries[entry] as number
    this.#flip(operation)
    this.#state = state
    if (bound === NONE) {
      this.#relink(this.#returnOf[operation] as number)
      this.#relink(entry)
      this.#left++
      this.#cursor = this.#next[entry] as number
    } else {
      this.#cursor = NONE
      this.#bound = bound
      this.#unknownAt = lowerBound(this.#unknown, entry) + 1
    }
    return 'running'
  }

  /** Marks the operation as taken, unless this set with this state was tried before. */
  #remember(operation: number, after: number): 'new' | 'seen' | 'full' {
    this.#flip(operation)
    const verdict = this.#seen.add(this.#hash, this.#bits, after)
    if (verdict !== 'new') this.#flip(operation)
    return verdict
  }

  #flip(operation: number): void {
    const word = operation >>> 5
    this.#bits[word] = ((this.#bits[word] as number) ^ (1 << (operation & 31))) >>> 0
    this.#hash = (this.#hash ^ (this.#zobrist[operation] as number)) >>> 0
  }

  #isTaken(operation: number): boolean {
    return (((this.#bits[operation >>> 5] as number) >>> (operation & 31)) & 1) === 1
  }

  /** State id after the operation in the present state, or NONE when its result is impossible there. */
  #step(operation: number): number {
    const key = this.#state * this.operations.length + operation
    const known = this.#steps.get(key)
    if (known !== undefined) return known
    const what = this.operations[operation] as Operation<I, O>
    const output = what.outcome === 'ok' ? what.output : undefined
    const after = this.#model.step(this.#states[this.#state] as S, what.input, output)
    const id = after === undefined ? NONE : this.#intern(after)
    this.#steps.set(key, id)
    return id
  }

  #intern(state: S): number {
    const text = this.#model.encode(state)
    const known = this.#stateIds.get(text)
    if (known !== undefined) return known
    const id = this.#states.push(state) - 1
    this.#stateIds.set(text, id)
    return id
  }

  #noteDepth(): void {
    const depth = this.#stack.length / 3
    if (this.#deepest !== null && depth <= this.#deepest.taken.length) return
    const taken = Array.from({ length: depth }, (_, i) => {
      return this.#entries[this.#stack[3 * i] as number] as number
    })
    this.#deepest = { taken, blockedBy: ~(this.#entries[this.#bound] as number) }
  }

  /** Chains all entries but the calls of unknown outcome, which it returns. */
  #link(entries: readonly number[]): number[] {
    const unknown: number[] = []
    let last = this.#head
    for (const [position, entry] of entries.entries()) {
      if (entry >= 0 && this.operations[entry]?.outcome === 'unknown') {
        unknown.push(position)
        continue
      }
      if (entry < 0) this.#returnOf[~entry] = position
      this.#next[last] = position
      this.#previous[position] = last
      last = position
    }
    this.#next[last] = this.#head
    this.#previous[this.#head] = last
    return unknown
  }

  #unlink(position: number): void {
    const next = this.#next[position] as number
    const previous = this.#previous[position] as number
    this.#next[previous] = next
    this.#previous[next] = previous
  }

  #relink(position: number): void {
    this.#next[this.#previous[position] as number] = position
    this.#previous[this.#next[position] as number] = position
  }
}

/** Calls as `op`, returns as `~op`, by time; calls first where times are equal. */
function entriesOf<I, O>(operations: readonly Operation<I, O>[]): number[] {
  const timed: { readonly at: number; readonly entry: number }[] = []
  for (const [i, operation] of operations.entries()) {
    timed.push({ at: operation.call, entry: i })
    if (operation.outcome === 'ok') timed.push({ at: operation.end, entry: ~i })
  }
  timed.sort((x, y) => x.at - y.at || Number(x.entry < 0) - Number(y.entry < 0))
  return timed.map(({ entry }) => entry)
}

function lowerBound(sorted: readonly number[], value: number): number {
  let from = 0
  let to = sorted.length
  while (from < to) {
    const middle = (from + to) >> 1
    if ((sorted[middle] as number) < value) from = middle + 1
    else to = middle
  }
  return from
}
