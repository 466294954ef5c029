/**
 * The median of the last few round trips to one node: a single slow packet moves nothing (gossip.md 12). Pure.
 *
 * Bound: SAMPLES_MAX numbers.
 */

const SAMPLES_MAX = 3

export class LatencyFilter {
  readonly #samples: number[] = []

  /** @returns the median of the samples so far, this one included; of two the larger */
  add(rtt: number): number {
    this.#samples.push(rtt)
    if (this.#samples.length > SAMPLES_MAX) this.#samples.shift()
    const sorted = this.#samples.toSorted((a, b) => a - b)
    return sorted[Math.floor(sorted.length / 2)] ?? rtt
  }
}
