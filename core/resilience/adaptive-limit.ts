/**
 * How many requests an application bears at once, found out by how long it takes to answer (docs/decisions/0030). Pure.
 *
 * Samples are taken together in windows. A window in which answers take longer than TOLERANCE times the base makes the limit smaller,
 * in proportion; one in which they do not makes it larger, as long as it is used. The base is what answers take with little under
 * way: the least window so far, and measured anew every PROBE_EVERY_MS at half the limit, so that it follows an application that has
 * become slower for good. Bounds: `min` and `max`.
 */

import type { Instant } from '../time.ts'

export interface AdaptiveLimitSettings {
  readonly min: number
  readonly max: number
}

const INITIAL = 20
const WINDOW_SAMPLES = 20
const WINDOW_MS = 100
const TOLERANCE = 1.5
/** No window shrinks the limit by more. */
const SHRINK_MOST = 0.5
const PROBE_EVERY_MS = 30_000
/** A probe without enough samples tells nothing. */
const PROBE_MS_MAX = 2000

export class AdaptiveLimit {
  /** Under way. */
  active = 0
  /** Turned away. */
  refused = 0
  readonly #settings: AdaptiveLimitSettings
  #limit: number
  /** What an answer takes with little under way, ms; 0: not known yet. */
  #baseMs = 0
  #windowAt: Instant
  #samples = 0
  #sumMs = 0
  /** Most that was under way in this window. */
  #peak = 0
  #probeAt: number
  #isProbing = false

  constructor(settings: AdaptiveLimitSettings, now: Instant) {
    this.#settings = settings
    this.#limit = this.#bounded(INITIAL)
    this.#windowAt = now
    this.#probeAt = now + PROBE_EVERY_MS
  }

  /** What may be under way now. */
  get limit(): number {
    const limit = Math.floor(this.#limit)
    return this.#isProbing ? Math.max(this.#settings.min, Math.floor(limit / 2)) : limit
  }

  get baseMs(): number {
    return this.#baseMs
  }

  /** @returns false when the request is one too many; else it counts until `ended` */
  begin(now: Instant): boolean {
    if (!this.#isProbing && now >= this.#probeAt) this.#startProbe(now)
    if (this.active >= this.limit) {
      this.refused++
      return false
    }
    this.active++
    if (this.active > this.#peak) this.#peak = this.active
    return true
  }

  ended(): void {
    this.active--
  }

  /** The head of an answer came, or the time for it was over. @param since when the request was sent */
  sample(since: Instant, now: Instant): void {
    // A probe is about what was sent with little under way.
    if (this.#isProbing && since < this.#windowAt) return
    this.#samples++
    this.#sumMs += now - since
    const isOver = now - this.#windowAt >= WINDOW_MS && this.#samples >= WINDOW_SAMPLES
    if (this.#isProbing && (isOver || now - this.#windowAt >= PROBE_MS_MAX)) this.#endProbe(now)
    else if (isOver) this.#endWindow(now)
  }

  #endWindow(now: Instant): void {
    const meanMs = this.#sumMs / this.#samples
    if (this.#baseMs === 0 || meanMs < this.#baseMs) this.#baseMs = meanMs
    const gradient = Math.max(SHRINK_MOST, Math.min(1, (TOLERANCE * this.#baseMs) / meanMs))
    const room = Math.sqrt(this.#limit)
    // What is not used says nothing about whether more could be borne.
    const isUsed = this.#peak >= this.#limit / 2
    if (gradient < 1) this.#limit = this.#bounded(this.#limit * gradient + room / 2)
    else if (isUsed) this.#limit = this.#bounded(this.#limit + room / 2)
    this.#startWindow(now)
  }

  #startProbe(now: Instant): void {
    this.#isProbing = true
    this.#startWindow(now)
  }

  #endProbe(now: Instant): void {
    if (this.#samples >= WINDOW_SAMPLES) this.#baseMs = this.#sumMs / this.#samples
    this.#isProbing = false
    this.#probeAt = now + PROBE_EVERY_MS
    this.#startWindow(now)
  }

  #startWindow(now: Instant): void {
    this.#windowAt = now
    this.#samples = 0
    this.#sumMs = 0
    this.#peak = this.active
  }

  #bounded(limit: number): number {
    return Math.min(this.#settings.max, Math.max(this.#settings.min, limit))
  }
}
