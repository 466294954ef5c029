/**
 * Changes of members and handovers get one answer each.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FairleadError } from '../../../../core/errors.ts'
import { CHAIN_START, chainedEntry } from '../../../../core/raft/chain.ts'
import {
  type Configuration,
  encodeConfiguration,
  votersOnly,
} from '../../../../core/raft/configuration.ts'
import { type Entry, logIndex, serverId, term } from '../../../../core/raft/types.ts'
import { MemberChanges } from '../../../../server/raft/member-changes.ts'

const simple = votersOnly([{ id: serverId('a'), address: 'a:1' }])
const joint: Configuration = { ...simple, outgoing: [serverId('a')], autoLeave: true }

function entry(index: number, configuration = simple, inTerm = 2): Entry {
  return chainedEntry(CHAIN_START, {
    index: logIndex(index),
    term: term(inTerm),
    type: 'config',
    data: encodeConfiguration(configuration),
  })
}

const hasCode = (code: string) => (err: unknown) =>
  err instanceof FairleadError && err.code === code

describe('a change of members', () => {
  it('resolves when its entry is applied', async () => {
    const changes = new MemberChanges()
    const change = changes.appended({ term: 2, index: 5, throughJoint: false })
    changes.applied(entry(4))
    assert.equal(changes.isEmpty, false)
    changes.applied(entry(5))
    await change
    assert.equal(changes.isEmpty, true)
  })

  it('through a joint phase resolves when that has ended', async () => {
    const changes = new MemberChanges()
    const change = changes.appended({ term: 2, index: 5, throughJoint: true })
    changes.applied(entry(5, joint))
    assert.equal(changes.isEmpty, false)
    changes.applied(entry(6))
    await change
  })

  it('is of unknown outcome when another entry stands in its place, or office is lost before', async () => {
    const changes = new MemberChanges()
    const replaced = changes.appended({ term: 2, index: 5, throughJoint: false })
    changes.applied(entry(5, simple, 3))
    await assert.rejects(replaced, hasCode('OUTCOME_UNKNOWN'))
    const committed = changes.appended({ term: 3, index: 7, throughJoint: false })
    const doubtful = changes.appended({ term: 3, index: 8, throughJoint: false })
    changes.leadershipLost(7)
    await assert.rejects(doubtful, hasCode('OUTCOME_UNKNOWN'))
    changes.applied(entry(7, simple, 3))
    await committed
  })
})

describe('a handover', () => {
  it('resolves when this server leads no more, and fails when it is given up', async () => {
    const changes = new MemberChanges()
    const first = changes.handover()
    changes.follow(true, true)
    assert.equal(changes.isEmpty, false)
    changes.follow(false, false)
    await first
    const second = changes.handover()
    changes.follow(true, false)
    await assert.rejects(second, hasCode('BUSY'))
    const third = changes.handover()
    changes.fail(new FairleadError('SHUTTING_DOWN', 'bye'))
    await assert.rejects(third, hasCode('SHUTTING_DOWN'))
  })
})
