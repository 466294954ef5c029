/**
 * Cuts what a process counts into intervals of INTERVAL_MS, and hands each to whoever listens.
 *
 * Intervals end on whole multiples of their length by the wall clock, so that those of many hosts fall
 * together. Guarantees: listeners are called in the order of intervals; one that throws is logged and does not
 * hold up the others; after `stop` no timer is left. Keeps the last whole interval; who asks before the first
 * has ended ends it by that.
 */

import type { Service } from '../../core/lifecycle.ts'
import type { Logger } from '../../core/log.ts'
import type { Interval } from '../../core/metrics/interval-json.ts'
import type { MetricRegistry } from '../../core/metrics/registry.ts'
import { type Clock, type Instant, instant, type Timer, type WallTime } from '../../core/time.ts'

export const INTERVAL_MS = 10_000
const EARLY_MS = 100

export interface IntervalRecorderDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly registry: MetricRegistry
}

export class IntervalRecorder implements Service {
  readonly #clock: Clock
  readonly #log: Logger
  readonly #registry: MetricRegistry
  readonly #listeners = new Set<(interval: Interval) => void>()
  #startedAt: { readonly wall: WallTime; readonly now: Instant }
  #last: Interval | undefined
  #timer: Timer | undefined

  constructor({ clock, log, registry }: IntervalRecorderDeps) {
    this.#clock = clock
    this.#log = log
    this.#registry = registry
    this.#startedAt = { wall: clock.wall(), now: clock.now() }
  }

  /** The last whole interval. */
  last(): Interval {
    return this.#last ?? this.#cut()
  }

  async start(): Promise<void> {
    this.#arm()
  }

  async drain(): Promise<void> {}

  async stop(): Promise<void> {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#listeners.clear()
  }

  /** @returns ends it */
  onInterval(listener: (interval: Interval) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  #arm(): void {
    const left = INTERVAL_MS - (this.#clock.wall() % INTERVAL_MS)
    // A timer that came a little early has ended the interval that is about to end.
    const wait = left < EARLY_MS ? left + INTERVAL_MS : left
    this.#timer = this.#clock.timer(instant(this.#clock.now() + wait), () => this.#end())
  }

  #end(): void {
    this.#arm()
    const interval = this.#cut()
    for (const listener of [...this.#listeners]) this.#tell(listener, interval)
  }

  #cut(): Interval {
    const now = this.#clock.now()
    const { wall, now: began } = this.#startedAt
    this.#startedAt = { wall: this.#clock.wall(), now }
    const figures = this.#registry.rotate(now)
    this.#last = { startedAt: wall, durationMs: now - began, figures }
    return this.#last
  }

  #tell(listener: (interval: Interval) => void, interval: Interval): void {
    try {
      listener(interval)
    } catch (err) {
      this.#log.error('figures of an interval were not taken', { err })
    }
  }
}
