/**
 * Reading again in the background: finds rot wherever it is, disturbs nothing, keeps to its rate.
 */

import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { votersOnly } from '../../../../core/raft/configuration.ts'
import { chain, logIndex, type SnapshotMeta, serverId, term } from '../../../../core/raft/types.ts'
import { type Clock, instant } from '../../../../core/time.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'
import { entryKey } from '../../../../runtime/storage/log-records.ts'
import { MemorySnapshots } from '../../../../runtime/storage/memory-snapshots.ts'
import { MemoryStore } from '../../../../runtime/storage/memory-store.ts'
import { RaftLogStore } from '../../../../runtime/storage/raft-log-store.ts'
import { type Finding, Scrubber } from '../../../../runtime/storage/scrubber.ts'
import { SnapshotFiles } from '../../../../runtime/storage/snapshot-files.ts'
import { IDENTITY, LogWorkload } from '../../../integration/storage/log-workload.ts'

const SEED = 20_265

let root = ''
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'fairlead-scrub-'))
})
after(async () => {
  await rm(root, { recursive: true, force: true })
})

/** Sleeps are counted and over at once. */
class CountingClock extends ManualClock implements Clock {
  sleptMs = 0

  override async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    this.sleptMs += ms
  }
}

async function filled(steps: number): Promise<{
  memory: MemoryStore
  log: RaftLogStore
  workload: LogWorkload
}> {
  const memory = new MemoryStore()
  const log = new RaftLogStore(memory)
  await log.load()
  const workload = new LogWorkload(SEED, { installsUntil: 0 })
  await log.initialize(IDENTITY, workload.next())
  while (workload.step < steps) await log.append([workload.next()])
  return { memory, log, workload }
}

async function scrub(
  log: RaftLogStore,
  snapshots: MemorySnapshots | SnapshotFiles = new MemorySnapshots(),
): Promise<{ findings: Finding[]; bytes: number; sleptMs: number }> {
  const clock = new CountingClock()
  const findings: Finding[] = []
  const scrubber = new Scrubber({ bytesPerSecond: 1_048_576 }, { log, snapshots, clock })
  const bytes = await scrubber.round((f) => findings.push(f), new AbortController().signal)
  return { findings, bytes, sleptMs: clock.sleptMs }
}

const META: SnapshotMeta = {
  index: logIndex(9),
  term: term(2),
  chain: chain(5),
  configuration: votersOnly([{ id: serverId('a'), address: 'a:1' }]),
  configurationIndex: logIndex(1),
}

describe('a scrubber', () => {
  it('reads everything, finds nothing in what is whole, and keeps to its rate', async () => {
    const { log, workload } = await filled(120)
    const snapshots = new SnapshotFiles(join(root, 'whole'))
    await snapshots.write(META, [Buffer.alloc(3_000_000, 'x')])
    const { findings, bytes, sleptMs } = await scrub(log, snapshots)
    assert.deepEqual(findings, [])
    assert.ok(bytes > 3_000_000 + workload.last.index * 20)
    assert.ok(sleptMs >= (bytes / 1_048_576) * 1_000)
  })

  it('finds every kind of rot in the log', async () => {
    for (const index of [1, 60, 128, 129, 300]) {
      const rotten = await filled(120)
      rotten.memory.rot(entryKey(0, index), 9)
      const checked = await scrub(rotten.log)
      assert.equal(checked.findings.length, 1, `entry ${index}`)
      assert.match(checked.findings[0]?.reason ?? '', new RegExp(`^entry ${index} fails`))
    }
    const holed = await filled(120)
    holed.memory.lose(entryKey(0, 200))
    assert.match((await scrub(holed.log)).findings[0]?.reason ?? '', /^entry 200 is missing$/)
  })

  it('takes a log that changes meanwhile for what it is', async () => {
    const { log, workload } = await filled(60)
    for (let round = 0; round < 20; round++) {
      const scrubbing = scrub(log)
      for (let i = 0; i < 5; i++) await log.append([workload.next()])
      await workload.compact(log)
      assert.deepEqual((await scrubbing).findings, [])
    }
  })

  it('finds a rotten image', async () => {
    const { log } = await filled(3)
    const directory = join(root, 'rotten')
    const snapshots = new SnapshotFiles(directory)
    await snapshots.write(META, [Buffer.alloc(3_000_000, 'x')])
    const path = join(directory, '2-9', 'image')
    const content = await readFile(path)
    content[2_000_000] = 1
    await writeFile(path, content)
    const { findings } = await scrub(log, snapshots)
    assert.equal(findings.length, 1)
    assert.equal(findings[0]?.where, 'snapshot')
  })

  it('begins by itself, and stops at once', async () => {
    const { log, memory } = await filled(30)
    memory.rot(entryKey(0, 5), 9)
    const clock = new CountingClock()
    const found = Promise.withResolvers<Finding>()
    const scrubber = new Scrubber({}, { log, snapshots: new MemorySnapshots(), clock })
    scrubber.start(found.resolve)
    assert.match((await found.promise).reason, /^entry 5 fails/)
    await scrubber.stop()
    const slept = clock.sleptMs
    clock.advance(10)
    assert.equal(clock.now(), instant(10))
    assert.equal(clock.sleptMs, slept)
  })
})
