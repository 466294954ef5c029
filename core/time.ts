/**
 * The two clocks, never mixed: `Instant` for durations, `WallTime` for what people and certificates read.
 *
 * Cores take an `Instant` or a `WallTime` as an argument; shells take a `Clock`. The real clock lives in
 * runtime/clock/, simulated ones in tests.
 */

import type { Brand } from './brand.ts'

/** Monotonic milliseconds from an arbitrary origin. */
export type Instant = Brand<number, 'Instant'>

/** Milliseconds since the Unix epoch. */
export type WallTime = Brand<number, 'WallTime'>

export function instant(ms: number): Instant {
  return ms as Instant
}

export function wallTime(ms: number): WallTime {
  return ms as WallTime
}

/** A scheduled call; `cancel` is idempotent and safe after the call has run. */
export interface Timer {
  cancel(): void
}

export interface Clock {
  now(): Instant
  wall(): WallTime
  /** Calls `fn` once at `at` or as soon after as the loop allows; at once when `at` has passed. */
  timer(at: Instant, fn: () => void): Timer
  /** Resolves after `ms`; rejects with the signal's reason when aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}
