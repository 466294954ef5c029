/**
 * Seeds of whole simulated clusters: every invariant after every step, liveness, convergence, histories; and
 * whether they have been everywhere (coverage.ts).
 *
 * `FAIRLEAD_SEED=n` replays one, `FAIRLEAD_SIM_SEEDS=n` runs more; `npm run sim` is the tool for many.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { commitBase } from './commit-base.ts'
import { addCounts } from './counters.ts'
import { missing, seek } from './coverage.ts'
import { REGRESSIONS } from './regressions.ts'
import { runSeed } from './run-seed.ts'
import { optionsOf } from './shrink.ts'
import type { WorldOptions } from './world.ts'

/** About a minute of one core. */
const SEEDS_DEFAULT = 100
/** Run twice, for determinism (D1). */
const SEEDS_TWICE = 15
const STEPS = 6_000

describe('a simulated raft cluster under faults', () => {
  const replay = process.env['FAIRLEAD_SEED']
  const count = Number(process.env['FAIRLEAD_SIM_SEEDS'] ?? SEEDS_DEFAULT)

  it('keeps every invariant and recovers on seeds that failed once', () => {
    for (const given of REGRESSIONS) runSeed(optionsOf(given))
  })

  it('keeps every invariant and recovers', (t) => {
    const base = commitBase()
    const seeds =
      replay === undefined
        ? Array.from({ length: count }, (_, i) => (base + i) >>> 0)
        : [Number(replay)]
    let steps = 0
    let voids = 0
    const counts: Record<string, number> = {}
    const run = (seed: number, override?: WorldOptions['override']): void => {
      const options = { seed, steps: STEPS }
      const report = runSeed(override === undefined ? options : { ...options, override })
      steps += report.steps
      if (report.isVoid) voids++
      addCounts(counts, report.counts)
    }
    for (const seed of seeds) run(seed)
    t.diagnostic(`${seeds.length} seeds from ${seeds[0]}, ${voids} void, ${steps} steps`)
    if (replay !== undefined) return
    assert.ok(voids < seeds.length / 10, `${voids} seeds did nothing`)
    t.diagnostic(`sought: ${missing(counts).join(', ')}`)
    assert.deepEqual(seek(counts, run), [], 'each mark and each place to die is reached')
    t.diagnostic(`${steps} steps with those that sought`)
  })

  it('replays a seed exactly', () => {
    for (let seed = 1; seed <= SEEDS_TWICE; seed++) {
      const once = runSeed({ seed, steps: 2_000 })
      assert.deepEqual(runSeed({ seed, steps: 2_000 }), once)
    }
  })
})
