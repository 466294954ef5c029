/**
 * What the DNS server counts: questions, how many came from its cache, how long the others took.
 */

import { AGENT_METRICS } from '../../core/metrics/catalogue/agent.ts'
import { followTotal } from '../../core/metrics/follow-total.ts'
import type { Sample } from '../../core/metrics/instruments.ts'
import type { Metrics } from '../../core/metrics/metrics.ts'
import type { Clock } from '../../core/time.ts'
import type { DnsCounters, Reply } from './engine.ts'

export class DnsMetrics {
  readonly #clock: Clock
  readonly #query: Sample
  readonly #ends: readonly (() => void)[]

  constructor(
    counters: () => Readonly<DnsCounters>,
    { clock, metrics }: { readonly clock: Clock; readonly metrics: Metrics },
  ) {
    this.#clock = clock
    this.#query = metrics.sample(AGENT_METRICS.dnsQuery)
    this.#ends = [
      followTotal(metrics, AGENT_METRICS.dnsQueries, () => counters().queries),
      followTotal(metrics, AGENT_METRICS.dnsCacheHits, () => counters().cacheHits),
      followTotal(metrics, AGENT_METRICS.dnsDropped, () => counters().dropped),
    ]
  }

  /** Of a question that the cache could not answer. */
  measured(answer: () => Reply): Reply {
    const begun = this.#clock.now()
    const reply = answer()
    if (reply instanceof Promise) {
      return reply.finally(() => this.#query.record(this.#clock.now() - begun))
    }
    this.#query.record(this.#clock.now() - begun)
    return reply
  }

  end(): void {
    for (const end of this.#ends) end()
  }
}
