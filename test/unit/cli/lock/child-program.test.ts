/**
 * The program under a lock: how it ends, and that it is killed with all it started when it does not want to.
 */

import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { ChildProgram } from '../../../../cli/lock/child-program.ts'
import { systemClock } from '../../../../runtime/clock/system-clock.ts'
import { eventually, isAlive } from '../../../e2e/harness/program.ts'

function start(script: string): ChildProgram {
  return new ChildProgram(
    { args: ['/bin/sh', '-c', script], env: process.env, passStdin: false, graceMs: 100 },
    { clock: systemClock },
  )
}

it('tells whether it ended well', async () => {
  assert.equal(await start('exit 0').ended, true)
  assert.equal(await start('exit 3').ended, false)
  assert.equal(await start('kill -9 $$').ended, false)
})

it('rejects when it cannot be started', async () => {
  const child = new ChildProgram(
    { args: ['/no/such/program'], env: {}, passStdin: false, graceMs: 100 },
    { clock: systemClock },
  )
  await assert.rejects(child.ended, /ENOENT/)
})

it('kills what does not end when asked, with what it started', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fairlead-lock-'))
  try {
    const file = join(folder, 'pids')
    // Both ignore SIGTERM; the inner one is not the shell's own process.
    const child = start(
      `trap '' TERM; (sleep 600 & echo $! > ${file}.tmp; echo $$ >> ${file}.tmp; mv ${file}.tmp ${file}; wait); sleep 600`,
    )
    const pids = await eventually('both run', async () => {
      const text = await readFile(file, 'utf8')
      return text.trim().split('\n').map(Number)
    })
    assert.equal(pids.length, 2)
    await child.end()
    assert.equal(await child.ended, false)
    await eventually('both are gone', () => pids.every((pid) => !isAlive(pid)))
  } finally {
    await rm(folder, { recursive: true })
  }
})
