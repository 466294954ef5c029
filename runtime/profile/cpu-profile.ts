/**
 * Where the processor time of this process goes: a profile of the JavaScript engine, as its developer tools read it.
 *
 * Guarantees: one profile at a time, the next caller gets BUSY; however it ends, the profiler is off afterwards.
 * Costs a few per cent of the processor while it runs. Bounds: CPU_PROFILE_MS_MAX.
 */

import { Session } from 'node:inspector/promises'
import { FairleadError } from '../../core/errors.ts'
import type { Clock } from '../../core/time.ts'

export const CPU_PROFILE_MS_MAX = 300_000

export class CpuProfiler {
  readonly #clock: Clock
  #isRunning = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * @returns the profile as JSON (`.cpuprofile`)
   * @throws FairleadError BUSY, or the reason of `signal`
   */
  async take(durationMs: number, signal: AbortSignal): Promise<string> {
    if (this.#isRunning) throw new FairleadError('BUSY', 'A CPU profile is already being taken')
    this.#isRunning = true
    const session = new Session()
    try {
      session.connect()
      await session.post('Profiler.enable')
      await session.post('Profiler.start')
      await this.#clock.sleep(Math.min(durationMs, CPU_PROFILE_MS_MAX), signal)
      const { profile } = await session.post('Profiler.stop')
      return JSON.stringify(profile)
    } finally {
      session.disconnect()
      this.#isRunning = false
    }
  }
}
