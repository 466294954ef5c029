/**
 * What must not happen in a healthy cluster, and what a cut-off server must not do to it (I25, I26, 4.7).
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { SimServer } from './sim-server.ts'
import type { Swarm } from './swarm.ts'
import { World } from './world.ts'

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8]
const TICK_US = 10_000
const E = 10 * TICK_US

/** Three voters, nothing that goes wrong, and delays far below the election timeout. */
function healthy(drawn: Swarm): Swarm {
  const nothing = Object.fromEntries(Object.keys(drawn.faults).map((name) => [name, false]))
  return {
    ...drawn,
    voters: 3,
    learners: 0,
    electionTicks: 10,
    heartbeatTicks: 1,
    network: {
      delayMin: 300,
      delayMean: 500,
      hasHeavyTail: false,
      loss: 0,
      burst: null,
      duplication: 0,
      reorders: false,
      replay: 0,
      corruption: 0,
    },
    disk: {
      writeMean: 500,
      stallChance: 0,
      stallMean: 0,
      hasWriteErrors: false,
      hasHangs: false,
      hasDamage: false,
    },
    clock: { driftMax: 0, hasPauses: false, hasWallJumps: false, turnCostMax: 0 },
    faults: { ...drawn.faults, ...nothing },
    hasMembership: false,
    hasTransfers: false,
    nemesisMean: 0,
    snapshotThreshold: 200,
    clients: Math.min(4, drawn.clients),
    thinkMean: Math.max(5_000, drawn.thinkMean),
    valueBytes: 10,
  }
}

function settledWorld(
  seed: number,
  isQuiet = false,
): { world: World; leader: SimServer; follower: SimServer } {
  const world = new World({ seed, steps: 0, override: healthy })
  world.open()
  if (isQuiet) for (const client of world.clients) client.stop()
  world.runFor(5 * E)
  const leader = world.leader
  const follower = world.servers.find((server) => server !== leader)
  assert.ok(leader !== undefined && follower !== undefined, 'a leader is found')
  return { world, leader, follower }
}

function isolate(world: World, server: SimServer): void {
  for (const other of world.servers) {
    if (other === server) continue
    world.network.cut(server.id, other.id)
    world.network.cut(other.id, server.id)
  }
}

describe('a simulated raft cluster without faults', () => {
  it('keeps its first leader', () => {
    for (const seed of SEEDS) {
      const { world, leader } = settledWorld(seed)
      const elections = world.oracle.elections
      world.runFor(60 * E)
      assert.equal(world.oracle.elections, elections, `seed ${seed}`)
      assert.equal(world.leader, leader)
    }
  })

  it('is not disturbed by a follower that was cut off and comes back', () => {
    for (const seed of SEEDS) {
      const { world, leader, follower } = settledWorld(seed)
      const term = leader.core?.term
      isolate(world, follower)
      world.runFor(10 * E)
      assert.equal(follower.core?.term, term, 'a pre-candidate does not raise its term')
      world.network.heal()
      world.runFor(10 * E)
      assert.equal(world.leader, leader, `seed ${seed}`)
      assert.equal(leader.core?.term, term)
      assert.equal(follower.core?.leader, leader.id)
    }
  })

  it('is not disturbed by a follower that can send and not receive', () => {
    for (const seed of SEEDS) {
      // Without writes its log stays as good as anyone's: only the lease of the leader refuses it.
      const { world, leader, follower } = settledWorld(seed, true)
      const term = leader.core?.term
      world.network.cut(leader.id, follower.id)
      world.runFor(10 * E)
      assert.equal(world.leader, leader, `seed ${seed}`)
      assert.equal(leader.core?.term, term)
    }
  })

  it('loses a leader that no quorum answers within two election timeouts, and finds another', () => {
    for (const seed of SEEDS) {
      const { world, leader } = settledWorld(seed)
      isolate(world, leader)
      world.runFor(2 * E + 2 * TICK_US)
      assert.notEqual(leader.core?.role, 'leader', `seed ${seed}`)
      world.runFor(6 * E)
      assert.ok(world.leader !== undefined && world.leader !== leader, `seed ${seed}`)
    }
  })

  it('steps down when the leader can send and not receive', () => {
    for (const seed of SEEDS) {
      const { world, leader } = settledWorld(seed)
      for (const other of world.servers) world.network.cut(other.id, leader.id)
      world.runFor(2 * E + 2 * TICK_US)
      assert.notEqual(leader.core?.role, 'leader', `seed ${seed}`)
    }
  })
})
