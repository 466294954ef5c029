/**
 * How fast leaves are signed: a token bucket of burst one, or a bound on how many at once (mesh.md 4.7).
 *
 * Guarantees: a caller waits at most SIGNING_WAIT_MAX_MS and is then refused with the text that clients
 * know. Who waits stands in the line of its identity; the lines take turns, so that one identity that asks
 * without end does not keep the others out, and when there is no room it is the last of the longest line who
 * is refused. The limits come with every call, so that a new configuration counts at once.
 * Bounds: those who wait are limited by the wait itself (rate) or by WAITERS_MAX (concurrency).
 */

import { FairleadError } from '../../core/errors.ts'
import type { Clock, Timer } from '../../core/time.ts'
import { instant } from '../../core/time.ts'

export const SIGNING_WAIT_MAX_MS = 500
export const WAITERS_MAX = 4096

export interface SigningLimits {
  /** 0 turns it off. */
  readonly csrMaxPerSecond: number
  /** Counts only without a rate; 0 is unlimited. */
  readonly csrMaxConcurrent: number
}

interface Waiter {
  readonly identity: string
  /** Takes it out of its line. */
  readonly begin: () => void
  readonly refuse: (reason: unknown) => void
}

export class SigningLimiter {
  readonly #clock: Clock
  /** By identity; the first line is next. */
  readonly #lines = new Map<string, Waiter[]>()
  #waiting = 0
  #limits: SigningLimits = { csrMaxPerSecond: 0, csrMaxConcurrent: 0 }
  #nextTokenAt = 0
  #tokenTimer: Timer | undefined
  #running = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * @param identity whose certificate it is
   * @throws FairleadError RATE_LIMITED, the abort reason, or what `work` throws
   */
  async run<T>(
    limits: SigningLimits,
    identity: string,
    work: () => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    this.#limits = limits
    const isCounted = limits.csrMaxPerSecond <= 0 && limits.csrMaxConcurrent > 0
    if (limits.csrMaxPerSecond > 0 || isCounted) await this.#turn(identity, signal)
    if (!isCounted) return work()
    try {
      return await work()
    } finally {
      this.#running -= 1
      this.#advance()
    }
  }

  async #turn(identity: string, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted()
    if (this.#waiting === 0 && this.#take()) return
    if (this.#isFull() && !this.#makeRoom(identity)) throw rateLimited()
    await new Promise<void>((resolve, reject) => {
      const now = this.#clock.now()
      const leave = (): void => {
        timer.cancel()
        signal?.removeEventListener('abort', onAbort)
        this.#remove(waiter)
      }
      const waiter: Waiter = {
        identity,
        begin: () => {
          leave()
          resolve()
        },
        refuse: (reason) => {
          leave()
          reject(reason)
        },
      }
      const onAbort = (): void => waiter.refuse(signal?.reason)
      const timer = this.#clock.timer(instant(now + SIGNING_WAIT_MAX_MS), () =>
        this.#expire(waiter),
      )
      signal?.addEventListener('abort', onAbort, { once: true })
      const line = this.#lines.get(identity)
      if (line === undefined) this.#lines.set(identity, [waiter])
      else line.push(waiter)
      this.#waiting += 1
      this.#advance()
    })
  }

  /** A turn that comes at the very end of the wait is still one. */
  #expire(waiter: Waiter): void {
    this.#advance()
    if (this.#lines.get(waiter.identity)?.includes(waiter)) waiter.refuse(rateLimited())
  }

  /** @returns whether one may begin now; then it is counted */
  #take(): boolean {
    const { csrMaxPerSecond, csrMaxConcurrent } = this.#limits
    if (csrMaxPerSecond > 0) {
      const now = this.#clock.now()
      if (now < this.#nextTokenAt) return false
      this.#nextTokenAt = now + 1000 / csrMaxPerSecond
      return true
    }
    if (csrMaxConcurrent > 0 && this.#running >= csrMaxConcurrent) return false
    this.#running += 1
    return true
  }

  #advance(): void {
    while (this.#waiting > 0 && this.#take()) {
      const [next] = this.#lines
      const [identity, line] = next ?? ['', []]
      line[0]?.begin()
      // To the end of the round.
      if (line.length === 0 || !this.#lines.delete(identity)) continue
      this.#lines.set(identity, line)
    }
    if (this.#limits.csrMaxPerSecond > 0) this.#armToken()
  }

  #armToken(): void {
    if (this.#waiting === 0) {
      this.#tokenTimer?.cancel()
      this.#tokenTimer = undefined
    } else if (this.#tokenTimer === undefined) {
      this.#tokenTimer = this.#clock.timer(instant(this.#nextTokenAt), () => {
        this.#tokenTimer = undefined
        this.#advance()
      })
    }
  }

  /** Nobody else could be served within the wait. */
  #isFull(): boolean {
    const { csrMaxPerSecond } = this.#limits
    if (csrMaxPerSecond <= 0) return this.#waiting >= WAITERS_MAX
    const untilToken = Math.max(0, this.#nextTokenAt - this.#clock.now())
    return untilToken + (this.#waiting * 1000) / csrMaxPerSecond > SIGNING_WAIT_MAX_MS
  }

  /** Refuses the last of the longest line, if that is longer than what the newcomer would make of its own. */
  #makeRoom(identity: string): boolean {
    let longest: Waiter[] = []
    for (const line of this.#lines.values()) if (line.length > longest.length) longest = line
    if (longest.length <= (this.#lines.get(identity)?.length ?? 0) + 1) return false
    longest.at(-1)?.refuse(rateLimited())
    return true
  }

  #remove(waiter: Waiter): void {
    const line = this.#lines.get(waiter.identity)
    const at = line?.indexOf(waiter) ?? -1
    if (line === undefined || at < 0) return
    line.splice(at, 1)
    this.#waiting -= 1
    if (line.length === 0) this.#lines.delete(waiter.identity)
    if (this.#waiting === 0) this.#armToken()
  }
}

function rateLimited(): FairleadError {
  return new FairleadError('RATE_LIMITED', 'Rate limit reached, try again later')
}
