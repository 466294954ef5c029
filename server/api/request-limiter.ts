/**
 * Refuses what agents ask of this server beyond its rates of reads and writes (agent-config.md 11).
 *
 * Counts where a request comes in: what one server hands to another on its behalf is not counted again. Raft and gossip
 * are no requests. With no limit set a request costs one look.
 */

import type { RequestLimits } from '../../core/config/limits.ts'
import { FairleadError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import { SERVER_METRICS } from '../../core/metrics/catalogue/server.ts'
import type { Metrics } from '../../core/metrics/metrics.ts'
import { TokenBucket } from '../../core/resilience/token-bucket.ts'
import type { Clock } from '../../core/time.ts'
import { RareWarnings } from '../../runtime/log/rare-warnings.ts'
import type { CallKind } from '../../runtime/rpc/limited-server-api.ts'

const ELSEWHERE = 'rate limit exceeded, try again later or against a different server'
const LATER =
  'rate limit exceeded for operation that can only be performed by the leader, try again later'

export interface RequestLimiterDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  readonly isLeader: () => boolean
}

export class RequestLimiter {
  readonly #deps: RequestLimiterDeps
  readonly #warnings: RareWarnings
  #limits: RequestLimits
  #buckets: Readonly<Record<CallKind, TokenBucket | undefined>>

  constructor(limits: RequestLimits, deps: RequestLimiterDeps) {
    this.#deps = deps
    this.#warnings = new RareWarnings(deps)
    this.#limits = limits
    this.#buckets = this.#made(limits)
  }

  /** Whoever waited gets the new limits; a bucket begins full. */
  reload(limits: RequestLimits): void {
    this.#limits = limits
    this.#buckets = this.#made(limits)
  }

  /** @throws FairleadError RATE_LIMITED, LEADER_RATE_LIMITED */
  admit(kind: CallKind, method: string): void {
    const bucket = this.#buckets[kind]
    if (bucket === undefined) return
    const { clock, metrics, isLeader } = this.#deps
    if (bucket.take(clock.now())) return
    const { mode } = this.#limits
    metrics
      .counter(SERVER_METRICS.rateLimited, { limit_type: `global/${kind}`, op: method, mode })
      .increment()
    const facts = { kind, method, mode }
    this.#warnings.warn('more requests came than limits.request_limits allow', facts)
    if (mode !== 'enforcing') return
    // Another server would hand a write to this one.
    const isLeadersOnly = kind === 'write' && isLeader()
    throw new FairleadError(
      isLeadersOnly ? 'LEADER_RATE_LIMITED' : 'RATE_LIMITED',
      isLeadersOnly ? LATER : ELSEWHERE,
    )
  }

  #made({ mode, read, write }: RequestLimits): Record<CallKind, TokenBucket | undefined> {
    if (mode === 'disabled') return { read: undefined, write: undefined }
    const now = this.#deps.clock.now()
    return {
      read: read === undefined ? undefined : new TokenBucket(read, now),
      write: write === undefined ? undefined : new TokenBucket(write, now),
    }
  }
}
