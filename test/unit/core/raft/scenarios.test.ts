/**
 * Runs every scenario of test/scenarios/raft/. `FAIRLEAD_REWRITE=1` writes what happens into the files
 * instead of comparing; the diff is then reviewed like code.
 */

import assert from 'node:assert/strict'
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { describe, it } from 'node:test'
import { RAFT_MARKS, type RaftMark } from '../../../../core/raft/marks.ts'
import { Scenario } from '../../../scenarios/raft/scenario.ts'

const FOLDER = join(import.meta.dirname, '..', '..', '..', 'scenarios', 'raft')
const REWRITE = process.env['FAIRLEAD_REWRITE'] === '1'

/** The file with the output of every command in its place; comments and blank lines stay. */
function replay(text: string, marks: Set<RaftMark>): string {
  const scenario = new Scenario((name) => marks.add(name))
  const out: string[] = []
  let isOutput = false
  for (const line of text.trimEnd().split('\n')) {
    if (line.startsWith('>')) {
      out.push(line, ...scenario.run(line.slice(1)))
      isOutput = true
    } else if (line === '' || line.startsWith('#')) {
      out.push(line)
      isOutput = false
    } else {
      assert.ok(isOutput, `"${line}" is neither a command, nor output, nor a comment`)
    }
  }
  return `${out.join('\n')}\n`
}

describe('raft scenarios', () => {
  const marks = new Set<RaftMark>()
  const files = globSync('**/*.txt', { cwd: FOLDER }).sort()
  it('are found', () => {
    assert.ok(files.length > 0)
  })
  for (const file of files) {
    it(relative('.', file).replace(/\.txt$/, ''), () => {
      const path = join(FOLDER, file)
      const expected = readFileSync(path, 'utf8')
      const actual = replay(expected, marks)
      if (REWRITE) writeFileSync(path, actual)
      else assert.equal(actual, expected)
    })
  }
  it('take every rare branch of the core', () => {
    const missed = RAFT_MARKS.filter((name) => !marks.has(name))
    assert.deepEqual(missed, [])
  })
})
