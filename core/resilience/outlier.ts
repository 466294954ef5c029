/**
 * Ejection of an endpoint whose answers fail in a row (mesh.md 10.4). Pure: time comes in as an argument.
 *
 * After `maxFailures` of them it is left out for `baseEjectionMs`, longer with each further ejection up to
 * LONGEST_MS; the length shrinks again by one step for every interval without one. One success forgets the failures, not
 * the steps. Whoever asks for an ejection says whether the cluster can bear it (`mayEject`): one endpoint always may
 * go, so that clusters of a few are protected too, and the last usable one never.
 */

import type { Instant } from '../time.ts'

export interface OutlierSettings {
  readonly intervalMs: number
  /** 0: never ejects. */
  readonly maxFailures: number
  /** Percent of the ejections asked for that happen. */
  readonly enforcing: number
  /** Percent of the cluster that may be out at a time. */
  readonly maxEjectionPercent: number
  readonly baseEjectionMs: number
}

export const OUTLIER_DEFAULTS: OutlierSettings = {
  intervalMs: 10_000,
  maxFailures: 5,
  enforcing: 100,
  maxEjectionPercent: 10,
  baseEjectionMs: 30_000,
}

const LONGEST_MS = 300_000

export interface ClusterState {
  readonly total: number
  /** Healthy by the catalog and not ejected. */
  readonly usable: number
  readonly ejected: number
}

export function mayEject(
  settings: OutlierSettings,
  { total, usable, ejected }: ClusterState,
): boolean {
  if (usable <= 1) return false
  return ejected === 0 || (100 * (ejected + 1)) / total <= settings.maxEjectionPercent
}

export class Outlier {
  #failures = 0
  #until = Number.NEGATIVE_INFINITY
  /** Ejections lately: the next one is that many times longer, and once more. */
  #steps = 0
  #wasEjected = false

  /** False while it was never ejected: `isEjected` then is false at any time. */
  get wasEjected(): boolean {
    return this.#wasEjected
  }

  isEjected(now: Instant): boolean {
    return this.#wasEjected && now < this.#until
  }

  succeeded(): void {
    this.#failures = 0
  }

  /** @returns whether its ejection is to be asked for now; then the failures are forgotten */
  failed(settings: OutlierSettings): boolean {
    if (settings.maxFailures === 0) return false
    this.#failures++
    if (this.#failures < settings.maxFailures) return false
    this.#failures = 0
    return true
  }

  eject(now: Instant, settings: OutlierSettings): void {
    const { baseEjectionMs, intervalMs } = settings
    const quietMs = now - this.#until
    if (this.#wasEjected && intervalMs > 0) {
      this.#steps = Math.max(0, this.#steps - Math.floor(quietMs / intervalMs))
    }
    this.#steps++
    this.#wasEjected = true
    const longest = Math.max(LONGEST_MS, baseEjectionMs)
    this.#until = now + Math.min(longest, baseEjectionMs * this.#steps)
  }

  /** The catalog says that it is well again. */
  forgive(): void {
    this.#failures = 0
    this.#until = Number.NEGATIVE_INFINITY
    this.#wasEjected = false
    this.#steps = 0
  }
}
