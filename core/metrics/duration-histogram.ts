/**
 * Durations in buckets that grow with the value, as HdrHistogram has them: recording is a shift and an addition. Pure.
 *
 * Every power of two is cut into 16 equal parts, so a bucket is at most 1/16 of its value wide, from 1 µs to 35
 * minutes; longer ones count as that. Bounds: BUCKETS counters of 4 bytes, made with the first duration.
 */

const PARTS = 16
/** Up to 2 ** 31 - 1 µs. */
const BUCKETS = 448
const US_MAX = 0x7fff_ffff

export class DurationHistogram {
  count = 0
  /** Milliseconds. */
  sum = 0
  #buckets: Uint32Array | undefined

  record(ms: number): void {
    this.#buckets ??= new Uint32Array(BUCKETS)
    const buckets = this.#buckets
    const at = bucketOf(ms)
    buckets[at] = (buckets[at] as number) + 1
    this.count++
    this.sum += ms
  }

  /** Adds what another one holds. */
  add(other: DurationHistogram): void {
    if (other.#buckets === undefined) return
    this.#buckets ??= new Uint32Array(BUCKETS)
    const buckets = this.#buckets
    for (let at = 0; at < BUCKETS; at++) {
      buckets[at] = (buckets[at] as number) + (other.#buckets[at] as number)
    }
    this.count += other.count
    this.sum += other.sum
  }

  /** @param bounds ms, ascending. @returns for each, how many were at most that; a bucket counts where it ends */
  cumulative(bounds: readonly number[]): number[] {
    const counts: number[] = []
    let at = 0
    let count = 0
    for (const bound of bounds) {
      for (; at < BUCKETS && upperUs(at) <= bound * 1000; at++) count += this.#buckets?.[at] ?? 0
      counts.push(count)
    }
    return counts
  }

  /** @param rank 0 to 1. @returns ms, the upper end of its bucket; NaN of nothing */
  quantile(rank: number): number {
    if (this.count === 0) return Number.NaN
    let left = Math.max(1, Math.ceil(rank * this.count))
    for (let at = 0; at < BUCKETS; at++) {
      left -= this.#buckets?.[at] ?? 0
      if (left <= 0) return upperUs(at) / 1000
    }
    return US_MAX / 1000
  }
}

function bucketOf(ms: number): number {
  const us = ms * 1000
  if (!(us > 0)) return 0
  if (us >= US_MAX) return BUCKETS - 1
  // A duration of 1.2 µs is above 1 µs: ends of buckets are inclusive.
  const whole = Math.ceil(us)
  if (whole < 2 * PARTS) return whole
  const shift = 27 - Math.clz32(whole)
  return shift * PARTS + (whole >>> shift)
}

/** The largest duration of a bucket. */
function upperUs(bucket: number): number {
  if (bucket < 2 * PARTS) return bucket
  const shift = Math.floor(bucket / PARTS) - 1
  return ((bucket % PARTS) + PARTS + 1) * 2 ** shift - 1
}
