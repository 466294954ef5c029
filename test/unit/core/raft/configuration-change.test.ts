/**
 * Changing configurations (raft.md 10.4): each step, the joint phase, and what adjacent quorums share.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  type Configuration,
  configurationFault,
  EMPTY_CONFIGURATION,
  type MemberChange,
  votersOnly,
} from '../../../../core/raft/configuration.ts'
import {
  type ChangeResult,
  changeConfiguration,
  enterJoint,
  leaveJoint,
  simpleChange,
} from '../../../../core/raft/configuration-change.ts'
import { quorumVote } from '../../../../core/raft/quorum.ts'
import { type ServerId, serverId } from '../../../../core/raft/types.ts'

const IDS = ['a', 'b', 'c', 'd', 'e'].map(serverId)
const [A, B, C, D] = IDS as [ServerId, ServerId, ServerId, ServerId, ServerId]

function voters(...ids: ServerId[]): Configuration {
  return votersOnly(ids.map((id) => ({ id, address: `${id}:1` })))
}

function add(kind: 'voter' | 'learner', id: ServerId): MemberChange {
  return { kind, id, address: `${id}:1` }
}

function changed(result: ChangeResult): Configuration {
  assert.equal(result.kind, 'changed', result.kind === 'refused' ? result.detail : '')
  return (result as ChangeResult & { kind: 'changed' }).configuration
}

function detail(result: ChangeResult): string {
  return result.kind === 'refused' ? result.detail : 'not refused'
}

const step: fc.Arbitrary<MemberChange> = fc.oneof(
  fc.constantFrom(...IDS).map((id) => add('voter', id)),
  fc.constantFrom(...IDS).map((id) => add('learner', id)),
  fc.constantFrom(...IDS).map((id): MemberChange => ({ kind: 'remove', id })),
  fc.constantFrom(...IDS).map((id): MemberChange => ({ kind: 'address', id, address: `${id}:2` })),
)

describe('a simple change', () => {
  it('adds, promotes, demotes, removes and moves one member', () => {
    const withLearner = changed(simpleChange(voters(A, B), [add('learner', C)]))
    assert.deepEqual([withLearner.incoming, withLearner.learners], [[A, B], [C]])
    const promoted = changed(simpleChange(withLearner, [add('voter', C)]))
    assert.deepEqual(promoted, voters(A, B, C))
    const demoted = changed(simpleChange(promoted, [add('learner', A)]))
    assert.deepEqual([demoted.incoming, demoted.learners], [[B, C], [A]])
    const removed = changed(simpleChange(demoted, [{ kind: 'remove', id: A }]))
    assert.deepEqual(removed, voters(B, C))
    const moved = changed(simpleChange(removed, [{ kind: 'address', id: B, address: 'x:9' }]))
    assert.equal(moved.addresses[0]?.address, 'x:9')
  })

  it('is idempotent, and does nothing to strangers unless it adds', () => {
    const start = voters(A, B, C)
    assert.deepEqual(changed(simpleChange(start, [add('voter', A)])), start)
    assert.deepEqual(changed(simpleChange(start, [{ kind: 'remove', id: D }])), start)
    const moved = simpleChange(start, [{ kind: 'address', id: D, address: 'x:1' }])
    assert.deepEqual(changed(moved), start)
  })

  it('names the rule that it would break', () => {
    const alone = voters(A)
    assert.match(detail(simpleChange(alone, [{ kind: 'remove', id: A }])), /at least one voter/)
    assert.match(detail(simpleChange(alone, [add('learner', A)])), /at least one voter/)
    const two = [add('voter', B), add('voter', C)]
    assert.match(detail(simpleChange(alone, two)), /one voter at most, this one 2/)
    const clash: MemberChange = { kind: 'voter', id: B, address: 'a:1' }
    assert.match(detail(simpleChange(alone, [clash])), /addresses are unique/)
    const nowhere: MemberChange = { kind: 'learner', id: B, address: '' }
    assert.match(detail(simpleChange(alone, [nowhere])), /address is not empty/)
    const joint = changed(enterJoint(alone, [add('voter', B)], true))
    assert.match(detail(simpleChange(joint, [add('voter', C)])), /joint phase is left/)
  })

  it('leaves no two quorums without a common member', () => {
    fc.assert(
      fc.property(fc.subarray(IDS, { minLength: 1 }), step, (ids, change) => {
        const before = voters(...ids)
        const result = simpleChange(before, [change])
        if (result.kind === 'changed') assertQuorumsMeet(before, result.configuration)
      }),
    )
  })
})

describe('a joint change', () => {
  it('keeps demoted and removed voters in the old half until it is left', () => {
    const steps = [add('voter', D), add('learner', B), { kind: 'remove', id: C } as const]
    const joint = changed(enterJoint(voters(A, B, C), steps, true))
    assert.deepEqual(joint.incoming, [A, D])
    assert.deepEqual(joint.outgoing, [A, B, C])
    assert.deepEqual([joint.learners, joint.learnersNext], [[], [B]])
    assert.ok(joint.autoLeave)
    assert.deepEqual(
      joint.addresses.map((m) => m.id),
      [A, B, C, D],
    )
    const left = changed(leaveJoint(joint))
    assert.deepEqual([left.incoming, left.outgoing], [[A, D], []])
    assert.deepEqual([left.learners, left.learnersNext, left.autoLeave], [[B], [], false])
    assert.deepEqual(
      left.addresses.map((m) => m.id),
      [A, B, D],
    )
  })

  it('is neither entered twice nor left when there is none', () => {
    const joint = changed(enterJoint(voters(A), [add('voter', B)], false))
    assert.match(detail(enterJoint(joint, [], false)), /joint already/)
    assert.match(detail(leaveJoint(voters(A))), /not joint/)
  })

  it('takes back within one change what an earlier step did', () => {
    const steps = [add('learner', B), add('voter', B), add('learner', D), add('voter', D)]
    const joint = changed(enterJoint(voters(A, B), steps, false))
    assert.deepEqual([joint.incoming, joint.learnersNext, joint.learners], [[A, B, D], [], []])
  })

  it('stays valid and meets the quorums before and after, whatever the steps', () => {
    const anySteps = fc.array(step, { maxLength: 6 })
    fc.assert(
      fc.property(fc.subarray(IDS, { minLength: 1 }), anySteps, (ids, steps) => {
        const before = voters(...ids)
        const result = changeConfiguration(before, {
          kind: 'enter-joint',
          changes: steps,
          autoLeave: true,
        })
        if (result.kind === 'refused') return
        const joint = result.configuration
        assert.equal(configurationFault(joint), null)
        assertQuorumsMeet(before, joint)
        const after = changed(changeConfiguration(joint, { kind: 'leave-joint' }))
        assert.equal(configurationFault(after), null)
        assertQuorumsMeet(joint, after)
      }),
    )
  })

  it('needs an old half to begin with', () => {
    const joint = enterJoint(EMPTY_CONFIGURATION, [add('voter', A)], false)
    assert.match(detail(joint), /begins with voters/)
  })
})

/** Every set of members that decides in one configuration meets every one that decides in the other. */
function assertQuorumsMeet(before: Configuration, after: Configuration): void {
  const [first, second] = [quorumsOf(before), quorumsOf(after)]
  for (const x of first) {
    for (const y of second) assert.ok((x & y) !== 0, 'two quorums share a member')
  }
}

function quorumsOf(configuration: Configuration): number[] {
  const out: number[] = []
  for (let set = 0; set < 1 << IDS.length; set++) {
    const votes = new Map(IDS.map((id, i): [ServerId, boolean] => [id, (set & (1 << i)) !== 0]))
    if (quorumVote(configuration, votes) === 'won') out.push(set)
  }
  return out
}
