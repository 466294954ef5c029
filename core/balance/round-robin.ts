/**
 * Weighted round robin over a fixed list (mesh.md 10.3). Pure.
 *
 * Equal weights: plain rotation. Else earliest deadline first: each pick moves an entry's deadline on by
 * 1/weight, so an entry of weight 3 is picked three times as often, spread out evenly. Entries that may not
 * be used now are passed over and lose their turn, but gain no debt. Guarantees: over any run of sum(weights)
 * picks with all entries usable, each entry is picked as often as its weight says, give or take one.
 * Cost: O(n) a pick in the weighted case, O(1) else. Bounds: the caller's list.
 */

import { assert } from '../assert.ts'
import type { Balancer, Candidates } from './balancer.ts'

export class RoundRobin implements Balancer {
  readonly #size: number
  /** 1/weight of each entry; undefined when all weigh the same. */
  readonly #steps: readonly number[] | undefined
  readonly #deadlines: number[]
  #next: number

  /**
   * @param weights each above 0
   * @param start any integer from 0: where the rotation begins, so that many callers do not all begin at
   *   the first entry
   */
  constructor(weights: readonly number[], start: number) {
    assert(
      weights.every((weight) => weight > 0),
      'weights are above zero',
    )
    this.#size = weights.length
    this.#next = this.#size === 0 ? 0 : start % this.#size
    const isEven = weights.every((weight) => weight === weights[0])
    this.#steps = isEven ? undefined : weights.map((weight) => 1 / weight)
    this.#deadlines = weights.map((weight) => 1 / weight)
  }

  /** @returns the index of the picked entry, or -1 when none is usable */
  pick(candidates: Candidates): number {
    return this.#steps === undefined
      ? this.#rotate(candidates)
      : this.#earliest(candidates, this.#steps)
  }

  #rotate(candidates: Candidates): number {
    const size = this.#size
    for (let tried = 0; tried < size; tried++) {
      const index = this.#next
      this.#next = index + 1 === size ? 0 : index + 1
      if (candidates.isUsable(index)) return index
    }
    return -1
  }

  #earliest(candidates: Candidates, steps: readonly number[]): number {
    let best = -1
    let earliest = Number.POSITIVE_INFINITY
    let now = Number.POSITIVE_INFINITY
    // Beginning at the start of the rotation: it decides between equal deadlines.
    for (let n = 0, i = this.#next; n < this.#size; n++, i = i + 1 === this.#size ? 0 : i + 1) {
      const deadline = this.#deadlines[i] as number
      if (deadline < now) now = deadline
      if (deadline < earliest && candidates.isUsable(i)) {
        best = i
        earliest = deadline
      }
    }
    if (best < 0) return -1
    // Whoever was passed over starts from here: no burst when it comes back.
    if (now < earliest) {
      for (let i = 0; i < this.#size; i++) {
        if ((this.#deadlines[i] as number) < earliest) this.#deadlines[i] = earliest
      }
    }
    this.#deadlines[best] = earliest + (steps[best] as number)
    if (earliest > REBASE_AT) this.#rebase(earliest)
    return best
  }

  /** Keeps deadlines small, so that adding 1/weight never gets lost in rounding. */
  #rebase(by: number): void {
    for (let i = 0; i < this.#size; i++) this.#deadlines[i] = (this.#deadlines[i] as number) - by
  }
}

const REBASE_AT = 1e6
