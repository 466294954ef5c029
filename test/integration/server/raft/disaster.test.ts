/**
 * A majority is lost for good: peers.json on one survivor and on several, and the offline command's function.
 */

import assert from 'node:assert/strict'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { FairleadError } from '../../../../core/errors.ts'
import { silentLogger } from '../../../../core/log.ts'
import { serverId } from '../../../../core/raft/types.ts'
import type { PeerStats } from '../../../../core/rpc/peer-calls.ts'
import { systemClock } from '../../../../runtime/clock/system-clock.ts'
import { diskRaftStorage } from '../../../../runtime/storage/raft-storage.ts'
import { recoveryFiles } from '../../../../runtime/storage/recovery-files.ts'
import { recoverCluster } from '../../../../server/raft/offline-recovery.ts'
import { never } from './node-bench.ts'
import { addressOf, bytes, TestCluster } from './test-cluster.ts'

const IDS = ['a', 'b', 'c']

const isRefused = (code: string, text: RegExp) => (err: unknown) =>
  err instanceof FairleadError && err.code === code && text.test(err.message)

/** Three servers with some state, all stopped. @returns the id of one that has all of it */
async function stoppedTrio(cluster: TestCluster): Promise<string> {
  for (const id of IDS) await cluster.start(id, cluster.founding(IDS))
  await cluster.write('one', 'two')
  await cluster.agree('one', 'two')
  const { id } = await cluster.leader()
  for (const each of IDS) await cluster.stop(each)
  return id
}

async function placePeers(cluster: TestCluster, on: string, ids: readonly string[]): Promise<void> {
  const rows = ids.map((id) => ({ id, address: addressOf(id), non_voter: false }))
  const { path } = recoveryFiles(cluster.dataDir(on))
  await writeFile(path, JSON.stringify(rows))
}

const files = (cluster: TestCluster, id: string) => ({
  recoveryFiles: recoveryFiles(cluster.dataDir(id)),
})

describe('peers.json on one survivor', () => {
  it('makes it lead alone, with everything it had, in a new epoch; a second start changes nothing', async () => {
    await using cluster = await TestCluster.create()
    const id = await stoppedTrio(cluster)
    await placePeers(cluster, id, [id])
    const { node, machine } = await cluster.start(id, files(cluster, id))
    assert.equal(node.status().role, 'leader')
    assert.ok(node.status().term > 1_000)
    assert.deepEqual(machine.texts, ['one', 'two'])
    assert.deepEqual(node.status().cluster, { clusterId: 'test', epoch: 1 })
    assert.deepEqual(node.status().configuration.incoming, [id])
    assert.equal(await recoveryFiles(cluster.dataDir(id)).read(), null, 'the file is consumed')
    await cluster.write('three')
    await cluster.stop(id)
    const again = await cluster.start(id, files(cluster, id))
    assert.deepEqual(again.node.status().cluster, { clusterId: 'test', epoch: 1 })
    assert.deepEqual(again.machine.texts, ['one', 'two', 'three'])
  })

  it('left behind by a crash at the very end, is only cleared away by the next start', async () => {
    await using cluster = await TestCluster.create()
    const id = await stoppedTrio(cluster)
    await placePeers(cluster, id, [id])
    await cluster.start(id, files(cluster, id))
    await cluster.stop(id)
    await placePeers(cluster, id, [id])
    const { node } = await cluster.start(id, files(cluster, id))
    assert.deepEqual(node.status().cluster, { clusterId: 'test', epoch: 1 })
    assert.equal(await recoveryFiles(cluster.dataDir(id)).read(), null)
  })

  it('shuts out the servers of the old epoch, and takes in new ones', async () => {
    await using cluster = await TestCluster.create()
    const id = await stoppedTrio(cluster)
    await placePeers(cluster, id, [id])
    await cluster.start(id, files(cluster, id))
    const others = IDS.filter((other) => other !== id)
    for (const other of others) await cluster.start(other)
    await cluster.until(
      () => others.some((other) => cluster.node(other).node.status().role === 'leader'),
      'the old world to go on by itself',
    )
    assert.equal(cluster.node(id).node.status().role, 'leader', 'undisturbed')
    for (const other of others) {
      assert.deepEqual(cluster.node(other).node.status().cluster, { clusterId: 'test', epoch: 0 })
      await cluster.stop(other)
    }
    await cluster.start('d')
    await cluster.addLearner('d')
    await cluster.agree('one', 'two')
    assert.deepEqual(cluster.node('d').node.status().cluster, { clusterId: 'test', epoch: 1 })
  })

  it('is refused, and left in place, where it does not fit', async () => {
    await using cluster = await TestCluster.create()
    const id = await stoppedTrio(cluster)
    const others = IDS.filter((other) => other !== id)
    await placePeers(cluster, id, others)
    const started = cluster.make(id, files(cluster, id)).node.start(never())
    await assert.rejects(
      cluster.settle(started),
      isRefused('INVALID_CONFIG', new RegExp(`does not list this server, "${id}"`)),
    )
    assert.notEqual(await recoveryFiles(cluster.dataDir(id)).read(), null)
  })

  it('is refused by a server without state', async () => {
    await using cluster = await TestCluster.create()
    const { node } = await cluster.start('z')
    await node.stop()
    await placePeers(cluster, 'z', ['z'])
    const started = cluster.make('z', files(cluster, 'z')).node.start(never())
    await assert.rejects(
      cluster.settle(started),
      isRefused('INVALID_CONFIG', /has no Raft state, so there is nothing to recover/),
    )
  })

  it('keeps what was never committed, and gives up what is damaged', async () => {
    await using cluster = await TestCluster.create()
    for (const id of IDS) await cluster.start(id, cluster.founding(IDS))
    await cluster.write('one')
    const { id, made } = await cluster.leader()
    const others = IDS.filter((other) => other !== id)
    for (const other of others) await cluster.stop(other)
    const lost = made.node.propose(bytes('in doubt'))
    const before = made.node.status().lastLogIndex
    lost.catch(() => undefined)
    await cluster.until(() => made.node.status().lastLogIndex > before, 'the write to be logged')
    await cluster.stop(id)
    await placePeers(cluster, id, [id])
    const { machine } = await cluster.start(id, files(cluster, id))
    await cluster.until(() => machine.texts.includes('in doubt'), 'the write to be applied')
  })
})

describe('peers.json on several survivors', () => {
  /** What each would answer over the wire. */
  const statsOf = (cluster: TestCluster) => async (address: string) => {
    const id = address.split(':')[0] ?? ''
    const made = cluster.nodes.get(id)
    if (made === undefined) throw new Error('connection refused')
    const status = made.node.status()
    const stats: PeerStats = {
      serverId: id,
      cluster: status.cluster,
      lastTerm: status.lastLogTerm,
      lastIndex: status.lastLogIndex,
      commitIndex: status.commitIndex,
      leaderId: status.leaderId,
      lastContactMs: null,
      bootstrapExpect: 3,
      version: 'test',
    }
    return stats
  }

  it('lets the one with the most complete log go on, and the others fetch from it', async () => {
    await using cluster = await TestCluster.create()
    for (const id of IDS) await cluster.start(id, cluster.founding(IDS))
    await cluster.write('one')
    await cluster.agree('one')
    const [behind = '', gone = ''] = await cluster.followers()
    await cluster.stop(behind)
    await cluster.write('only two have this')
    const { id: ahead } = await cluster.leader()
    await cluster.stop(ahead)
    await cluster.stop(gone)
    const pair = [ahead, behind]
    for (const id of pair) await placePeers(cluster, id, pair)
    const stats = statsOf(cluster)
    const starting = [behind, ahead].map((id) => {
      return cluster.make(id, { ...files(cluster, id), stats }).node.start(never())
    })
    await cluster.settle(Promise.all(starting), 'both survivors to start')
    await cluster.agree('one', 'only two have this')
    const { id, made } = await cluster.leader()
    assert.equal(id, ahead)
    assert.deepEqual(made.node.status().configuration.incoming, [ahead])
    assert.deepEqual(made.node.status().configuration.learners, [behind])
    assert.equal(cluster.node(behind).node.status().cluster?.epoch, 1)
    for (const each of pair) assert.equal(await recoveryFiles(cluster.dataDir(each)).read(), null)
    const kept = await readdir(join(cluster.dataDir(behind)))
    assert.ok(kept.includes('raft.before-epoch-1'), 'what it had is kept aside')
    await cluster.change({ kind: 'voter', id: serverId(behind), address: addressOf(behind) })
    await cluster.write('two again')
    await cluster.agree('two again')
  })

  it('waits for all that are listed', async () => {
    await using cluster = await TestCluster.create()
    const id = await stoppedTrio(cluster)
    const other = IDS.find((each) => each !== id) ?? ''
    await placePeers(cluster, id, [id, other])
    const stopped = new AbortController()
    const made = cluster.make(id, { ...files(cluster, id), stats: statsOf(cluster) })
    const starting = made.node.start(stopped.signal)
    starting.catch(() => undefined)
    const begun = cluster.clock.now()
    await cluster.until(() => cluster.clock.now() > begun + 60_000, 'a minute to pass')
    assert.deepEqual(made.node.status().cluster, { clusterId: 'test', epoch: 0 })
    assert.ok(made.node.status().lastLogIndex > 2, 'it tells others where its log ends')
    assert.equal(made.node.status().role, 'follower')
    stopped.abort(new Error('changed my mind'))
    await assert.rejects(cluster.settle(starting), /changed my mind/)
  })
})

describe('recovering a stopped server', () => {
  const depsOf = (cluster: TestCluster, id: string) => ({
    openStorage: diskRaftStorage(cluster.dataDir(id)),
    files: recoveryFiles(cluster.dataDir(id)),
    clock: systemClock,
    log: silentLogger,
  })

  it('changes nothing without the id of the cluster, and says what it would do', async () => {
    await using cluster = await TestCluster.create()
    const id = await stoppedTrio(cluster)
    const options = { dataDir: cluster.dataDir(id), serverId: id }
    const { isDone, report, address } = await recoverCluster(options, depsOf(cluster, id))
    assert.equal(isDone, false)
    assert.equal(address, addressOf(id))
    assert.equal(report.clusterId, 'test')
    assert.equal(report.epoch, 1)
    assert.deepEqual(
      report.givenUp.map((member) => member.id),
      IDS.filter((other) => other !== id),
    )
    for (const each of IDS) await cluster.start(each)
    await cluster.write('as before')
    await cluster.agree('one', 'two', 'as before')
  })

  it('makes it lead alone when it starts', async () => {
    await using cluster = await TestCluster.create()
    const id = await stoppedTrio(cluster)
    const dataDir = cluster.dataDir(id)
    const wrong = recoverCluster(
      { dataDir, serverId: id, confirmation: 'other' },
      depsOf(cluster, id),
    )
    await assert.rejects(wrong, isRefused('BAD_REQUEST', /is "test", not "other"/))
    const done = await recoverCluster(
      { dataDir, serverId: id, confirmation: 'test', address: '10.0.0.9:8300' },
      depsOf(cluster, id),
    )
    assert.equal(done.isDone, true)
    const { node, machine } = await cluster.start(id)
    assert.deepEqual(node.status().peers, [{ id, address: '10.0.0.9:8300', voter: true }])
    assert.equal(node.status().cluster?.epoch, 1)
    assert.deepEqual(machine.texts, ['one', 'two'])
  })

  it('is refused while the server runs, and beside a peers.json', async () => {
    await using cluster = await TestCluster.create()
    const id = await stoppedTrio(cluster)
    const options = { dataDir: cluster.dataDir(id), serverId: id, confirmation: 'test' }
    await cluster.start(id)
    await assert.rejects(
      recoverCluster(options, depsOf(cluster, id)),
      isRefused('STORAGE_FAILED', /./),
    )
    await cluster.stop(id)
    await placePeers(cluster, id, [id])
    await assert.rejects(
      recoverCluster(options, depsOf(cluster, id)),
      isRefused('BAD_REQUEST', /peers.json" is there/),
    )
    assert.match(await readFile(recoveryFiles(cluster.dataDir(id)).path, 'utf8'), /^\[/)
  })
})
