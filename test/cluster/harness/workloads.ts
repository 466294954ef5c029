/**
 * The mix of clients that works beside the registers (verification 22.2 W2, W4, W5, W6, W11).
 */

import type { Rng } from '../../../core/rng.ts'
import { ListWorkload } from './list-workload.ts'
import { LockWorkload } from './lock-workload.ts'
import { SetWorkload } from './set-workload.ts'
import { WatchWorkload } from './watch-workload.ts'
import type { Workload, WorkloadConditions } from './workload.ts'

export function workloads(
  conditions: WorkloadConditions,
): (urls: readonly string[], rng: Rng) => readonly Workload[] {
  return (urls, rng) => [
    new SetWorkload(urls, rng.fork('set')),
    new ListWorkload(urls, rng.fork('lists')),
    new LockWorkload(urls, rng.fork('locks')),
    new WatchWorkload(urls, rng.fork('watchers'), conditions),
  ]
}
