/**
 * A clock that moves only when told to: the in-memory twin of the system clock, for tests and simulations.
 *
 * `advance` runs due timers in order of their instants (ties: in order of arming), each at its own instant,
 * including timers armed by earlier ones. It does not await promises between them.
 */

import type { Clock, Instant, Timer, WallTime } from '../../core/time.ts'
import { instant, wallTime } from '../../core/time.ts'

interface Pending {
  readonly at: number
  readonly order: number
  readonly fn: () => void
}

export class ManualClock implements Clock {
  #now: number
  #wallOffset: number
  #order = 0
  readonly #pending = new Set<Pending>()

  constructor(options: { readonly now?: number; readonly wall?: number } = {}) {
    this.#now = options.now ?? 0
    this.#wallOffset = (options.wall ?? 1_767_225_600_000) - this.#now
  }

  now(): Instant {
    return instant(this.#now)
  }

  wall(): WallTime {
    return wallTime(this.#now + this.#wallOffset)
  }

  /** Moves only the wall clock, as an operator or NTP would. */
  jumpWall(ms: number): void {
    this.#wallOffset += ms
  }

  timer(at: Instant, fn: () => void): Timer {
    const entry: Pending = { at, order: this.#order++, fn }
    this.#pending.add(entry)
    return { cancel: () => void this.#pending.delete(entry) }
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => {
        timer.cancel()
        reject(signal?.reason)
      }
      const timer = this.timer(instant(this.#now + ms), () => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      })
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  /** Number of armed timers; zero after a clean stop. */
  get armed(): number {
    return this.#pending.size
  }

  advance(ms: number): void {
    const target = this.#now + ms
    for (;;) {
      const next = this.#nextDue(target)
      if (next === undefined) break
      this.#pending.delete(next)
      this.#now = Math.max(this.#now, next.at)
      next.fn()
    }
    this.#now = target
  }

  #nextDue(target: number): Pending | undefined {
    let best: Pending | undefined
    for (const entry of this.#pending) {
      if (entry.at > target) continue
      if (
        best === undefined ||
        entry.at < best.at ||
        (entry.at === best.at && entry.order < best.order)
      ) {
        best = entry
      }
    }
    return best
  }
}
