/**
 * The process that the tests of this folder kill or starve: writes a workload through the real store and
 * prints each step that was acknowledged.
 *
 * Arguments: data directory, seed, steps (0: for ever). Exit code 70 and the error on stderr when the store
 * fails, 71 when what was there is not consistent.
 */

import { writeSync } from 'node:fs'
import { systemClock } from '../../../runtime/clock/system-clock.ts'
import { diskRaftStorage } from '../../../runtime/storage/raft-storage.ts'
import { IDENTITY, LogWorkload, OWNER, stepOf } from './log-workload.ts'

const [directory, seed, steps] = process.argv.slice(2)
if (directory === undefined || seed === undefined) throw new Error('usage: directory seed [steps]')

function end(code: number, thrown: unknown): never {
  writeSync(2, `${thrown instanceof Error ? thrown.message : JSON.stringify(thrown)}\n`)
  process.exit(code)
}

const workload = new LogWorkload(Number(seed))
try {
  const { log } = await diskRaftStorage(directory)({ owner: OWNER, clock: systemClock })
  const verdict = await log.load()
  if (verdict.kind === 'consistent') workload.skipTo(stepOf(verdict.log))
  else if (verdict.kind !== 'empty') end(71, verdict)
  writeSync(1, `at ${workload.step}\n`)
  const last = steps === undefined || steps === '0' ? Number.POSITIVE_INFINITY : Number(steps)
  while (workload.step < last) {
    const job = workload.next()
    if (workload.step === 1) await log.initialize(IDENTITY, job)
    else await log.append([job])
    // Synchronous: what was printed is in the pipe, whatever happens to this process.
    writeSync(1, `ack ${workload.step}\n`)
    if (workload.step % 40 === 0) await workload.compact(log)
    if (workload.step % 9 === 0) await log.saveCommitHint(workload.hardState.commit)
  }
  await log.close()
} catch (thrown) {
  end(70, thrown)
}
