/**
 * What a server with a full disk still takes.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Command, TxnOp } from '../../../../core/catalog/commands.ts'
import { isFreeing } from '../../../../core/catalog/freeing.ts'
import { wallTime } from '../../../../core/time.ts'

const now = wallTime(0)
const get: TxnOp = { type: 'kv', op: { verb: 'get', key: 'a' } }
const remove: TxnOp = { type: 'kv', op: { verb: 'delete-tree', key: 'a' } }
const entry = { key: 'a', value: new Uint8Array(), flags: 0n, session: '' }
const set: TxnOp = { type: 'kv', op: { verb: 'set', entry } }

const FREEING: readonly Command[] = [
  { kind: 'deregister', request: { node: 'n' } },
  { kind: 'kv', op: { verb: 'delete', key: 'a' }, now },
  { kind: 'kv', op: { verb: 'delete-cas', key: 'a', index: 1 }, now },
  { kind: 'session.destroy', id: 's', now },
  { kind: 'tombstone.reap', index: 1 },
  { kind: 'txn', ops: [get, remove], now },
]

const OTHERS: readonly Command[] = [
  { kind: 'kv', op: { verb: 'set', entry }, now },
  { kind: 'kv', op: { verb: 'unlock', entry }, now },
  { kind: 'txn', ops: [remove, set], now },
  { kind: 'txn', ops: [get], now },
  { kind: 'txn', ops: [], now },
  { kind: 'noop' },
]

describe('commands that free space', () => {
  it('delete, deregister, destroy and reap', () => {
    for (const command of FREEING) assert.equal(isFreeing(command), true, JSON.stringify(command))
  })

  it('do not set anything besides', () => {
    assert.deepEqual(
      OTHERS.map((command) => isFreeing(command)),
      OTHERS.map(() => false),
    )
  })
})
