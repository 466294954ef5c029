/**
 * How long one member stays suspected: shorter the more members say so independently (Lifeguard; gossip.md 5). Pure.
 *
 * Guarantees: the deadline never moves later and never below the lower bound; a member counts once, who began
 * not at all. Bounds: at most k confirmations are remembered, later ones are no news.
 */

import { type Instant, instant } from '../time.ts'
import { suspicionConfirmations, suspicionRemainingMs, suspicionTimeoutMs } from './formulas.ts'
import type { GossipTiming } from './timing.ts'

export class Suspicion {
  readonly #since: Instant
  readonly #k: number
  readonly #minMs: number
  readonly #maxMs: number
  readonly #known: Set<string>

  /** @param members how many are alive or suspected, the suspected one included */
  constructor(options: {
    readonly since: Instant
    readonly by: string
    readonly members: number
    readonly timing: GossipTiming
  }) {
    const { since, by, members, timing } = options
    this.#since = since
    this.#known = new Set([by])
    this.#k = suspicionConfirmations(timing.suspicionMult, members)
    this.#minMs = suspicionTimeoutMs(timing.suspicionMult, members, timing.probeIntervalMs)
    this.#maxMs = this.#minMs * timing.suspicionMaxTimeoutMult
  }

  get confirmed(): number {
    return this.#known.size - 1
  }

  /** When the member is dead unless it speaks up. */
  get deadline(): Instant {
    const remaining = suspicionRemainingMs({
      confirmed: this.confirmed,
      k: this.#k,
      elapsedMs: 0,
      minMs: this.#minMs,
      maxMs: this.#maxMs,
    })
    return instant(this.#since + remaining)
  }

  /** @returns whether this is news that moves the deadline and should be passed on */
  confirm(by: string): boolean {
    if (this.confirmed >= this.#k || this.#known.has(by)) return false
    this.#known.add(by)
    return true
  }
}
