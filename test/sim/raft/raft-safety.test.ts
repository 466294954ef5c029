/**
 * Many seeds of the whole cluster under faults. `FAIRLEAD_SEED=n` replays one; `FAIRLEAD_SIM_SEEDS=n` runs more.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { World, type WorldReport } from './world.ts'

const STEPS = 6_000
const SEEDS_DEFAULT = 120
/** Seeds that once failed; they run first, always. */
const REGRESSIONS: readonly number[] = []

function runSeed(seed: number, servers: number): WorldReport {
  try {
    return new World({ seed, servers, steps: STEPS }).run()
  } catch (cause) {
    throw new Error(`seed ${seed} with ${servers} servers failed; replay: FAIRLEAD_SEED=${seed}`, {
      cause,
    })
  }
}

describe('a simulated raft cluster under faults', () => {
  const replay = process.env['FAIRLEAD_SEED']
  const count = Number(process.env['FAIRLEAD_SIM_SEEDS'] ?? SEEDS_DEFAULT)
  const seeds =
    replay === undefined
      ? [...REGRESSIONS, ...Array.from({ length: count }, (_, i) => i + 1)]
      : [Number(replay)]

  for (const servers of [3, 5]) {
    it(`keeps every invariant and recovers with ${servers} servers`, (t) => {
      const totals: Record<string, number> = {}
      for (const seed of seeds) {
        const report = runSeed(seed, servers)
        for (const [name, value] of Object.entries(report)) {
          if (name !== 'trace') totals[name] = (totals[name] ?? 0) + value
        }
      }
      t.diagnostic(JSON.stringify(totals))
      if (replay !== undefined) return
      // A run in which nothing happened proves nothing.
      const names = [
        'commits',
        'acknowledged',
        'reads',
        'crashes',
        'partitions',
        'truncations',
        'compactions',
        'dropped',
      ]
      for (const name of names) assert.ok((totals[name] ?? 0) > 0, `no ${name} in all seeds`)
      assert.ok((totals['elections'] ?? 0) > 2 * seeds.length, 'leaders were lost and replaced')
    })
  }

  it('replays a seed exactly', () => {
    const once = new World({ seed: 7, servers: 3, steps: 3_000 }).run()
    const again = new World({ seed: 7, servers: 3, steps: 3_000 }).run()
    assert.deepEqual(again, once)
  })
})
