/**
 * How fast leaves are signed: a token bucket of burst one, or a bound on how many at once (mesh.md 4.7).
 *
 * Guarantees: a caller waits at most SIGNING_WAIT_MAX_MS and is then refused with the text that clients
 * know; nobody overtakes. The limits come with every call, so that a new configuration counts at once.
 * Bounds: those who wait are limited by the wait itself (rate) or by WAITERS_MAX (concurrency).
 */

import { FairleadError } from '../../core/errors.ts'
import type { Clock } from '../../core/time.ts'
import { instant } from '../../core/time.ts'

export const SIGNING_WAIT_MAX_MS = 500
export const WAITERS_MAX = 4096

export interface SigningLimits {
  /** 0 turns it off. */
  readonly csrMaxPerSecond: number
  /** Counts only without a rate; 0 is unlimited. */
  readonly csrMaxConcurrent: number
}

export class SigningLimiter {
  readonly #clock: Clock
  #nextTokenAt = 0
  #running = 0
  readonly #waiting: (() => void)[] = []

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** @throws FairleadError RATE_LIMITED, the abort reason, or what `work` throws */
  async run<T>(limits: SigningLimits, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (limits.csrMaxPerSecond > 0) {
      await this.#takeToken(limits.csrMaxPerSecond, signal)
      return work()
    }
    if (limits.csrMaxConcurrent <= 0) return work()
    if (this.#running >= limits.csrMaxConcurrent) await this.#takeTurn(signal)
    else this.#running += 1
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#running -= 1
      else next()
    }
  }

  async #takeToken(perSecond: number, signal: AbortSignal | undefined): Promise<void> {
    const now = this.#clock.now()
    const at = Math.max(now, this.#nextTokenAt)
    if (at - now > SIGNING_WAIT_MAX_MS) throw rateLimited()
    this.#nextTokenAt = at + 1000 / perSecond
    if (at > now) await this.#clock.sleep(at - now, signal)
  }

  /** Resolves with the turn of one that finished: `#running` stays as it is. */
  #takeTurn(signal: AbortSignal | undefined): Promise<void> {
    if (this.#waiting.length >= WAITERS_MAX) return Promise.reject(rateLimited())
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        timer.cancel()
        signal?.removeEventListener('abort', onAbort)
        const at = this.#waiting.indexOf(onTurn)
        if (at >= 0) this.#waiting.splice(at, 1)
      }
      const onTurn = (): void => {
        leave()
        resolve()
      }
      const onAbort = (): void => {
        leave()
        reject(signal?.reason)
      }
      const timer = this.#clock.timer(instant(this.#clock.now() + SIGNING_WAIT_MAX_MS), () => {
        leave()
        reject(rateLimited())
      })
      this.#waiting.push(onTurn)
      signal?.addEventListener('abort', onAbort, { once: true })
      if (signal?.aborted) onAbort()
    })
  }
}

function rateLimited(): FairleadError {
  return new FairleadError('RATE_LIMITED', 'Rate limit reached, try again later')
}
