/**
 * The order of a server's farewell, and when it is refused.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FairleadError } from '../../../../core/errors.ts'
import { silentLogger } from '../../../../core/log.ts'
import { serverId } from '../../../../core/raft/types.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'
import { assertMayLeave, leaveCluster } from '../../../../server/cluster/leaving.ts'
import { pass } from '../raft-and-store.ts'
import { LeaderWorld } from './leader-world.ts'

function farewell(world: LeaderWorld, transfer: 'works' | 'fails') {
  const clock = new ManualClock()
  const done: string[] = []
  let leads = true
  const raft = {
    ...world.raft,
    status: () => ({
      ...world.raft.status(),
      role: leads ? ('leader' as const) : ('follower' as const),
    }),
    transferLeadership: async () => {
      done.push('transfer')
      if (transfer === 'fails') throw new FairleadError('BUSY', 'not caught up')
      leads = false
    },
    changeMembers: async (change: Parameters<LeaderWorld['raft']['changeMembers']>[0]) => {
      done.push('remove self')
      leads = false
      await world.raft.changeMembers(change)
    },
  }
  const pool = {
    leave: async () => {
      done.push('goodbye')
    },
  }
  const left = leaveCluster(
    { nodeId: 'a', drainMs: 5000, force: false },
    { raft, pool, directory: world.directory, clock, log: silentLogger },
    new AbortController().signal,
  ).then(() => done.push('done'))
  return { clock, done, left }
}

test('a leader hands over, says goodbye, drains, and waits to be removed', async () => {
  const world = new LeaderWorld('a', 'b', 'c')
  const { clock, done, left } = farewell(world, 'works')
  await pass(clock, 4900, 700)
  assert.deepEqual(done, ['transfer', 'goodbye'])
  await pass(clock, 1000, 100)
  assert.deepEqual(done, ['transfer', 'goodbye'], 'still a member')
  await world.raft.changeMembers({ kind: 'simple', change: { kind: 'remove', id: serverId('a') } })
  await pass(clock, 100, 50)
  await left
  assert.equal(done.at(-1), 'done')
  assert.equal(clock.armed, 0)
})

test('a leader that cannot hand over removes itself', async () => {
  const world = new LeaderWorld('a', 'b', 'c')
  const { clock, done, left } = farewell(world, 'fails')
  await pass(clock, 5100, 300)
  await left
  assert.deepEqual(done, ['transfer', 'remove self', 'goodbye', 'done'])
})

test('one that nobody removes goes after a bounded wait', async () => {
  const world = new LeaderWorld('a', 'b', 'c')
  const { clock, done, left } = farewell(world, 'works')
  await pass(clock, 10_200, 100)
  await left
  assert.equal(done.at(-1), 'done')
})

test('a farewell that costs the quorum is refused unless forced', () => {
  const world = new LeaderWorld('a', 'b', 'c')
  world.gossip('b', 'failed')
  const deps = { ...world, raft: { ...world.raft, transferLeadership: async () => {} } }
  assert.throws(() => assertMayLeave({ nodeId: 'a', force: false }, deps), {
    code: 'REJECTED',
    message:
      'Leaving would cost the cluster its quorum: of the 2 other voting servers 1 is alive, and 2 are needed to go on',
  })
  assertMayLeave({ nodeId: 'a', force: true }, deps)
})
