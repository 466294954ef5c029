/**
 * Randomness as an argument: a seedable generator, so that every choice can be replayed.
 *
 * Not for secrets: keys, ids that must not be guessed and tokens come from runtime/random/.
 * Source: xoshiro128** by Blackman and Vigna, seeded through splitmix32.
 */

export interface Rng {
  /** Uniform integer in [0, 2^32). */
  u32(): number
  /** Uniform number in [0, 1). */
  float(): number
  /** Uniform integer in [from, to). */
  range(from: number, to: number): number
  /** A uniformly chosen element; undefined when `items` is empty. */
  pick<T>(items: readonly T[]): T | undefined
  /** A new array in uniformly random order. */
  shuffle<T>(items: readonly T[]): T[]
  /** An independent generator whose stream depends on this one's seed and on `name`. */
  fork(name: string): Rng
}

export function seededRng(seed: number): Rng {
  return new Xoshiro(seed >>> 0)
}

class Xoshiro implements Rng {
  readonly #seed: number
  #a: number
  #b: number
  #c: number
  #d: number

  constructor(seed: number) {
    this.#seed = seed
    let state = seed
    const next = (): number => {
      state = (state + 0x9e3779b9) >>> 0
      let z = state
      z = Math.imul(z ^ (z >>> 16), 0x85ebca6b)
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35)
      return (z ^ (z >>> 16)) >>> 0
    }
    this.#a = next()
    this.#b = next()
    this.#c = next()
    this.#d = next() | 1
  }

  u32(): number {
    const result = Math.imul(rotl(Math.imul(this.#b, 5), 7), 9) >>> 0
    const t = this.#b << 9
    this.#c ^= this.#a
    this.#d ^= this.#b
    this.#b ^= this.#c
    this.#a ^= this.#d
    this.#c ^= t
    this.#d = rotl(this.#d, 11)
    return result
  }

  float(): number {
    return this.u32() / 4294967296
  }

  range(from: number, to: number): number {
    return from + Math.floor(this.float() * (to - from))
  }

  pick<T>(items: readonly T[]): T | undefined {
    return items.length === 0 ? undefined : items[this.range(0, items.length)]
  }

  shuffle<T>(items: readonly T[]): T[] {
    const out = items.slice()
    for (let i = out.length - 1; i > 0; i--) {
      const j = this.range(0, i + 1)
      const swap = out[i] as T
      out[i] = out[j] as T
      out[j] = swap
    }
    return out
  }

  fork(name: string): Rng {
    let hash = this.#seed ^ 0x811c9dc5
    for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193)
    return new Xoshiro(hash >>> 0)
  }
}

function rotl(x: number, k: number): number {
  return (x << k) | (x >>> (32 - k))
}
