/**
 * How much this member should distrust itself: rises when its probes fail or it is accused (Lifeguard; gossip.md 6).
 *
 * Always from 0 (healthy) to one below the multiplier; the probe interval is multiplied by one more than it.
 */

export class LocalHealth {
  readonly #max: number
  #score = 0

  constructor(awarenessMaxMultiplier: number) {
    this.#max = awarenessMaxMultiplier - 1
  }

  get score(): number {
    return this.#score
  }

  change(delta: number): void {
    this.#score = Math.min(this.#max, Math.max(0, this.#score + delta))
  }
}
