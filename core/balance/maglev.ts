/**
 * Maglev hashing: a table of a prime size that maps hashes to entries (mesh.md 10.3). Pure.
 *
 * The entries take turns, as often as their weights say, in taking the next free slot of a permutation of their own. A
 * pick is one look at the table. An entry that joins or leaves moves little more than its own share. What hashes to an
 * entry that may not be used now goes on to others by hashing again, so that its load is spread, and comes back afterwards.
 * Source: Eisenbud and others, "Maglev: a fast and reliable software network load balancer", NSDI 2016, section 3.4.
 */

import type { Rng } from '../rng.ts'
import type { Balancer, Candidates } from './balancer.ts'
import { mixed, textHash } from './hash.ts'

const TABLE_SIZE = 65_537
/** Other slots tried before all entries are looked at in turn. */
const TRIES_MAX = 8

export class Maglev implements Balancer {
  readonly #size: number
  readonly #table: Uint32Array
  readonly #rng: Rng

  /**
   * @param keys what an entry is recognised by, each once
   * @param weights each above 0
   */
  constructor(keys: readonly string[], weights: readonly number[], rng: Rng) {
    this.#size = keys.length
    this.#table = tableOf(keys, weights)
    this.#rng = rng
  }

  pick(candidates: Candidates, hash = this.#rng.u32()): number {
    if (this.#size === 0) return -1
    let at = hash >>> 0
    for (let tried = 0; tried < TRIES_MAX; tried++) {
      const index = this.#table[at % TABLE_SIZE] as number
      if (candidates.isUsable(index)) return index
      at = mixed(at + 1)
    }
    for (let n = 0, i = at % this.#size; n < this.#size; n++, i = (i + 1) % this.#size) {
      if (candidates.isUsable(i)) return i
    }
    return -1
  }
}

function tableOf(keys: readonly string[], weights: readonly number[]): Uint32Array {
  const size = keys.length
  const table = new Uint32Array(TABLE_SIZE)
  if (size === 0) return table
  const taken = new Uint8Array(TABLE_SIZE)
  const offsets = keys.map((key) => textHash(key) % TABLE_SIZE)
  const skips = keys.map((key) => (textHash(key, SKIP_SEED) % (TABLE_SIZE - 1)) + 1)
  const heaviest = Math.max(...weights)
  const credits = weights.map(() => 0)
  for (let filled = 0; ; ) {
    for (let i = 0; i < size; i++) {
      // The heaviest takes one slot a round, the others their part of one.
      credits[i] = (credits[i] as number) + (weights[i] as number) / heaviest
      if ((credits[i] as number) < 1) continue
      credits[i] = (credits[i] as number) - 1
      let slot = offsets[i] as number
      while (taken[slot] === 1) slot = (slot + (skips[i] as number)) % TABLE_SIZE
      offsets[i] = (slot + (skips[i] as number)) % TABLE_SIZE
      taken[slot] = 1
      table[slot] = i
      filled++
      if (filled === TABLE_SIZE) return table
    }
  }
}

const SKIP_SEED = 0x9747b28c
