/**
 * How the memory of this process is used, by the spaces of the JavaScript engine's heap. Cheap: nothing is dumped.
 */

import { getHeapSpaceStatistics, getHeapStatistics } from 'node:v8'

export interface HeapReport {
  readonly process: NodeJS.MemoryUsage
  readonly heap: ReturnType<typeof getHeapStatistics>
  readonly spaces: ReturnType<typeof getHeapSpaceStatistics>
}

export function heapReport(): HeapReport {
  return {
    process: process.memoryUsage(),
    heap: getHeapStatistics(),
    spaces: getHeapSpaceStatistics(),
  }
}
