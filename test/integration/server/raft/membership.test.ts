/**
 * Servers that come, are promoted, hand over and go; and founding a cluster while running.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FairleadError } from '../../../../core/errors.ts'
import { isVoter } from '../../../../core/raft/configuration.ts'
import { serverId } from '../../../../core/raft/types.ts'
import { addressOf, bytes, TestCluster } from './test-cluster.ts'

const IDS = ['a', 'b', 'c']
const snapshots = { thresholdEntries: 20, intervalMs: 0, trailingEntries: 5 }

const isRefused = (code: string, text: RegExp) => (err: unknown) =>
  err instanceof FairleadError && err.code === code && text.test(err.message)

describe('a new server', () => {
  it('adopts the cluster of the leader that adds it, catches up, and is promoted', async () => {
    await using cluster = await TestCluster.ofThree()
    await cluster.write('one', 'two')
    const fresh = await cluster.start('d')
    assert.equal(fresh.node.status().cluster, null)
    await cluster.addLearner('d')
    await cluster.agree('one', 'two')
    assert.deepEqual(fresh.node.status().cluster, { clusterId: 'test', epoch: 0 })
    await cluster.change({ kind: 'voter', id: serverId('d'), address: addressOf('d') })
    const promoted = (): boolean => isVoter(fresh.node.status().configuration, serverId('d'))
    await cluster.until(promoted, 'd to know that it votes')
    await cluster.write('three')
    await cluster.agree('three')
  })

  it('that is added when the log is compacted gets an image', async () => {
    await using cluster = await TestCluster.ofThree({ snapshots })
    const texts = Array.from({ length: 100 }, (_, i) => `${i}`)
    for (let i = 0; i < 100; i += 5) await cluster.write(...texts.slice(i, i + 5))
    const fresh = await cluster.start('d', { snapshots })
    await cluster.addLearner('d')
    await cluster.write('more')
    await cluster.agree(...texts, 'more')
    assert.ok(fresh.machine.restores >= 1)
  })

  it('keeps the cluster it adopted over a restart, and hears no other', async () => {
    await using cluster = await TestCluster.ofThree()
    await cluster.start('d')
    await cluster.addLearner('d')
    await cluster.agree()
    await cluster.stop('d')
    const again = await cluster.start('d')
    assert.deepEqual(again.node.status().cluster, { clusterId: 'test', epoch: 0 })
    const members = [{ id: 'd', address: addressOf('d') }]
    const other = again.node.bootstrap({ clusterId: 'another', members })
    await assert.rejects(other, isRefused('REJECTED', /belongs to cluster "test"/))
  })
})

describe('founding a cluster of servers that run', () => {
  it('makes them elect a leader; repeating it changes nothing', async () => {
    await using cluster = await TestCluster.create()
    for (const id of IDS) await cluster.start(id)
    const { bootstrap } = cluster.founding(IDS)
    assert.ok(bootstrap !== undefined)
    for (const id of IDS) await cluster.settle(cluster.node(id).node.bootstrap(bootstrap))
    await cluster.write('first')
    await cluster.agree('first')
    for (const id of IDS) await cluster.settle(cluster.node(id).node.bootstrap(bootstrap))
    await cluster.write('second')
    await cluster.agree('first', 'second')
  })

  it('is durable', async () => {
    await using cluster = await TestCluster.create()
    for (const id of IDS) await cluster.start(id)
    const { bootstrap } = cluster.founding(IDS)
    assert.ok(bootstrap !== undefined)
    for (const id of IDS) await cluster.settle(cluster.node(id).node.bootstrap(bootstrap))
    for (const id of IDS) await cluster.stop(id)
    for (const id of IDS) await cluster.start(id)
    await cluster.write('here')
    await cluster.agree('here')
  })

  it('is joined by a founding member that was told late', async () => {
    await using cluster = await TestCluster.create()
    for (const id of IDS) await cluster.start(id)
    const { bootstrap } = cluster.founding(IDS)
    assert.ok(bootstrap !== undefined)
    for (const id of ['a', 'b']) await cluster.settle(cluster.node(id).node.bootstrap(bootstrap))
    await cluster.write('early')
    await cluster.agree('early')
    await cluster.settle(cluster.node('c').node.bootstrap(bootstrap))
    await cluster.agree('early')
  })

  it('is refused when this server is not among the members', async () => {
    await using cluster = await TestCluster.create()
    const { node } = await cluster.start('a')
    const members = [{ id: 'b', address: 'b:1' }]
    await assert.rejects(
      node.bootstrap({ clusterId: 'x', members }),
      isRefused('INVALID_CONFIG', /does not contain this server, "a"/),
    )
    assert.equal(node.status().cluster, null)
  })
})

describe('handing leadership over', () => {
  it('to a named voter makes it the leader', async () => {
    await using cluster = await TestCluster.ofThree()
    await cluster.write('before')
    const { id: old, made } = await cluster.leader()
    const [target = ''] = await cluster.followers()
    await cluster.settle(made.node.transferLeadership(target))
    assert.notEqual(made.node.status().role, 'leader')
    const next = await cluster.leader(old)
    assert.equal(next.id, target)
    await cluster.write('after')
    await cluster.agree('before', 'after')
  })

  it('to nobody in particular finds somebody', async () => {
    await using cluster = await TestCluster.ofThree()
    await cluster.write('before')
    const { id: old, made } = await cluster.leader()
    await cluster.settle(made.node.transferLeadership())
    assert.notEqual((await cluster.leader(old)).id, old)
  })

  it('refuses writes meanwhile, and takes them again when it is given up', async () => {
    await using cluster = await TestCluster.ofThree()
    await cluster.write('before')
    const { made } = await cluster.leader()
    const [target = ''] = await cluster.followers()
    cluster.network.disconnect(target)
    const handover = made.node.transferLeadership(target)
    const write = cluster.settle(made.node.propose(bytes('meanwhile')))
    await assert.rejects(write, isRefused('BUSY', /being handed over/))
    await assert.rejects(cluster.settle(handover), isRefused('BUSY', /did not catch up/))
    cluster.network.reconnect(target)
    await cluster.write('after')
    await cluster.agree('before', 'after')
    assert.ok(!made.machine.texts.includes('meanwhile'))
  })

  it('is refused for who cannot lead, and by who does not', async () => {
    await using cluster = await TestCluster.ofThree()
    const { made } = await cluster.leader()
    await assert.rejects(
      made.node.transferLeadership('z'),
      isRefused('REJECTED', /"z" is not a member/),
    )
    const [follower = ''] = await cluster.followers()
    const { node } = cluster.node(follower)
    await cluster.until(() => node.status().leaderId !== null, 'a known leader')
    await assert.rejects(node.transferLeadership(), isRefused('BUSY', /is not the leader/))
  })
})

describe('removing a server', () => {
  it('tells it, which keeps its data and campaigns no more', async () => {
    await using cluster = await TestCluster.ofThree()
    await cluster.write('one')
    await cluster.agree('one')
    const [gone = ''] = await cluster.followers()
    await cluster.change({ kind: 'remove', id: serverId(gone) })
    const { node, machine } = cluster.node(gone)
    const knows = (): boolean => !node.status().peers.some(({ id }) => id === gone)
    await cluster.until(knows, 'the removed server to know')
    const { term } = node.status()
    await cluster.write('two')
    await cluster.until(() => node.status().lastContactMs > 5_000, 'time to pass')
    assert.equal(node.status().role, 'follower')
    assert.equal(node.status().term, term)
    assert.deepEqual(machine.texts, ['one'])
  })

  it('that leads resolves, and another one leads', async () => {
    await using cluster = await TestCluster.ofThree()
    const { id: old, made } = await cluster.leader()
    await cluster.write('one')
    const allActive = (): boolean =>
      [...made.node.status().progress.values()].every(({ isActive }) => isActive)
    await cluster.until(allActive, 'the leader to hear from both followers')
    await cluster.settle(
      made.node.changeMembers({ kind: 'simple', change: { kind: 'remove', id: serverId(old) } }),
    )
    const { id } = await cluster.leader(old)
    assert.notEqual(id, old)
    assert.ok(
      !cluster
        .node(id)
        .node.status()
        .peers.some((peer) => peer.id === old),
    )
  })

  it('is refused where too few healthy ones would remain, unless forced', async () => {
    await using cluster = await TestCluster.ofThree()
    const { made } = await cluster.leader()
    const [dead = '', alive = ''] = await cluster.followers()
    await cluster.stop(dead)
    const active = (): boolean => made.node.status().progress.get(dead)?.isActive === false
    await cluster.until(active, 'the leader to miss the dead server')
    const change = cluster.change({ kind: 'remove', id: serverId(alive) })
    await assert.rejects(change, isRefused('REJECTED', /voters would be healthy/))
    await cluster.change({ kind: 'remove', id: serverId(dead) })
    await cluster.write('two are enough for two')
  })

  it('replaces one of three through a joint phase', async () => {
    await using cluster = await TestCluster.ofThree()
    await cluster.write('one')
    await cluster.start('d')
    const [out = ''] = await cluster.followers()
    await cluster.changeMembers({
      kind: 'enter-joint',
      autoLeave: true,
      changes: [
        { kind: 'voter', id: serverId('d'), address: addressOf('d') },
        { kind: 'remove', id: serverId(out) },
      ],
    })
    const { made } = await cluster.leader()
    const { configuration } = made.node.status()
    assert.deepEqual(configuration.outgoing, [])
    assert.deepEqual(configuration.incoming, [...IDS.filter((id) => id !== out), 'd'])
  })
})

describe('addresses', () => {
  it('change with the configuration', async () => {
    await using cluster = await TestCluster.ofThree()
    const seen: string[][] = []
    const { made } = await cluster.leader()
    made.node.onConfiguration(({ addresses }) => seen.push(addresses.map((m) => m.address)))
    const [moved = ''] = await cluster.followers()
    await cluster.change({ kind: 'address', id: serverId(moved), address: 'elsewhere:1' })
    assert.ok(seen.at(-1)?.includes('elsewhere:1'))
  })
})
