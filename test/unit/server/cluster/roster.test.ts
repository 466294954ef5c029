/**
 * Raft's members follow the gossip pool while this server leads.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FairleadError } from '../../../../core/errors.ts'
import { type Logger, silentLogger } from '../../../../core/log.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'
import { Roster } from '../../../../server/cluster/roster.ts'
import { pass } from '../raft-and-store.ts'
import { LeaderWorld } from './leader-world.ts'

function leading(world: LeaderWorld) {
  const clock = new ManualClock()
  const errors: unknown[] = []
  const log: Logger = { ...silentLogger, error: (_message, facts) => void errors.push(facts) }
  const roster = new Roster({ nodeId: 'a' }, { ...world, clock, log })
  return { clock, roster, errors }
}

test('who comes becomes a learner, who leaves goes, who moves is found again', async () => {
  const world = new LeaderWorld('a', 'b', 'c')
  const { clock, roster } = leading(world)
  roster.start()
  await pass(clock, 100)
  assert.deepEqual(world.changes, [])
  world.gossip('d', 'alive')
  await pass(clock, 100)
  world.gossip('b', 'left')
  await pass(clock, 100)
  world.gossip('c', 'alive', 'moved')
  await pass(clock, 100)
  assert.deepEqual(world.changes, ['learner d', 'remove b', 'address c'])
  await roster.stop()
  assert.equal(clock.armed, 0)
  world.gossip('e', 'alive')
  await pass(clock, 120_000, 1000)
  assert.equal(world.changes.length, 3, 'nothing after it stopped')
})

test('who the pool knew and forgets goes; who it never knew stays', async () => {
  const world = new LeaderWorld('a', 'b', 'c')
  world.forget('c')
  const { clock, roster } = leading(world)
  roster.start()
  await pass(clock, 120_000, 1000)
  assert.deepEqual(world.changes, [], 'autopilot decides about c')
  world.gossip('b', 'failed')
  await pass(clock, 100)
  world.forget('b')
  await pass(clock, 100)
  assert.deepEqual(world.changes, ['remove b'])
  await roster.stop()
})

test('a server of another cluster is left alone and named once', async () => {
  const world = new LeaderWorld('a', 'b', 'c')
  const { clock, roster, errors } = leading(world)
  world.peers.set('d', { cluster: { clusterId: 'other', epoch: 1 } })
  world.peers.set('e', { cluster: { clusterId: 'c1', epoch: 0 } })
  world.gossip('d', 'alive')
  world.gossip('e', 'alive')
  roster.start()
  await pass(clock, 200_000, 1000)
  assert.deepEqual(world.changes, [])
  assert.equal(errors.length, 2)
  await roster.stop()
})

test('a server that does not answer yet is asked again soon', async () => {
  const world = new LeaderWorld('a', 'b', 'c')
  const { clock, roster } = leading(world)
  world.peers.set('d', 'silent')
  world.gossip('d', 'alive')
  roster.start()
  await pass(clock, 3000, 500)
  assert.deepEqual(world.changes, [])
  world.peers.set('d', { cluster: null })
  await pass(clock, 1500, 500)
  assert.deepEqual(world.changes, ['learner d'])
  await roster.stop()
})

test('a change that is refused is tried again', async () => {
  const world = new LeaderWorld('a', 'b', 'c')
  const { clock, roster } = leading(world)
  world.refusals.push(new FairleadError('BUSY', 'another change is under way'))
  world.gossip('d', 'alive')
  roster.start()
  await pass(clock, 100)
  assert.deepEqual(world.changes, [])
  await pass(clock, 1500, 500)
  assert.deepEqual(world.changes, ['learner d'])
  await roster.stop()
})
