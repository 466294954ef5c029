/**
 * What must not happen in a healthy cluster, and what a cut-off server must not do to it (I25, I26, 4.7).
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { SimServer } from './sim-server.ts'
import { World } from './world.ts'

function settledWorld(
  seed: number,
  quiet = false,
): { world: World; leader: SimServer; follower: SimServer } {
  const world = new World({ seed, servers: 3, steps: 0, calm: true, quiet })
  world.open()
  world.runTicks(5 * world.electionTicks)
  const leader = world.leader
  const follower = world.servers.find((server) => server !== leader)
  assert.ok(leader !== undefined && follower !== undefined, 'a leader is found')
  return { world, leader, follower }
}

describe('a simulated raft cluster without faults', () => {
  const seeds = [1, 2, 3, 4, 5, 6, 7, 8]

  it('keeps its first leader', () => {
    for (const seed of seeds) {
      const { world, leader } = settledWorld(seed)
      const elections = world.oracle.elections
      world.runTicks(60 * world.electionTicks)
      assert.equal(world.oracle.elections, elections, `seed ${seed}`)
      assert.equal(world.leader, leader)
    }
  })

  it('is not disturbed by a follower that was cut off and comes back', () => {
    for (const seed of seeds) {
      const { world, leader, follower } = settledWorld(seed)
      const term = leader.core?.term
      world.isolate(follower)
      world.runTicks(10 * world.electionTicks)
      assert.equal(follower.core?.term, term, 'a pre-candidate does not raise its term')
      world.network.heal()
      world.runTicks(10 * world.electionTicks)
      assert.equal(world.leader, leader, `seed ${seed}`)
      assert.equal(leader.core?.term, term)
      assert.equal(follower.core?.leader, leader.id)
    }
  })

  it('is not disturbed by a follower that can send and not receive', () => {
    for (const seed of seeds) {
      // Without writes its log stays as good as anyone's: only the lease of the leader refuses it.
      const { world, leader, follower } = settledWorld(seed, true)
      const term = leader.core?.term
      world.network.cut(leader.id, follower.id)
      world.runTicks(10 * world.electionTicks)
      assert.equal(world.leader, leader, `seed ${seed}`)
      assert.equal(leader.core?.term, term)
    }
  })

  it('loses a leader that no quorum answers within two election timeouts, and finds another', () => {
    for (const seed of seeds) {
      const { world, leader } = settledWorld(seed)
      world.isolate(leader)
      world.runTicks(2 * world.electionTicks + 2)
      assert.notEqual(leader.core?.role, 'leader', `seed ${seed}`)
      world.runTicks(6 * world.electionTicks)
      assert.ok(world.leader !== undefined && world.leader !== leader, `seed ${seed}`)
    }
  })

  it('steps down when the leader can send and not receive', () => {
    for (const seed of seeds) {
      const { world, leader } = settledWorld(seed)
      for (const other of world.servers) world.network.cut(other.id, leader.id)
      world.runTicks(2 * world.electionTicks + 2)
      assert.notEqual(leader.core?.role, 'leader', `seed ${seed}`)
    }
  })
})
