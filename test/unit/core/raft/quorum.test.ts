/**
 * Quorum arithmetic against its definition, over simple and joint configurations.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { quorumValue, quorumVote } from '../../../../core/raft/quorum.ts'
import { type ServerId, serverId } from '../../../../core/raft/types.ts'

const IDS = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map(serverId)
const half = fc.subarray(IDS)
const joint = fc.record({ incoming: half, outgoing: half })

/** By definition: some majority of the half has all reached the value. */
function isReachedByMajority(
  voters: readonly ServerId[],
  reached: (id: ServerId) => number,
  value: number,
): boolean {
  if (voters.length === 0) return true
  return 2 * voters.filter((id) => reached(id) >= value).length > voters.length
}

describe('quorum arithmetic', () => {
  it('finds the highest value that a majority of both halves has reached', () => {
    fc.assert(
      fc.property(joint, fc.array(fc.nat(12), { minLength: 7, maxLength: 7 }), (config, values) => {
        const reached = (id: ServerId): number => values[IDS.indexOf(id)] ?? 0
        const result = quorumValue(config, reached)
        const holds = (value: number): boolean =>
          isReachedByMajority(config.incoming, reached, value) &&
          isReachedByMajority(config.outgoing, reached, value)
        const isEmpty = config.incoming.length + config.outgoing.length === 0
        if (isEmpty) assert.equal(result, Number.POSITIVE_INFINITY)
        else assert.ok(holds(result) && !holds(result + 1))
      }),
    )
  })

  it('decides votes as counting every possible outcome would', () => {
    const ballot = fc.array(fc.constantFrom(true, false, undefined), { minLength: 7, maxLength: 7 })
    fc.assert(
      fc.property(joint, ballot, (config, marks) => {
        const votes = new Map<ServerId, boolean>()
        IDS.forEach((id, i) => {
          const mark = marks[i]
          if (mark !== undefined) votes.set(id, mark)
        })
        const wins = (open: boolean): boolean =>
          [config.incoming, config.outgoing].every((voters) =>
            isReachedByMajority(voters, (id) => ((votes.get(id) ?? open) ? 1 : 0), 1),
          )
        const expected = wins(false) ? 'won' : wins(true) ? 'pending' : 'lost'
        assert.equal(quorumVote(config, votes), expected)
      }),
    )
  })

  it('needs three of four', () => {
    const four = { incoming: IDS.slice(0, 4), outgoing: [] }
    const values = new Map(four.incoming.map((id, i) => [id, [9, 9, 5, 1][i] ?? 0]))
    assert.equal(
      quorumValue(four, (id) => values.get(id) ?? 0),
      5,
    )
  })
})
