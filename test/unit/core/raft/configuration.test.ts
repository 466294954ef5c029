/**
 * Configurations: encoding, validity rules (raft.md 10.4), activation on append (10.2).
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AssertionError } from '../../../../core/assert.ts'
import { ConfigStack } from '../../../../core/raft/config-stack.ts'
import {
  type Configuration,
  configurationFault,
  decodeConfiguration,
  EMPTY_CONFIGURATION,
  encodeConfiguration,
  isSoleVoter,
  isVoter,
  votersOnly,
} from '../../../../core/raft/configuration.ts'
import { logIndex, type ServerId, serverId } from '../../../../core/raft/types.ts'
import { A, B, C, makeLog } from './bench-core.ts'

const D = serverId('d')
const address = (id: ServerId) => ({ id, address: `${id}:1` })
const JOINT: Configuration = {
  incoming: [A, B],
  outgoing: [B, C],
  learners: [D],
  learnersNext: [C],
  autoLeave: true,
  addresses: [A, B, C, D].map(address),
}

describe('a configuration', () => {
  it('survives its encoding, whatever order it was given in', () => {
    assert.deepEqual(decodeConfiguration(encodeConfiguration(JOINT)), JOINT)
    const [one, other] = [votersOnly([A, B].map(address)), votersOnly([B, A].map(address))]
    assert.deepEqual(encodeConfiguration(one), encodeConfiguration(other))
  })

  it('names the rule that it breaks', () => {
    const simple = votersOnly([A, B].map(address))
    const cases: [RegExp, Configuration][] = [
      [/at least one voter/, EMPTY_CONFIGURATION],
      [/unique and sorted/, { ...simple, incoming: [B, A] }],
      [/unique and sorted/, { ...simple, incoming: [A, A] }],
      [/only a joint/, { ...simple, autoLeave: true }],
      [/only a joint/, { ...simple, learnersNext: [B] }],
      [/a learner is not a voter/, { ...JOINT, learners: [A] }],
      [/voter of the old half/, { ...JOINT, learnersNext: [A] }],
      [/exactly one address/, { ...simple, addresses: [address(A)] }],
      [/exactly one address/, { ...simple, addresses: [A, B, C].map(address) }],
      [/not empty/, { ...simple, addresses: [address(A), { id: B, address: '' }] }],
      [/addresses are unique/, { ...simple, addresses: [address(A), { id: B, address: 'a:1' }] }],
    ]
    assert.equal(configurationFault(simple), null)
    assert.equal(configurationFault(JOINT), null)
    for (const [pattern, configuration] of cases) {
      assert.match(configurationFault(configuration) ?? 'valid', pattern)
      assert.throws(() => decodeConfiguration(encodeConfiguration(configuration)), AssertionError)
    }
  })

  it('refuses more than 255 members', () => {
    const ids = Array.from({ length: 256 }, (_, i) => serverId(`m${String(i).padStart(3, '0')}`))
    assert.match(configurationFault(votersOnly(ids.map(address))) ?? '', /at most 255/)
  })

  it('knows its voters of both halves, and who decides alone', () => {
    assert.ok(isVoter(JOINT, A) && isVoter(JOINT, C) && !isVoter(JOINT, D))
    assert.ok(isSoleVoter(votersOnly([address(A)]), A))
    assert.ok(!isSoleVoter({ ...votersOnly([address(A)]), outgoing: [B] }, A))
    assert.ok(!isSoleVoter(JOINT, A))
  })
})

describe('the stack of configurations', () => {
  const [first] = makeLog([1])
  assert.ok(first !== undefined)
  const second = { ...first, index: logIndex(5), data: encodeConfiguration(JOINT) }

  it('activates on append, and goes back on truncation', () => {
    const stack = new ConfigStack()
    assert.equal(stack.append([first]), true)
    assert.equal(stack.append([second]), true)
    assert.deepEqual(stack.active, JOINT)
    assert.deepEqual(stack.at(logIndex(4)).configuration.incoming, [A, B, C])
    assert.equal(stack.truncateFrom(logIndex(6)), false)
    assert.equal(stack.truncateFrom(logIndex(5)), true)
    assert.deepEqual(stack.active.incoming, [A, B, C])
    assert.equal(stack.activeIndex, 1)
  })

  it('keeps what is in force when the log below is compacted', () => {
    const stack = new ConfigStack()
    stack.append([first, second])
    stack.compactTo(logIndex(3))
    assert.deepEqual(stack.at(logIndex(3)).configuration.incoming, [A, B, C])
    stack.truncateFrom(logIndex(5))
    assert.equal(stack.activeIndex, 1)
    assert.throws(() => stack.at(logIndex(0)), AssertionError)
  })
})
