/**
 * Balancing by a few random choices, of which the cheapest is taken (mesh.md 10.3). Pure.
 *
 * One choice is the policy `random`; two with a cost is "the power of two choices". Choices are drawn in proportion to
 * the weights and may meet the same entry twice, so that no entry is starved by another that is always a little
 * cheaper. Cost: O(1) a pick with equal weights, O(log n) else; O(n) only where hardly any entry is usable.
 */

import { assert } from '../assert.ts'
import type { Rng } from '../rng.ts'
import type { Balancer, Candidates } from './balancer.ts'

/** Draws that meet entries which may not be used, before all are looked at in turn. */
const MISSES_MAX = 4

export class RandomChoices implements Balancer {
  readonly #size: number
  readonly #choices: number
  readonly #rng: Rng
  /** Running sums of the weights; undefined when all weigh the same. */
  readonly #sums: readonly number[] | undefined

  /**
   * @param weights each above 0
   * @param choices from 1
   */
  constructor(weights: readonly number[], choices: number, rng: Rng) {
    assert(choices >= 1, 'at least one choice')
    this.#size = weights.length
    this.#choices = choices
    this.#rng = rng
    this.#sums = weights.every((weight) => weight === weights[0]) ? undefined : sumsOf(weights)
  }

  pick(candidates: Candidates): number {
    let best = this.#draw(candidates)
    if (best < 0 || this.#choices === 1) return best
    let least = candidates.cost(best)
    for (let i = 1; i < this.#choices; i++) {
      const index = this.#draw(candidates)
      if (index === best) continue
      const cost = candidates.cost(index)
      if (cost >= least) continue
      best = index
      least = cost
    }
    return best
  }

  #draw(candidates: Candidates): number {
    const size = this.#size
    if (size === 0) return -1
    let index = 0
    for (let misses = 0; misses < MISSES_MAX; misses++) {
      index = this.#any()
      if (candidates.isUsable(index)) return index
    }
    // From a random place, or whoever follows a gap would get all that falls into it.
    return this.#sums === undefined
      ? this.#next(candidates, this.#rng.range(0, size))
      : this.#weighted(candidates, this.#sums)
  }

  #any(): number {
    const sums = this.#sums
    if (sums === undefined) return this.#rng.range(0, this.#size)
    return firstAbove(sums, this.#rng.float() * (sums.at(-1) ?? 0))
  }

  #next(candidates: Candidates, from: number): number {
    for (let n = 0, i = from; n < this.#size; n++, i = i + 1 === this.#size ? 0 : i + 1) {
      if (candidates.isUsable(i)) return i
    }
    return -1
  }

  /** Among those usable, in proportion to their weights. */
  #weighted(candidates: Candidates, sums: readonly number[]): number {
    let chosen = -1
    let total = 0
    for (let i = 0; i < this.#size; i++) {
      if (!candidates.isUsable(i)) continue
      const weight = (sums[i] as number) - (sums[i - 1] ?? 0)
      total += weight
      if (this.#rng.float() * total < weight) chosen = i
    }
    return chosen
  }
}

function sumsOf(weights: readonly number[]): readonly number[] {
  let sum = 0
  return weights.map((weight) => {
    assert(weight > 0, 'weights are above zero')
    sum += weight
    return sum
  })
}

function firstAbove(sums: readonly number[], value: number): number {
  let low = 0
  let high = sums.length - 1
  while (low < high) {
    const middle = (low + high) >> 1
    if ((sums[middle] as number) > value) high = middle
    else low = middle + 1
  }
  return low
}
