/**
 * Makes a counter of a number that something else adds up.
 */

import type { CounterDefinition } from './definition.ts'
import type { Metrics } from './metrics.ts'

/**
 * @param read the sum since the start; when it goes down, as after a restart of what adds up, it counts as new
 * @returns ends it
 */
export function followTotal(
  metrics: Metrics,
  definition: CounterDefinition,
  read: () => number,
): () => void {
  const counter = metrics.counter(definition)
  let before = 0
  return metrics.onRead(() => {
    const now = read()
    const more = now < before ? now : now - before
    before = now
    if (more > 0) counter.increment(more)
  })
}
