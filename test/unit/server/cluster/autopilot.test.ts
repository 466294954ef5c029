/**
 * Autopilot on the leader: what it asks, when it acts, and that it ends.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AUTOPILOT_DEFAULTS } from '../../../../core/autopilot/defaults.ts'
import { FairleadError } from '../../../../core/errors.ts'
import { silentLogger } from '../../../../core/log.ts'
import { serverId } from '../../../../core/raft/types.ts'
import { Autopilot } from '../../../../server/cluster/autopilot.ts'
import { pass, RaftAndStore } from '../raft-and-store.ts'
import { LeaderWorld } from './leader-world.ts'

async function leading(world: LeaderWorld, base: RaftAndStore, raftMultiplier = 1) {
  await base.start()
  return new Autopilot(
    { nodeId: 'a', initial: { ...AUTOPILOT_DEFAULTS, maxTrailingLogs: 99 }, raftMultiplier },
    {
      ...world,
      store: base.store,
      write: (command) => base.writer.write(command),
      clock: base.clock,
      log: silentLogger,
    },
  )
}

async function addLearner(world: LeaderWorld, id: string): Promise<void> {
  world.gossip(id, 'alive')
  const change = { kind: 'learner' as const, id: serverId(id), address: `${id}:8300` }
  await world.raft.changeMembers({ kind: 'simple', change })
  world.changes.length = 0
}

test('the configured settings become the replicated ones once; later ones count', async () => {
  const world = new LeaderWorld('a', 'b', 'c')
  await using base = new RaftAndStore()
  const autopilot = await leading(world, base)
  assert.equal(autopilot.config().modifyIndex, 0)
  autopilot.start()
  await pass(base.clock, 100)
  assert.equal(autopilot.config().maxTrailingLogs, 99)
  const { modifyIndex } = autopilot.config()
  assert.equal(await autopilot.setConfig({ ...AUTOPILOT_DEFAULTS, minQuorum: 3 }, 1_000), false)
  assert.equal(
    await autopilot.setConfig({ ...AUTOPILOT_DEFAULTS, minQuorum: 3 }, modifyIndex),
    true,
  )
  await autopilot.stop()
  autopilot.start()
  await pass(base.clock, 5000, 500)
  assert.equal(autopilot.config().minQuorum, 3)
  await autopilot.stop()
})

test('a stable learner is promoted, and a failed voter whose place is taken removed', async () => {
  const world = new LeaderWorld('a', 'b', 'c')
  await using base = new RaftAndStore()
  const autopilot = await leading(world, base)
  autopilot.start()
  await pass(base.clock, 15_000, 1000)
  await addLearner(world, 'd')
  await pass(base.clock, 9000, 1000)
  assert.deepEqual(world.changes, [])
  await pass(base.clock, 15_000, 1000)
  assert.deepEqual(world.changes, ['voter d'])
  world.gossip('c', 'failed')
  world.peers.set('c', 'silent')
  await pass(base.clock, 28_000, 1000)
  assert.deepEqual(world.changes, ['voter d'])
  await pass(base.clock, 15_000, 1000)
  assert.deepEqual(world.changes, ['voter d', 'remove c'])
  assert.deepEqual((await autopilot.state()).voters, ['a', 'b', 'd'])
  await autopilot.stop()
})

test('who is silent, of another cluster, or slow beyond the scaled threshold is unhealthy', async () => {
  const world = new LeaderWorld('a', 'b', 'c', 'd')
  await using base = new RaftAndStore()
  world.peers.set('b', 'silent')
  world.peers.set('c', { cluster: { clusterId: 'other', epoch: 1 } })
  world.peers.set('d', { lastContactMs: 900 })
  const autopilot = await leading(world, base, 5)
  autopilot.start()
  await pass(base.clock, 100)
  const state = await autopilot.state()
  const healthy = state.servers.filter((server) => server.isHealthy).map(({ id }) => id)
  assert.deepEqual(healthy, ['a', 'd'])
  world.peers.set('d', { lastContactMs: 1001 })
  await pass(base.clock, 2000, 500)
  assert.equal((await autopilot.state()).servers[3]?.isHealthy, false)
  await autopilot.stop()
})

test('a refused change is judged anew in the next round, and nothing happens after the end', async () => {
  const world = new LeaderWorld('a', 'b', 'c')
  await using base = new RaftAndStore()
  const autopilot = await leading(world, base)
  await addLearner(world, 'd')
  world.refusals.push(new FairleadError('BUSY', 'another change is under way'))
  autopilot.start()
  await pass(base.clock, 11_000, 1000)
  assert.deepEqual(world.changes, [])
  await pass(base.clock, 10_000, 1000)
  assert.deepEqual(world.changes, ['voter d'])
  await autopilot.stop()
  await addLearner(world, 'e')
  await pass(base.clock, 60_000, 1000)
  assert.deepEqual(world.changes, [])
})
