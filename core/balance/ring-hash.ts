/**
 * Ring hashing: each entry owns arcs of a ring, a request goes to the owner of the place that its hash has (mesh.md 10.3).
 * Pure; the ring itself comes from the shell.
 *
 * Only keys of an entry that joins or leaves move. What belongs to an entry that may not be used now is hashed on to others,
 * each key on its own, so that its load is spread, and comes back afterwards. A heavier entry has more points, in
 * proportion, up to COPIES_MAX times those of the lightest.
 */

import type { Rng } from '../rng.ts'
import type { Balancer, Candidates } from './balancer.ts'
import { mixed } from './hash.ts'

export interface Ring {
  /** @returns undefined when there are no members */
  owner(key: string): string | undefined
}

export type MakeRing = (members: Iterable<string>) => Ring

const COPIES_MAX = 20
/** Other places tried before all entries are looked at in turn. */
const TRIES_MAX = 8

export class RingHash implements Balancer {
  readonly #indexes = new Map<string, number>()
  readonly #size: number
  readonly #ring: Ring
  readonly #rng: Rng

  /**
   * @param keys what an entry is recognised by, each once
   * @param weights each above 0
   */
  constructor(keys: readonly string[], weights: readonly number[], makeRing: MakeRing, rng: Rng) {
    const lightest = Math.min(...weights)
    for (const [index, key] of keys.entries()) {
      const copies = Math.min(COPIES_MAX, Math.round((weights[index] as number) / lightest))
      for (let copy = 0; copy < copies; copy++) this.#indexes.set(`${key}\n${copy}`, index)
    }
    this.#size = keys.length
    this.#ring = makeRing(this.#indexes.keys())
    this.#rng = rng
  }

  pick(candidates: Candidates, hash = this.#rng.u32()): number {
    if (this.#size === 0) return -1
    let at = hash >>> 0
    for (let tried = 0; tried < TRIES_MAX; tried++) {
      const index = this.#indexes.get(this.#ring.owner(at.toString(16)) ?? '') ?? 0
      if (candidates.isUsable(index)) return index
      at = mixed(at + 1)
    }
    for (let n = 0, i = at % this.#size; n < this.#size; n++, i = (i + 1) % this.#size) {
      if (candidates.isUsable(i)) return i
    }
    return -1
  }
}
