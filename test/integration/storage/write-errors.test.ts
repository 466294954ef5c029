/**
 * The k-th write or sync fails (verification 23.4): the store stops for good, and everything acknowledged
 * before is there at the next start.
 *
 * First by a store in between that fails on command, then by the kernel's answer to the real fdatasync and
 * write of a child process, changed by strace; where strace cannot trace, that part is skipped with a word.
 */

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { FairleadError } from '../../../core/errors.ts'
import { systemClock } from '../../../runtime/clock/system-clock.ts'
import type { KeyValueStore } from '../../../runtime/storage/key-value-store.ts'
import { openLevelStore } from '../../../runtime/storage/level-store.ts'
import { MemoryStore } from '../../../runtime/storage/memory-store.ts'
import { RaftLogStore } from '../../../runtime/storage/raft-log-store.ts'
import { diskRaftStorage } from '../../../runtime/storage/raft-storage.ts'
import { IDENTITY, LogWorkload, OWNER, stepOf } from './log-workload.ts'

const SEED = 20_263
const FAILURES = 60
const WRITER = join(import.meta.dirname, 'log-writer.ts')

let root = ''
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'fairlead-write-errors-'))
})
after(async () => {
  await rm(root, { recursive: true, force: true })
})

/** Fails the k-th batch and all after it; the failing one is executed first when `isExecuted`. */
function failing(store: KeyValueStore, k: number, isExecuted: boolean): KeyValueStore {
  let left = k
  return {
    get: (key) => store.get(key),
    scan: (range) => store.scan(range),
    close: () => store.close(),
    batch: async (operations, options) => {
      left--
      if (left > 0 || (left === 0 && isExecuted)) await store.batch(operations, options)
      if (left <= 0) throw new Error('EIO: i/o error, fdatasync')
    },
  }
}

/** Runs steps until one fails. @returns the last acknowledged step */
async function runUntilFailure(log: RaftLogStore): Promise<number> {
  await log.load()
  const workload = new LogWorkload(SEED)
  let acknowledged = 0
  const isFatal = (thrown: unknown): boolean =>
    thrown instanceof FairleadError && thrown.code === 'STORAGE_FAILED'
  try {
    for (;;) {
      const job = workload.next()
      if (workload.step === 1) await log.initialize(IDENTITY, job)
      else await log.append([job])
      acknowledged = workload.step
      if (workload.step % 10 === 0) await workload.compact(log)
      if (workload.step % 3 === 0) await log.saveCommitHint(workload.hardState.commit)
    }
  } catch (thrown) {
    assert.ok(isFatal(thrown), String(thrown))
  }
  await assert.rejects(log.append([workload.next()]), isFatal, 'nothing more is taken')
  await assert.rejects(log.saveCommitHint(workload.hardState.commit), isFatal)
  return acknowledged
}

async function assertHolds(log: RaftLogStore, acknowledged: number, what: string): Promise<void> {
  const verdict = await log.load()
  if (verdict.kind === 'empty') {
    assert.equal(acknowledged, 0, what)
    return
  }
  assert.ok(verdict.kind === 'consistent', `${what}: ${verdict.kind}`)
  const step = stepOf(verdict.log)
  assert.ok(step >= acknowledged && step <= acknowledged + 1, `${what}: ${step}, ${acknowledged}`)
  const model = new LogWorkload(SEED)
  model.skipTo(step)
  assert.equal(model.difference(verdict.log), null, what)
}

describe('a store whose k-th write fails', () => {
  it('stops, and has what it acknowledged, whichever write it was', async () => {
    for (let k = 1; k <= FAILURES; k++) {
      for (const isExecuted of [false, true]) {
        const memory = new MemoryStore()
        const acknowledged = await runUntilFailure(new RaftLogStore(failing(memory, k, isExecuted)))
        memory.crash()
        await assertHolds(new RaftLogStore(memory), acknowledged, `write ${k}, ${isExecuted}`)
      }
    }
  })

  it('does so on a real database', async () => {
    for (let k = 1; k <= FAILURES; k += 7) {
      const directory = join(root, `level-${k}`)
      const broken = new RaftLogStore(failing(await openLevelStore({ directory }), k, false))
      const acknowledged = await runUntilFailure(broken)
      await broken.close()
      const whole = new RaftLogStore(await openLevelStore({ directory }))
      await assertHolds(whole, acknowledged, `write ${k}`)
      await whole.close()
    }
  })
})

/** Why strace cannot be used here, or false. */
function noStrace(): string | false {
  const probe = spawnSync('strace', ['-f', '-e', 'trace=none', 'true'])
  if (probe.error !== undefined) return 'strace is not installed'
  return probe.status === 0 ? false : 'strace may not trace here'
}

async function runTraced(
  directory: string,
  inject: string,
): Promise<{ code: number | null; acknowledged: number; errors: string }> {
  const child = spawn(
    'strace',
    [
      ...['-f', '-qq', '-o', '/dev/null', '-e', `inject=${inject}`],
      // The first log file of the database: the terminal and the witness are not what fails.
      ...['-P', join(directory, 'raft', 'log', '000003.log')],
      ...[process.execPath, WRITER, directory, String(SEED), '400'],
    ],
    { env: { ...process.env, UV_THREADPOOL_SIZE: '1', UV_USE_IO_URING: '0' } },
  )
  let output = ''
  let errors = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text
  })
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  const last = output.split('\n').findLast((line) => line.startsWith('ack '))
  return { code, acknowledged: last === undefined ? 0 : Number(last.slice(4)), errors }
}

describe('a server process whose disk fails', { skip: noStrace() }, () => {
  const injections = [
    'fdatasync:error=EIO:when=1',
    'fdatasync:error=EIO:when=25',
    'fdatasync:error=EIO:when=60',
    'write:error=ENOSPC:when=1',
    'write:error=ENOSPC:when=33',
    'write:error=EIO:when=70',
  ]
  for (const inject of injections) {
    it(`ends with a word after ${inject}, and has what it acknowledged`, async () => {
      const directory = join(root, inject.replaceAll(/\W/g, '-'))
      const { code, acknowledged, errors } = await runTraced(directory, inject)
      // Only one call failed, so that going on as if nothing had been would be noticed here.
      assert.equal(code, 70, errors)
      assert.match(errors, /Failed to write to the Raft log: /)
      const { log } = await diskRaftStorage(directory)({ owner: OWNER, clock: systemClock })
      await assertHolds(log as RaftLogStore, acknowledged, inject)
      await log.close()
    })
  }
})
