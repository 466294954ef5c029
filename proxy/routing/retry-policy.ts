/**
 * Which outcomes of an attempt are tried again, how often and after how long (mesh.md 10.7).
 *
 * A route that asks for retries says that its requests may be sent twice. Never retried: what was denied, what
 * found no healthy instance, what used up the time of the whole request. Backoff is exponential and fully
 * jittered: attempt N waits up to (2^N - 1) × the base of the route, at most its maximum.
 */

import type { RetrySpec } from '../../core/mesh/proxy-snapshot.ts'
import { BACKOFF_BASE_MS } from '../../core/mesh/routes.ts'
import type { Rng } from '../../core/rng.ts'
import type { Failure } from '../exchange/types.ts'

const BACKOFF = { baseMs: BACKOFF_BASE_MS, maxMs: 10 * BACKOFF_BASE_MS }

export class RetryPolicy {
  readonly attemptsMax: number
  readonly #rng: Rng
  readonly #backoff: NonNullable<RetrySpec['backoff']>
  readonly #statuses: ReadonlySet<number>
  readonly #onConnectFailure: boolean
  readonly #onReset: boolean
  readonly #on5xx: boolean

  constructor(spec: RetrySpec, rng: Rng) {
    const on = new Set(spec.conditions)
    const statuses = new Set(spec.statusCodes)
    if (on.has('gateway-error')) for (const status of [502, 503, 504]) statuses.add(status)
    if (on.has('retriable-4xx')) statuses.add(409)
    const onAnyLoss = on.has('5xx') || on.has('gateway-error') || on.has('reset')
    this.attemptsMax = spec.retriesMax
    this.#rng = rng
    this.#backoff = spec.backoff ?? BACKOFF
    this.#statuses = statuses
    this.#on5xx = on.has('5xx')
    this.#onReset = onAnyLoss
    this.#onConnectFailure = onAnyLoss || on.has('connect-failure') || on.has('refused-stream')
  }

  retriesStatus(status: number): boolean {
    return this.#statuses.has(status) || (this.#on5xx && status >= 500)
  }

  retriesFailure(failure: Failure): boolean {
    switch (failure.retry) {
      case 'never-sent':
        return this.#onConnectFailure
      case 'maybe-sent':
        return this.#onReset
      case 'final':
        return false
    }
  }

  /** @param attempt from 1 */
  backoffMs(attempt: number): number {
    const { baseMs, maxMs } = this.#backoff
    const most = Math.min(maxMs, (2 ** attempt - 1) * baseMs)
    return this.#rng.float() * most
  }
}
