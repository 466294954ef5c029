/**
 * Three servers with real storage: replication over restarts of each, and what failing disks do to them.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FairleadError } from '../../../../core/errors.ts'
import { MemorySnapshots } from '../../../../runtime/storage/memory-snapshots.ts'
import { MemoryStore } from '../../../../runtime/storage/memory-store.ts'
import { RaftLogStore } from '../../../../runtime/storage/raft-log-store.ts'
import type { RaftStorageOpener } from '../../../../runtime/storage/raft-storage.ts'
import { bytes, TestCluster } from './test-cluster.ts'

const IDS = ['a', 'b', 'c']

describe('three servers on disk', () => {
  it('replicate, and lose nothing when each is restarted in turn', async () => {
    await using cluster = await TestCluster.ofThree()
    const written: string[] = []
    for (const id of IDS) {
      const texts = Array.from({ length: 20 }, (_, i) => `before ${id} ${i}`)
      await cluster.write(...texts)
      await cluster.stop(id)
      await cluster.write(`without ${id}`)
      await cluster.start(id)
      written.push(...texts, `without ${id}`)
    }
    await cluster.agree(...written)
    const [texts] = [...cluster.nodes.values()].map((made) => made.machine.texts)
    assert.equal(new Set(texts).size, texts?.length, 'nothing is applied twice')
  })

  it('come back from nothing but their disks', async () => {
    await using cluster = await TestCluster.ofThree()
    await cluster.write('one', 'two')
    for (const id of IDS) await cluster.stop(id)
    for (const id of IDS) await cluster.start(id)
    await cluster.write('three')
    await cluster.agree('one', 'two', 'three')
  })

  it('read linearizably on every server', async () => {
    await using cluster = await TestCluster.ofThree()
    const { made } = await cluster.leader()
    const { index } = await cluster.settle(made.node.propose(bytes('seen')))
    for (const { node, machine } of cluster.nodes.values()) {
      // Two of three are enough for the write, and one for a read of the leader: the third may hear of it later.
      await cluster.until(() => node.status().leaderId !== null, 'a known leader')
      const reads = await cluster.settle(Promise.all([node.readIndex(), node.readIndex('lease')]))
      assert.ok(reads.every((read) => read >= index))
      assert.deepEqual(machine.texts, ['seen'])
    }
  })

  it('ask again for a read whose message was lost, and answer it', async () => {
    await using cluster = await TestCluster.ofThree()
    await cluster.write('one')
    const [id = ''] = await cluster.followers()
    const { node } = cluster.node(id)
    await cluster.until(() => node.status().leaderId !== null, 'a known leader')
    cluster.network.disconnect(id)
    const read = node.readIndex()
    // Long enough for the first attempt to be lost, too short for an election.
    for (let i = 0; i < 20; i++) await cluster.settle(Promise.resolve())
    cluster.network.reconnect(id)
    assert.ok((await cluster.settle(read)) > 0)
  })

  it('say who leads, who follows and how far', async () => {
    await using cluster = await TestCluster.ofThree()
    await cluster.write('one')
    const { id: leader, made } = await cluster.leader()
    const status = made.node.status()
    assert.deepEqual(status.cluster, { clusterId: 'test', epoch: 0 })
    assert.deepEqual(status.configuration.incoming, IDS)
    assert.equal(status.configurationIndex, 1)
    assert.equal(status.isRecovering, false)
    assert.deepEqual(
      [...status.progress.keys()],
      IDS.filter((id) => id !== leader),
    )
    const caughtUp = (): boolean =>
      [...made.node.status().progress.values()].every(
        ({ matchIndex, mode, isActive }) =>
          mode === 'replicate' && isActive && matchIndex === made.node.status().lastLogIndex,
      )
    await cluster.until(caughtUp, 'followers to be level')
  })
})

describe('a disk that fails', () => {
  it('under the leader silences it; the others go on with all that was acknowledged', async () => {
    const stores = new Map(IDS.map((id) => [id, new MemoryStore()]))
    await using cluster = await TestCluster.create()
    for (const id of IDS) {
      const openStorage = openOn(stores.get(id) ?? assert.fail())
      await cluster.start(id, { ...cluster.founding(IDS), openStorage })
    }
    await cluster.write('kept')
    const { id, made } = await cluster.leader()
    stores.get(id)?.failWrite(1)
    const outcome = await cluster.settle(made.node.propose(bytes('doubtful'))).catch((e) => e)
    assert.ok(outcome instanceof FairleadError)
    assert.equal(outcome.code, 'OUTCOME_UNKNOWN')
    assert.equal(made.fatal[0]?.code, 'STORAGE_FAILED')
    await assert.rejects(made.node.propose(bytes('x')), { code: 'STORAGE_FAILED' })
    await assert.rejects(made.node.readIndex(), { code: 'STORAGE_FAILED' })
    await cluster.stop(id)
    await cluster.write('after')
    await cluster.agree('kept', 'after')
  })
})

describe('a disk that is nearly full', () => {
  /** The watch of one disk, moved by the test. */
  function spaceOf() {
    const listeners = new Set<(isLow: boolean) => void>()
    const tell = (isLow: boolean): void => {
      for (const listener of listeners) listener(isLow)
    }
    const onChange = (listener: (isLow: boolean) => void) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    }
    return { tell, space: { onChange }, listeners }
  }

  it('takes only what frees space, until there is some', async () => {
    await using cluster = await TestCluster.create()
    const { tell, space, listeners } = spaceOf()
    const { node, machine } = await cluster.start('a', { ...cluster.founding(['a']), space })
    tell(true)
    await assert.rejects(node.propose(bytes('x')), { code: 'STORAGE_FULL' })
    await cluster.settle(node.propose(bytes('delete'), { frees: true }))
    tell(false)
    await cluster.settle(node.propose(bytes('y')))
    assert.deepEqual(machine.texts, ['delete', 'y'])
    await cluster.stop('a')
    assert.equal(listeners.size, 0)
  })

  it('under the leader makes another server lead', async () => {
    await using cluster = await TestCluster.create()
    const spaces = new Map(IDS.map((id) => [id, spaceOf()]))
    for (const id of IDS) {
      const space = spaces.get(id)?.space ?? assert.fail()
      await cluster.start(id, { ...cluster.founding(IDS), space })
    }
    await cluster.write('before')
    const { id, made } = await cluster.leader()
    spaces.get(id)?.tell(true)
    await cluster.until(() => made.node.status().role !== 'leader', 'leadership to be handed over')
    await cluster.leader(id)
    await cluster.write('after')
    await cluster.agree('before', 'after')
  })
})

function openOn(store: MemoryStore): RaftStorageOpener {
  const snapshots = new MemorySnapshots()
  return async () => ({ log: new RaftLogStore(store), snapshots })
}
