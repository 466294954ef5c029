/**
 * What is counted of the requests of one series (source, destination, route): plain numbers, found once for each
 * connection and route, so that a request costs a few additions.
 */

import { DurationHistogram } from '../../core/metrics/duration-histogram.ts'

export class RequestStats {
  /** Of the route taken; '' on the called side. */
  readonly route: string
  /** Prefix of the listener's figures, in Envoy's words. */
  readonly prefix: string
  active = 0
  timeouts = 0
  retries = 0
  /** Requests that succeeded after a retry. */
  retriesRewarded = 0
  /** A further try was not made: the number or the time of the policy was used up. */
  retriesExhausted = 0
  /** Callers that gave up. */
  cancelled = 0
  denied = 0
  /** To an answer's last byte. */
  readonly durations = new DurationHistogram()
  readonly #byStatus = new Map<number, number>()
  // Nearly all answers have the status of the one before: those are only counted here.
  #status = 0
  #statusCount = 0

  constructor(prefix: string, route: string) {
    this.prefix = prefix
    this.route = route
  }

  /** @param status 0: none, the caller went away */
  ended(status: number, ms: number): void {
    this.active--
    this.#count(status)
    if (status === 0) this.cancelled++
    this.durations.record(ms)
  }

  /** Answered by this proxy, before it went anywhere. */
  refused(status: number): void {
    this.#count(status)
  }

  get total(): number {
    let total = this.active
    for (const count of this.byStatus.values()) total += count
    return total
  }

  /** Ended ones; 0 stands for those without an answer. */
  get byStatus(): ReadonlyMap<number, number> {
    this.#settle()
    return this.#byStatus
  }

  #count(status: number): void {
    if (status !== this.#status) {
      this.#settle()
      this.#status = status
    }
    this.#statusCount++
  }

  #settle(): void {
    if (this.#statusCount === 0) return
    this.#byStatus.set(this.#status, (this.#byStatus.get(this.#status) ?? 0) + this.#statusCount)
    this.#statusCount = 0
  }
}

/** `2xx`; for requests without an answer `none`. */
export function statusClass(status: number): string {
  return status < 100 ? 'none' : `${Math.floor(status / 100)}xx`
}
