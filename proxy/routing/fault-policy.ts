/**
 * Faults that a route puts in the way of its requests (mesh.md 10.9): a wait, an answer in place of the application's.
 *
 * Both are drawn independently; the wait comes first. Where the route lets callers choose, `x-envoy-fault-delay-request` (ms) and
 * `x-envoy-fault-abort-request` (a status) say what, and their `-percentage` how often, at most as often as configured.
 * After its expiry a fault does nothing. Bounds: `maxActive` requests wait at a time (0: any number); more pass.
 */

import type { FaultSpec } from '../../core/mesh/proxy-snapshot.ts'
import type { Rng } from '../../core/rng.ts'
import type { WallTime } from '../../core/time.ts'
import type { RequestView } from '../http1/request-view.ts'

/** What happens to one request. */
export interface Fault {
  /** 0: no wait. */
  readonly delayMs: number
  /** 0: goes on to the application. */
  readonly abortStatus: number
  readonly policy: FaultPolicy
}

const DELAY_MAX_MS = 300_000

export class FaultPolicy {
  /** Requests that wait now. */
  waiting = 0
  readonly #spec: FaultSpec
  readonly #rng: Rng
  readonly #wall: () => WallTime

  constructor(spec: FaultSpec, rng: Rng, wall: () => WallTime) {
    this.#spec = spec
    this.#rng = rng
    this.#wall = wall
  }

  /** @returns undefined when the request is spared */
  draw(view: RequestView): Fault | undefined {
    const { expiresAt, delayMs, delayPercent, abortStatus, abortPercent, maxActive } = this.#spec
    if (expiresAt !== undefined && this.#wall() >= expiresAt) return undefined
    let delay = this.#happens(this.#percent(view, 'delay', delayPercent))
      ? this.#chosen(view, 'delay', delayMs)
      : 0
    if (maxActive > 0 && this.waiting >= maxActive) delay = 0
    const status = this.#happens(this.#percent(view, 'abort', abortPercent))
      ? this.#chosen(view, 'abort', abortStatus)
      : 0
    const abort = status >= 200 && status <= 599 ? status : 0
    if (delay <= 0 && abort === 0) return undefined
    return { delayMs: Math.min(DELAY_MAX_MS, delay), abortStatus: abort, policy: this }
  }

  #chosen(view: RequestView, what: 'delay' | 'abort', configured: number): number {
    if (!this.#spec.isHeaderControlled) return configured
    return wholeNumber(view.header(`x-envoy-fault-${what}-request`)) ?? configured
  }

  #percent(view: RequestView, what: 'delay' | 'abort', configured: number): number {
    if (!this.#spec.isHeaderControlled) return configured
    const asked = wholeNumber(view.header(`x-envoy-fault-${what}-request-percentage`))
    return Math.min(configured, asked ?? configured)
  }

  #happens(percent: number): boolean {
    return percent > 0 && this.#rng.float() * 100 < percent
  }
}

function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined
}
