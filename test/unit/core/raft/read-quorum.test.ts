/**
 * Whom a round of reads asks: a quorum of both halves with the leader, the promptest, and nobody in vain.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { quorumVote } from '../../../../core/raft/quorum.ts'
import { type Promptness, readQuorum } from '../../../../core/raft/read-quorum.ts'
import { type ServerId, serverId } from '../../../../core/raft/types.ts'

const IDS = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map(serverId)
const [SELF = serverId('a'), ...OTHERS] = IDS
const half = fc.subarray(IDS)
const joint = fc.record({
  incoming: fc.subarray(IDS, { minLength: 1 }),
  outgoing: half,
})
const promptness = fc.record({
  isCounted: fc.boolean(),
  beatAnswered: fc.nat(2),
  beatRank: fc.nat(5),
})
const peers = fc
  .array(promptness, { minLength: OTHERS.length, maxLength: OTHERS.length })
  .map((all) => new Map(OTHERS.map((id, i) => [id, all[i] as Promptness])))

function isQuorum(config: Parameters<typeof quorumVote>[0], answers: readonly ServerId[]): boolean {
  return quorumVote(config, new Map(answers.map((id) => [id, true]))) === 'won'
}

describe('a quorum for reads', () => {
  it('is one of both halves with this server, of counted voters, if those are one', () => {
    fc.assert(
      fc.property(joint, peers, (config, known) => {
        const chosen = readQuorum(config, SELF, known)
        const counted = OTHERS.filter((id) => known.get(id)?.isCounted === true)
        if (chosen === null) {
          assert.ok(!isQuorum(config, [SELF, ...counted]))
          return
        }
        assert.ok(isQuorum(config, [SELF, ...chosen]))
        for (const id of chosen) {
          assert.ok(counted.includes(id))
          assert.ok(config.incoming.includes(id) || config.outgoing.includes(id))
        }
        assert.equal(new Set(chosen).size, chosen.length)
      }),
    )
  })

  it('holds nobody who is not needed, outside of a joint phase', () => {
    fc.assert(
      fc.property(fc.subarray(IDS, { minLength: 1 }), peers, (incoming, known) => {
        const config = { incoming, outgoing: [] }
        const chosen = readQuorum(config, SELF, known) ?? []
        for (const id of chosen) {
          const others = chosen.filter((other) => other !== id)
          assert.ok(!isQuorum(config, [SELF, ...others]))
        }
      }),
    )
  })

  it('prefers who answered the newest heartbeat to all, and of those who did it first', () => {
    const config = { incoming: IDS.slice(0, 5), outgoing: [] }
    const answered = (beatAnswered: number, beatRank: number) => ({
      isCounted: true,
      beatAnswered,
      beatRank,
    })
    const known = new Map(
      [answered(6, 0), answered(7, 1), answered(7, 0), answered(7, 2)].map((peer, i) => {
        return [OTHERS[i] ?? SELF, peer]
      }),
    )
    assert.deepEqual(readQuorum(config, SELF, known), ['d', 'c'])
  })
})
