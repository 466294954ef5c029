/**
 * What the papers' formulas promise of a pool of some size (gossip.md 7.3, 13.2). Pure.
 *
 * Nothing acts on these: the simulator, its tests and the benchmarks hold what they measure against them.
 */

import { suspicionTimeoutMs } from './formulas.ts'
import type { GossipTiming } from './timing.ts'

/** Until all know of a failure, on average: first probe, its interval, the shortest suspicion, the spread. */
export function expectedDetectionMs(nodes: number, timing: GossipTiming): number {
  const { probeIntervalMs, suspicionMult } = timing
  const firstProbeMs = (Math.E / (Math.E - 1)) * probeIntervalMs
  const suspicionMs = suspicionTimeoutMs(suspicionMult, nodes, probeIntervalMs)
  return firstProbeMs + probeIntervalMs + suspicionMs + expectedSpreadMs(nodes, 0.9999, timing)
}

/** Logistic model: when a share of the pool knows, in whole rounds. */
export function expectedSpreadMs(
  nodes: number,
  share: number,
  { gossipNodes, gossipIntervalMs }: GossipTiming,
  loss = 0,
): number {
  for (let round = 0; ; round++) {
    const infected = 1 / (1 + (nodes + 1) * Math.exp(-0.5 * gossipNodes * (1 - loss) * round))
    if (infected >= share) return round * gossipIntervalMs
  }
}
