/**
 * SIGKILL at random moments of the real store (verification 23.1): all that was acknowledged is there, and
 * what is there is exactly some step between the last acknowledged and the last attempted one.
 *
 * FAIRLEAD_KILLS=500 runs longer, FAIRLEAD_SEED replays the moments and the workload as far as a machine can.
 */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { seededRng } from '../../../core/rng.ts'
import { systemClock } from '../../../runtime/clock/system-clock.ts'
import { diskRaftStorage } from '../../../runtime/storage/raft-storage.ts'
import { LogWorkload, OWNER, stepOf } from './log-workload.ts'

const KILLS = Number(process.env['FAIRLEAD_KILLS'] ?? 30)
const SEED = Number(process.env['FAIRLEAD_SEED'] ?? 20_261)
/** Of one life; one that is not killed by then ends by itself. */
const STEPS = 150
const CHILD = join(import.meta.dirname, 'log-writer.ts')

/** Runs the writer until it has acknowledged some steps, then kills it a little later, unless it has ended. */
async function liveAndDie(directory: string, life: Life): Promise<number> {
  const { from, acks, spinMs } = life
  const child = spawn(process.execPath, [CHILD, directory, String(SEED), String(from + STEPS)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  let errors = ''
  let count = 0
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
    count += text.split('\nack ').length - 1
    if (count < acks || child.killed) return
    // Busy, so that the moment lies anywhere in a write and not at a turn of this loop.
    const until = performance.now() + spinMs
    while (performance.now() < until);
    child.kill('SIGKILL')
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text
  })
  await new Promise((resolve) => child.once('close', resolve))
  assert.ok(child.signalCode === 'SIGKILL' || child.exitCode === 0, errors)
  const lines = output.slice(0, output.lastIndexOf('\n')).split('\n')
  const last = lines.findLast((line) => line.startsWith('ack '))
  assert.ok(last !== undefined, output)
  return Number(last.slice(4))
}

interface Life {
  /** Step that was acknowledged last. */
  readonly from: number
  readonly acks: number
  readonly spinMs: number
}

async function assertHolds(directory: string, acknowledged: number): Promise<void> {
  const { log } = await diskRaftStorage(directory)({ owner: OWNER, clock: systemClock })
  const verdict = await log.load()
  await log.close()
  assert.ok(verdict.kind === 'consistent', JSON.stringify({ ...verdict, log: null }))
  const step = stepOf(verdict.log)
  // One more may be there than was heard of; the writer never has more than one under way.
  assert.ok(step >= acknowledged && step <= acknowledged + 1, `${step} after ${acknowledged}`)
  const model = new LogWorkload(SEED)
  model.skipTo(step)
  assert.equal(model.difference(verdict.log), null, `at step ${step}`)
}

describe('a store that is killed at any moment', () => {
  it('holds every acknowledged step, whole and in order', async (t) => {
    const directory = await mkdtemp(join(tmpdir(), 'fairlead-kills-'))
    const rng = seededRng(SEED)
    let acknowledged = 0
    try {
      for (let kill = 0; kill < KILLS; kill++) {
        const life = { from: acknowledged, acks: rng.range(1, 60), spinMs: rng.range(0, 400) / 100 }
        acknowledged = await liveAndDie(directory, life)
        await assertHolds(directory, acknowledged)
      }
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
    t.diagnostic(`${acknowledged} steps acknowledged over ${KILLS} kills, seed ${SEED}`)
  })
})
