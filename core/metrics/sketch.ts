/**
 * A distribution of numbers in bounded space, from which quantiles are read (as in DDSketch, VLDB 2019). Pure.
 *
 * Buckets grow by a constant ratio, so that a quantile is within RELATIVE_ERROR of a number that was recorded,
 * whatever the distribution. Bounds: BUCKETS counters of 4 bytes; smaller numbers than LEAST count as LEAST,
 * larger than about 1e8 as that.
 */

const RATIO = 1.05
export const RELATIVE_ERROR = (RATIO - 1) / 2
const LEAST = 1e-3
/** LEAST * RATIO ** (BUCKETS - 1) is above 1e8. */
const BUCKETS = 521
const SCALE = 1 / Math.log(RATIO)
const OFFSET = Math.log(LEAST) * SCALE
/** The middle of a bucket, from its upper end. */
const MIDDLE = 2 / (1 + RATIO)

export class Sketch {
  readonly #buckets = new Uint32Array(BUCKETS)
  #count = 0

  get count(): number {
    return this.#count
  }

  record(value: number): void {
    const place = value <= LEAST ? 0 : Math.ceil(Math.log(value) * SCALE - OFFSET)
    const at = place < BUCKETS ? place : BUCKETS - 1
    this.#buckets[at] = (this.#buckets[at] ?? 0) + 1
    this.#count++
  }

  clear(): void {
    if (this.#count === 0) return
    this.#buckets.fill(0)
    this.#count = 0
  }

  /** @param rank 0 to 1. @returns NaN of nothing */
  quantile(rank: number): number {
    if (this.#count === 0) return Number.NaN
    let left = Math.max(1, Math.ceil(rank * this.#count))
    for (let at = 0; at < BUCKETS; at++) {
      left -= this.#buckets[at] ?? 0
      if (left <= 0) return valueAt(at)
    }
    return valueAt(BUCKETS - 1)
  }

  /** Those that are not empty, from the smallest. */
  *buckets(): Generator<readonly [value: number, count: number]> {
    if (this.#count === 0) return
    for (let at = 0; at < BUCKETS; at++) {
      const count = this.#buckets[at] ?? 0
      if (count > 0) yield [valueAt(at), count]
    }
  }
}

function valueAt(bucket: number): number {
  return bucket === 0 ? LEAST : LEAST * RATIO ** bucket * MIDDLE
}
