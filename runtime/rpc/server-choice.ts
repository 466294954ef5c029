/**
 * Which of the known servers an agent turns to.
 *
 * Agents spread evenly by consistent hashing and stay where they are. A server that failed is passed over
 * for FAILED_MS; when all have failed, the one whose failure is the longest ago is tried, so that with any
 * number of dead servers a living one is found within one round. Bound: the known servers are remembered.
 */

import type { Clock, Instant } from '../../core/time.ts'
import { HashRing } from '../hash-ring/hash-ring.ts'

export const FAILED_MS = 30_000

export class ServerChoice {
  readonly #nodeId: string
  readonly #clock: Clock
  #failed = new Map<string, Instant>()

  constructor(nodeId: string, clock: Clock) {
    this.#nodeId = nodeId
    this.#clock = clock
  }

  failed(address: string): void {
    this.#failed.set(address, this.#clock.now())
  }

  /** One of the servers known now is passed over for a failure. */
  get hasFailed(): boolean {
    return this.#failed.size > 0
  }

  /** @returns undefined when no server is known */
  choose(known: readonly string[]): string | undefined {
    const now = this.#clock.now()
    const servers = new Set(known)
    this.#failed = new Map(
      [...this.#failed].filter(([address, at]) => servers.has(address) && now - at < FAILED_MS),
    )
    const good = known.filter((address) => !this.#failed.has(address))
    if (good.length > 0) return new HashRing(good).owner(this.#nodeId)
    const [longestAgo] = [...this.#failed].sort(([, one], [, other]) => one - other)
    return longestAgo?.[0]
  }
}
