/**
 * Measures how long something takes, also when it fails.
 */

import type { Sample } from '../../core/metrics/instruments.ts'
import type { Clock } from '../../core/time.ts'

export async function timed<T>(sample: Sample, clock: Clock, work: () => Promise<T>): Promise<T> {
  const begun = clock.now()
  try {
    return await work()
  } finally {
    sample.record(clock.now() - begun)
  }
}
