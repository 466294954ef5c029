/**
 * Everything that can happen to a few real cores, within budgets, keeps the invariants (17.1).
 *
 * Small spaces are searched to their end; of the larger ones as many states as `FAIRLEAD_MODEL_STATES` allows,
 * 2,000 each by default.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { MemberChange } from '../../../core/raft/configuration.ts'
import { serverId } from '../../../core/raft/types.ts'
import { explore } from './explore.ts'
import type { ModelOptions } from './model-world.ts'

const STATES = Number(process.env['FAIRLEAD_MODEL_STATES'] ?? 2_000)
const SERVERS = ['a', 'b', 'c']

const voter = (name: string): MemberChange => {
  return { kind: 'voter', id: serverId(name), address: `${name}:1` }
}
const remove = (name: string): MemberChange => ({ kind: 'remove', id: serverId(name) })

const COMPLETE: readonly [string, ModelOptions][] = [
  ['two timeouts of three servers', { servers: SERVERS, budgets: { timeouts: 2 } }],
  [
    'an election with writes that take their time and a crash at any point',
    { servers: SERVERS, slowDisks: true, budgets: { timeouts: 1, crashes: 1 } },
  ],
  [
    'a joint change of two servers, and a timeout',
    {
      servers: ['a', 'b'],
      spares: ['c'],
      elected: true,
      budgets: { timeouts: 1 },
      changes: [{ kind: 'enter-joint', changes: [voter('c'), remove('b')], autoLeave: true }],
    },
  ],
]

const BOUNDED: readonly [string, ModelOptions][] = [
  [
    'two timeouts and a crash at any point, with writes that take their time',
    { servers: SERVERS, slowDisks: true, budgets: { timeouts: 2, crashes: 1 } },
  ],
  [
    'a proposal and a timeout',
    { servers: SERVERS, elected: true, budgets: { timeouts: 1, proposals: 1 } },
  ],
  [
    'a proposal, a timeout and a crash, with writes that take their time',
    {
      servers: SERVERS,
      elected: true,
      slowDisks: true,
      budgets: { timeouts: 1, proposals: 1, crashes: 1 },
    },
  ],
  [
    'two single changes and a timeout',
    {
      servers: SERVERS,
      spares: ['d'],
      elected: true,
      budgets: { timeouts: 1 },
      changes: [
        { kind: 'simple', change: voter('d') },
        { kind: 'simple', change: remove('b') },
      ],
    },
  ],
  [
    'a proposal, an image and a timeout',
    {
      servers: SERVERS,
      elected: true,
      budgets: { timeouts: 1, proposals: 1, compactions: 1 },
    },
  ],
  [
    'two proposals, two timeouts and a doubled message',
    { servers: SERVERS, elected: true, budgets: { timeouts: 2, proposals: 2, doubles: 1 } },
  ],
]

describe('every state of the raft core', () => {
  for (const [name, options] of COMPLETE) {
    it(`that ${name} can lead to`, (t) => {
      const found = explore(options, { states: 100_000 })
      assert.ok(found.isComplete)
      t.diagnostic(JSON.stringify(found))
    })
  }
  for (const [name, options] of BOUNDED) {
    it(`near the beginning of ${name}`, (t) => {
      const found = explore(options, { states: STATES })
      assert.ok(found.isComplete || found.states === STATES)
      t.diagnostic(JSON.stringify(found))
    })
  }
})
