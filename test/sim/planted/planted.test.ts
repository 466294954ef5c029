/**
 * The simulator finds planted bugs: some of the list in each run, in rotation by commit.
 *
 * `FAIRLEAD_PLANTED=all` takes all of them; `npm run planted` shows how each was found.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { commitBase } from '../raft/commit-base.ts'
import { PLANTED_BUGS, RARELY } from './bugs.ts'
import { hunt } from './plant.ts'

const IN_ROTATION = 6
const TIMEOUT_MS = 120_000

describe('the simulator', () => {
  const base = commitBase()
  const isAll = process.env['FAIRLEAD_PLANTED'] === 'all'
  const bugs = isAll ? PLANTED_BUGS : PLANTED_BUGS.filter(({ seeds }) => seeds < RARELY)
  const first = base % bugs.length
  const turned = [...bugs.slice(first), ...bugs.slice(0, first)]
  for (const bug of isAll ? turned : turned.slice(0, IN_ROTATION)) {
    it(`finds that ${bug.name}`, (t) => {
      const outcome = hunt(bug, { base: 1, timeoutMs: TIMEOUT_MS })
      t.diagnostic(`${outcome.seeds} seeds, ${outcome.steps} steps: ${outcome.finding}`)
      assert.ok(outcome.isFound, `not found within ${bug.seeds} seeds`)
    })
  }
})
