/**
 * Which survivor goes on: the same choice everywhere, whoever asks first and whoever has moved already.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FairleadError } from '../../../../core/errors.ts'
import { silentLogger } from '../../../../core/log.ts'
import { serverId } from '../../../../core/raft/types.ts'
import type { PeerStats } from '../../../../core/rpc/peer-calls.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'
import { chooseSeed, isSeed, type Position } from '../../../../server/raft/survivors.ts'

const cluster = { clusterId: 'c1', epoch: 0 }
const survivors = ['a', 'b', 'c'].map((id) => ({
  id: serverId(id),
  address: `${id}:1`,
  isVoter: true,
}))
const positions: readonly Position[] = [
  { id: 'a', lastTerm: 3, lastIndex: 90 },
  { id: 'b', lastTerm: 4, lastIndex: 80 },
  { id: 'c', lastTerm: 4, lastIndex: 79 },
]

function statsOf(id: string, some: Partial<PeerStats> = {}): PeerStats {
  const { lastTerm, lastIndex } = positions.find((each) => each.id === id) ?? assert.fail(id)
  return {
    serverId: id,
    cluster,
    lastTerm,
    lastIndex,
    commitIndex: 0,
    leaderId: null,
    lastContactMs: null,
    bootstrapExpect: 0,
    version: '',
    ...some,
  }
}

async function ask(
  id: string,
  answers: Readonly<Record<string, PeerStats>> = {},
  listed = survivors,
): Promise<boolean> {
  const own = positions.find((each) => each.id === id) ?? assert.fail(id)
  const stats = async (address: string): Promise<PeerStats> => {
    const peer = address.split(':')[0] ?? ''
    return answers[peer] ?? statsOf(peer)
  }
  const deps = { stats, clock: new ManualClock(), log: silentLogger }
  return await isSeed({ ...own, cluster }, listed, deps, new AbortController().signal)
}

const isRefused = (text: RegExp) => (err: unknown) =>
  err instanceof FairleadError && err.code === 'INVALID_CONFIG' && text.test(err.message)

describe('of several survivors', () => {
  it('the one with the highest last term, then index, then the smallest id goes on', () => {
    assert.equal(chooseSeed(positions), 'b')
    assert.equal(
      chooseSeed([
        { id: 'z', lastTerm: 1, lastIndex: 1 },
        { id: 'y', lastTerm: 1, lastIndex: 1 },
      ]),
      'y',
    )
  })

  it('all come to the same choice', async () => {
    assert.deepEqual(await Promise.all(['a', 'b', 'c'].map((id) => ask(id))), [false, true, false])
  })

  it('the chosen one still goes on when all others have given up their logs before it asked', async () => {
    const empty = { cluster: { ...cluster, epoch: 1 }, lastTerm: 0, lastIndex: 0 }
    assert.equal(await ask('b', { a: statsOf('a', empty), c: statsOf('c', empty) }), true)
    assert.equal(await ask('c', { a: statsOf('a', empty) }), false)
  })

  it('nobody else goes on once one is in the new epoch with a log', async () => {
    const moved = { cluster: { ...cluster, epoch: 1 }, lastTerm: 1_004, lastIndex: 81 }
    assert.equal(await ask('a', { b: statsOf('b', moved) }), false)
  })

  it('what contradicts the list is refused', async () => {
    await assert.rejects(
      ask('a', { b: statsOf('b', { serverId: 'x' }) }),
      isRefused(/at "b:1" is "x", peers.json calls it "b"/),
    )
    await assert.rejects(
      ask('a', { b: statsOf('b', { cluster: { clusterId: 'c2', epoch: 0 } }) }),
      isRefused(/belongs to cluster "c2"/),
    )
    await assert.rejects(
      ask('a', { b: statsOf('b', { cluster: { ...cluster, epoch: 7 } }) }),
      isRefused(/of epoch 7, this one of 0/),
    )
    const noVoter = survivors.map((each) => ({ ...each, isVoter: each.id !== 'b' }))
    await assert.rejects(ask('a', {}, noVoter), isRefused(/"b" has the most complete log/))
  })
})
