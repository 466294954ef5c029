/**
 * A failing seed is made smaller, and what is printed fails in the same way (verification 12).
 */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { PLANTED_BUGS } from './bugs.ts'
import { copyWith } from './plant.ts'

describe('a failing seed', () => {
  it('is made smaller and still fails', () => {
    const bug = PLANTED_BUGS.find(({ name }) => name.startsWith('the host releases'))
    assert.ok(bug !== undefined)
    const directory = copyWith(bug)
    try {
      const run = (...args: string[]): string => {
        const sim = join(directory, 'test', 'sim', 'sim.ts')
        return spawnSync(process.execPath, [sim, ...args], { encoding: 'utf8' }).stderr
      }
      const printed = run('--seed', '1', '--steps', '1000', '--shrink')
      const found = /--case '(.*)'/.exec(printed)?.[1]
      assert.ok(found !== undefined, printed)
      const smallest = JSON.parse(found)
      assert.deepEqual(smallest.only, { nemesis: [], membership: [] }, 'nothing need go wrong')
      assert.ok(smallest.steps < 200, `${smallest.steps} steps`)
      const [what = ''] = printed.split('\n')
      assert.equal(run('--case', found).split('\n')[0], what)
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  })
})
