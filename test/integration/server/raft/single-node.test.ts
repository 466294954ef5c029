/**
 * One server with its real parts: start, write, read, restart, snapshots, and every way a disk can fail it.
 */

import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { FairleadError } from '../../../../core/errors.ts'
import { instant } from '../../../../core/time.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'
import { systemClock } from '../../../../runtime/clock/system-clock.ts'
import { entryKey } from '../../../../runtime/storage/log-records.ts'
import { MemorySnapshots } from '../../../../runtime/storage/memory-snapshots.ts'
import { MemoryStore } from '../../../../runtime/storage/memory-store.ts'
import { RaftLogStore } from '../../../../runtime/storage/raft-log-store.ts'
import {
  diskRaftStorage,
  memoryRaftStorage,
  type RaftStorageOpener,
} from '../../../../runtime/storage/raft-storage.ts'
import { makeNode, never, type TestNode } from './node-bench.ts'

let root = ''
let counter = 0
const running: TestNode[] = []
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'fairlead-raft-'))
})
after(async () => {
  // Also those of tests that failed half way: their timers would keep the process alive.
  for (const made of running) await made.node.stop()
  await rm(root, { recursive: true, force: true })
})

const freshDir = (): string => join(root, `data-${++counter}`)
const bytes = (text: string): Uint8Array => Buffer.from(text)

async function started(...args: Parameters<typeof makeNode>): Promise<TestNode> {
  const made = makeNode(...args)
  running.push(made)
  await made.node.start(never())
  return made
}

/** Memory storage whose parts a test can reach. */
function openMemory(): { store: MemoryStore; open: RaftStorageOpener } {
  const store = new MemoryStore()
  const snapshots = new MemorySnapshots()
  return { store, open: async () => ({ log: new RaftLogStore(store), snapshots }) }
}

const hasCode = (code: string) => (err: unknown) =>
  err instanceof FairleadError && err.code === code

const STORAGES: [string, () => RaftStorageOpener][] = [
  ['memory', memoryRaftStorage],
  ['disk', () => diskRaftStorage(freshDir())],
]

for (const [name, makeStorage] of STORAGES) {
  describe(`a single server on ${name}`, () => {
    it('leads when it has started, and answers writes and reads', async () => {
      const { node, machine } = await started(makeStorage())
      assert.equal(node.status().role, 'leader')
      assert.equal(node.status().leaderId, 'a')
      assert.equal(node.status().lastContactMs, 0)
      assert.deepEqual(node.status().peers, [{ id: 'a', address: 'a:1', voter: true }])
      const first = await node.propose(bytes('one'))
      assert.deepEqual(first, { index: 3, result: 'done one' })
      assert.equal(await node.readIndex(), 3)
      assert.deepEqual(machine.applied, [{ index: 3, text: 'one' }])
      await node.stop()
    })

    it('keeps everything over restarts, in order, each once', async () => {
      const storage = makeStorage()
      const expected: string[] = []
      for (let life = 0; life < 4; life++) {
        const { node, machine } = await started(storage)
        assert.deepEqual(machine.texts, expected)
        for (let i = 0; i < 5; i++) {
          expected.push(`${life}.${i}`)
          await node.propose(bytes(`${life}.${i}`))
        }
        await node.stop()
      }
    })

    it('snapshots by threshold, drops the prefix, and restores from both', async () => {
      const storage = makeStorage()
      const snapshots = { thresholdEntries: 20, intervalMs: 0, trailingEntries: 5 }
      const { node } = await started(storage, { snapshots })
      const texts = Array.from({ length: 100 }, (_, i) => `entry ${i}`)
      for (const text of texts) await node.propose(bytes(text))
      await node.stop()
      const again = await started(storage, { snapshots })
      assert.equal(again.machine.restores, 1)
      assert.deepEqual(again.machine.texts, texts)
      assert.ok(again.node.status().lastSnapshotIndex > 20)
      await again.node.propose(bytes('more'))
      assert.equal(again.machine.texts.at(-1), 'more')
      await again.node.stop()
    })
  })
}

describe('writes', () => {
  it('of many at once share syncs, and come out in the order of their proposal', async () => {
    const { store, open } = openMemory()
    const { node, machine } = await started(open)
    const before = store.syncCount
    const texts = Array.from({ length: 500 }, (_, i) => `w${i}`)
    const results = await Promise.all(texts.map((text) => node.propose(bytes(text))))
    assert.ok(store.syncCount - before <= 3, `${store.syncCount - before} syncs`)
    assert.deepEqual(
      results.map((r) => r.result),
      texts.map((text) => `done ${text}`),
    )
    assert.deepEqual(machine.texts, texts)
    await node.stop()
  })

  it('alone cost one sync each', async () => {
    const { store, open } = openMemory()
    const { node } = await started(open)
    const before = store.syncCount
    for (let i = 0; i < 10; i++) await node.propose(bytes(`${i}`))
    assert.equal(store.syncCount - before, 10)
    await node.stop()
  })

  it('are refused when too large, before anything is written', async () => {
    const { node } = await started(memoryRaftStorage())
    const last = node.status().lastLogIndex
    await assert.rejects(node.propose(new Uint8Array(1_048_577)), hasCode('TOO_LARGE'))
    assert.equal(node.status().lastLogIndex, last)
    assert.equal((await node.propose(new Uint8Array(1_048_576))).index, last + 1)
    await node.stop()
  })

  it('are refused with BUSY beyond the queue, which then empties', async () => {
    const { node, machine } = await started(memoryRaftStorage())
    const outcomes = await Promise.allSettled(
      Array.from({ length: 5_000 }, (_, i) => node.propose(bytes(`${i}`))),
    )
    const refused = outcomes.filter((o) => o.status === 'rejected')
    assert.equal(refused.length, 5_000 - 4_096)
    assert.ok(refused.every((o) => o.status === 'rejected' && hasCode('BUSY')(o.reason)))
    assert.equal(machine.applied.length, 4_096)
    await node.propose(bytes('after'))
    await node.stop()
  })

  it('are refused before the start, while draining and after the stop', async () => {
    const { node } = makeNode(memoryRaftStorage())
    await assert.rejects(node.propose(bytes('x')), hasCode('NO_LEADER'))
    await node.start(never())
    const running = node.propose(bytes('running'))
    const drained = node.drain(instant(systemClock.now() + 5_000))
    await assert.rejects(node.propose(bytes('x')), hasCode('SHUTTING_DOWN'))
    await assert.rejects(node.readIndex(), hasCode('SHUTTING_DOWN'))
    assert.equal((await running).result, 'done running')
    await drained
    await node.stop()
    await assert.rejects(node.propose(bytes('x')), hasCode('SHUTTING_DOWN'))
  })
})

describe('a failing disk', () => {
  it('ends the server: the write is of unknown outcome, everything later is refused', async () => {
    const { store, open } = openMemory()
    const { node, fatal } = await started(open)
    const changes: boolean[] = []
    node.onLeadership((isLeader) => changes.push(isLeader))
    store.failWrite(1)
    await assert.rejects(node.propose(bytes('lost')), hasCode('OUTCOME_UNKNOWN'))
    assert.deepEqual(
      fatal.map((e) => e.code),
      ['STORAGE_FAILED'],
    )
    assert.deepEqual(changes, [false])
    await assert.rejects(node.propose(bytes('x')), hasCode('STORAGE_FAILED'))
    await assert.rejects(node.readIndex(), hasCode('STORAGE_FAILED'))
    assert.equal(node.status().role, 'failed')
    await node.stop()
  })

  it('during the start makes the start fail, and leaves nothing running', async () => {
    const clock = new ManualClock()
    const { store, open } = openMemory()
    const { node } = makeNode(open, { clock })
    store.failWrite(2)
    await assert.rejects(node.start(never()), hasCode('STORAGE_FAILED'))
    assert.equal(clock.armed, 0)
    await node.stop()
  })

  it('is told apart from a damaged log, which names what is in doubt', async () => {
    const { store, open } = openMemory()
    const { node } = await started(open)
    for (let i = 0; i < 5; i++) await node.propose(bytes(`${i}`))
    await node.stop()
    store.rot(entryKey(0, 4), 200)
    const err = await makeNode(open)
      .node.start(never())
      .catch((thrown: unknown) => thrown)
    assert.ok(err instanceof FairleadError)
    assert.equal(err.code, 'STORAGE_CORRUPT')
    assert.match(
      err.message,
      /entry 4 fails its checksum; entries up to 3 are intact, those up to 7/,
    )
  })
})

describe('a state machine that throws', () => {
  it('ends the server before anything is acknowledged', async () => {
    const { node, machine, fatal } = await started(memoryRaftStorage())
    machine.failAt = 4
    await node.propose(bytes('good'))
    await assert.rejects(node.propose(bytes('bad')), hasCode('OUTCOME_UNKNOWN'))
    assert.equal(fatal.length, 1)
    await node.stop()
  })
})

describe('a data directory', () => {
  it('is used by one agent at a time', async () => {
    const directory = freshDir()
    const { node } = await started(diskRaftStorage(directory))
    const err = await makeNode(diskRaftStorage(directory))
      .node.start(never())
      .catch((thrown: unknown) => thrown)
    assert.ok(err instanceof FairleadError)
    assert.match(err.message, /another agent uses this data directory/)
    await node.stop()
  })

  it('belongs to one server', async () => {
    const directory = freshDir()
    const { node } = await started(diskRaftStorage(directory))
    await node.stop()
    const other = makeNode(diskRaftStorage(directory), { id: 'b' })
    const err = await other.node.start(never()).catch((thrown: unknown) => thrown)
    assert.ok(err instanceof FairleadError)
    assert.match(err.message, /belongs to server "a", this is "b"/)
  })

  it('falls back to an older snapshot when the newest is damaged, and keeps two', async () => {
    const directory = freshDir()
    const snapshots = { thresholdEntries: 20, intervalMs: 0, trailingEntries: 1_000 }
    const { node } = await started(diskRaftStorage(directory), { snapshots })
    const texts = Array.from({ length: 100 }, (_, i) => `entry ${i}`)
    for (const text of texts) await node.propose(bytes(text))
    await node.stop()
    const folder = join(directory, 'raft', 'snapshots')
    const names = (await readdir(folder)).sort((x, y) => indexOf(y) - indexOf(x))
    assert.equal(names.length, 2)
    await rm(join(folder, names[0] ?? '', 'image'))
    const again = await started(diskRaftStorage(directory), { snapshots })
    assert.equal(again.machine.restores, 1)
    assert.deepEqual(again.machine.texts, texts)
    assert.equal(again.node.status().lastSnapshotIndex, indexOf(names[1] ?? ''))
    await again.node.stop()
  })

  it('takes one snapshot at a time, however many ask for one', async () => {
    const { open } = openMemory()
    let writing = 0
    let writingMost = 0
    const { node } = await started(async (context) => {
      const storage = await open(context)
      const write = storage.snapshots.write.bind(storage.snapshots)
      storage.snapshots.write = async (...args) => {
        writingMost = Math.max(writingMost, ++writing)
        await Promise.resolve()
        await write(...args)
        writing--
      }
      return storage
    })
    await node.propose(bytes('x'))
    const before = await Promise.all([node.takeSnapshot(), node.takeSnapshot()])
    await node.propose(bytes('y'))
    const both = [node.takeSnapshot(), node.takeSnapshot(), node.takeSnapshot()]
    for (const { index } of await Promise.all(both)) assert(index > (before[0]?.index ?? 0))
    assert.equal(writingMost, 1)
    await node.stop()
  })

  it('without any good snapshot refuses to start', async () => {
    const directory = freshDir()
    const snapshots = { thresholdEntries: 20, intervalMs: 0, trailingEntries: 2 }
    const { node } = await started(diskRaftStorage(directory), { snapshots })
    for (let i = 0; i < 60; i++) await node.propose(bytes(`${i}`))
    await node.stop()
    await rm(join(directory, 'raft', 'snapshots'), { recursive: true })
    const err = await makeNode(diskRaftStorage(directory))
      .node.start(never())
      .catch((thrown: unknown) => thrown)
    assert.ok(err instanceof FairleadError)
    assert.match(err.message, /the log begins after entry \d+ and no good snapshot/)
  })
})

describe('the life of a node', () => {
  it('leaves no timer behind, however often it starts and stops', async () => {
    const clock = new ManualClock()
    const storage = memoryRaftStorage()
    for (let i = 0; i < 5; i++) {
      const { node } = await started(storage, { clock })
      await node.propose(bytes('x'))
      assert.ok(clock.armed > 0)
      await node.stop()
      await node.stop()
      assert.equal(clock.armed, 0)
    }
  })

  it('starts once', async () => {
    const { node } = makeNode(memoryRaftStorage())
    assert.equal(node.start(never()), node.start(never()))
    await node.start(never())
    await node.stop()
  })

  it('does not start for a signal that was aborted', async () => {
    const { node } = makeNode(memoryRaftStorage())
    await assert.rejects(
      node.start(AbortSignal.abort(new Error('changed my mind'))),
      /changed my mind/,
    )
    await node.stop()
  })

  it('tells listeners when it leads and when it no longer does', async () => {
    const { node } = makeNode(memoryRaftStorage())
    const heard: boolean[] = []
    const stopListening = node.onLeadership((isLeader) => heard.push(isLeader))
    await node.start(never())
    await node.stop()
    assert.deepEqual(heard, [true, false])
    stopListening()
  })

  it('refuses a first configuration without itself', async () => {
    const bootstrap = { clusterId: 'c', members: [{ id: 'b', address: 'b:1' }] }
    const { node } = makeNode(memoryRaftStorage(), { bootstrap })
    await assert.rejects(node.start(never()), hasCode('INVALID_CONFIG'))
  })

  it('without a cluster waits, and refuses writes', async () => {
    const clock = new ManualClock()
    const made = makeNode(memoryRaftStorage(), { clock, bootstrap: undefined as never })
    await made.node.start(never())
    clock.advance(60_000)
    assert.equal(made.node.status().role, 'follower')
    await assert.rejects(made.node.propose(bytes('x')), hasCode('NO_LEADER'))
    await assert.rejects(made.node.readIndex(), hasCode('NO_LEADER'))
    await made.node.stop()
  })
})

function indexOf(name: string): number {
  return Number(name.split('-')[1])
}
