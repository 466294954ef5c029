/**
 * What the specification says of configurations (10.3, 10.4, I13), read from the bytes of config entries by
 * a reader of its own, and quorums counted the naive way.
 */

import assert from 'node:assert/strict'
import type { Configuration } from '../../../core/raft/configuration.ts'
import type { Entry } from '../../../core/raft/types.ts'

export interface MemberSets {
  readonly incoming: readonly string[]
  readonly outgoing: readonly string[]
  readonly learners: readonly string[]
  readonly learnersNext: readonly string[]
  /** All that are replicated to. */
  readonly members: readonly string[]
}

const decoder = new TextDecoder()

export class ConfigurationRules {
  readonly #byEntry = new WeakMap<Uint8Array, MemberSets>()

  of(entry: Entry): MemberSets {
    const known = this.#byEntry.get(entry.data)
    if (known !== undefined) return known
    const sets = this.ofConfiguration(JSON.parse(decoder.decode(entry.data)))
    this.#byEntry.set(entry.data, sets)
    return sets
  }

  ofConfiguration(
    given: Pick<Configuration, 'incoming' | 'outgoing' | 'learners' | 'learnersNext'>,
  ): MemberSets {
    const { incoming, outgoing, learners, learnersNext } = given
    const members = [...new Set([...incoming, ...outgoing, ...learners])].sort()
    return { incoming, outgoing, learners, learnersNext, members }
  }

  /** A new configuration entry and the one in force before it. */
  checkChange(beforeEntry: Entry | null, entry: Entry): void {
    const next = this.of(entry)
    assert.ok(next.incoming.length > 0, '10.4: a configuration without voters')
    for (const learner of next.learners) {
      const isVoter = next.incoming.includes(learner) || next.outgoing.includes(learner)
      assert.ok(!isVoter, `10.4: ${learner} is voter and learner`)
    }
    for (const learner of next.learnersNext) {
      assert.ok(next.outgoing.includes(learner), `10.4: ${learner} is a next learner of nobody`)
    }
    if (beforeEntry === null) return
    const before = this.of(beforeEntry)
    const isJoint = next.outgoing.length > 0
    const wasJoint = before.outgoing.length > 0
    if (!isJoint && !wasJoint) {
      const changed = differenceOf(before.incoming, next.incoming)
      assert.ok(changed.length <= 1, `I13: a simple change alters ${changed.join(', ')}`)
    } else if (isJoint && !wasJoint) {
      const same = before.incoming.join() === next.outgoing.join()
      assert.ok(same, 'I13: the joint phase begins with other voters than there were')
    } else if (wasJoint && !isJoint) {
      const same = before.incoming.join() === next.incoming.join()
      assert.ok(same, 'I13: the joint phase ends with other voters than it led to')
    } else {
      const same =
        before.incoming.join() === next.incoming.join() &&
        before.outgoing.join() === next.outgoing.join()
      assert.ok(same, 'I13: voters change in the joint phase')
    }
  }
}

/** A majority of both halves. */
export function hasQuorum(sets: MemberSets, has: (member: string) => boolean): boolean {
  return (
    isMajority(sets.incoming, has) && (sets.outgoing.length === 0 || isMajority(sets.outgoing, has))
  )
}

function isMajority(members: readonly string[], has: (member: string) => boolean): boolean {
  return 2 * members.filter(has).length > members.length
}

function differenceOf(x: readonly string[], y: readonly string[]): string[] {
  return [...x.filter((id) => !y.includes(id)), ...y.filter((id) => !x.includes(id))]
}
