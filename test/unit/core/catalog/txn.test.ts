/**
 * Transactions: results, all or nothing, every text of http-api.md 17.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type {
  KvOp,
  KvReadOp,
  ObjectVerb,
  TxnError,
  TxnOp,
  TxnResult,
} from '../../../../core/catalog/commands.ts'
import { check, Driver, kvWrite, service, session } from './store-fixture.ts'

function kv(op: KvOp | KvReadOp): TxnOp {
  return { type: 'kv', op }
}

function node(verb: ObjectVerb, name: string, index = 0, id = ''): TxnOp {
  const record = {
    id,
    node: name,
    address: '10.0.0.5',
    datacenter: '',
    taggedAddresses: null,
    meta: null,
  }
  return { type: 'node', verb, node: record, index }
}

function svc(verb: ObjectVerb, on: string, name: string, index = 0, port = 1): TxnOp {
  return { type: 'service', verb, node: on, service: service({ service: name, port }), index }
}

function chk(verb: ObjectVerb, on: string, id: string, index = 0): TxnOp {
  return { type: 'check', verb, node: on, check: check(id, 'passing'), index }
}

function errors(driver: Driver, ...ops: readonly TxnOp[]): readonly TxnError[] {
  return JSON.parse(driver.refused(driver.txn(ops))) as readonly TxnError[]
}

function what(driver: Driver, op: TxnOp): string | undefined {
  const found = errors(driver, op)
  assert.equal(found.length, 1)
  return found[0]?.what
}

function filled(): Driver {
  const driver = new Driver()
  driver.ok(driver.register('n1', { service: service({ service: 'web' }) }))
  driver.ok(driver.register('n1', { checks: [check('c', 'passing')] }))
  driver.ok({ kind: 'session.create', session: session('s1', 'n1') })
  driver.ok({ kind: 'session.create', session: session('s2', 'n1') })
  driver.ok(driver.kv({ verb: 'set', entry: kvWrite('k', 'v') }))
  driver.ok(driver.kv({ verb: 'lock', entry: kvWrite('held', 'v', { session: 's2' }) }))
  return driver
}

describe('a transaction', () => {
  it('gives one result an operation, in order, and none for deletions', () => {
    const driver = filled()
    const results = driver.ok(
      driver.txn([
        kv({ verb: 'set', entry: kvWrite('new', 'x') }),
        kv({ verb: 'get', key: 'k' }),
        kv({ verb: 'delete', key: 'k' }),
        kv({ verb: 'get-or-empty', key: 'k' }),
        kv({ verb: 'get-tree', key: '' }),
        kv({ verb: 'check-not-exists', key: 'k' }),
        kv({ verb: 'lock', entry: kvWrite('new', 'y', { session: 's1' }) }),
        kv({ verb: 'check-session', key: 'new', session: 's1' }),
        kv({ verb: 'unlock', entry: kvWrite('new', 'z', { session: 's1' }) }),
        kv({ verb: 'check-index', key: 'held', index: 6 }),
        kv({ verb: 'cas', entry: kvWrite('held', 'w'), index: 6 }),
        kv({ verb: 'delete-cas', key: 'held', index: 7 }),
        kv({ verb: 'delete-tree', key: 'new' }),
      ]),
    ) as readonly TxnResult[]
    const shown = results.map((one) => {
      assert.equal(one.type, 'kv')
      return [one.entry.key, one.entry.modifyIndex, one.withValue]
    })
    assert.deepEqual(shown, [
      ['new', 7, false],
      ['k', 5, true],
      ['k', 0, true],
      ['held', 6, true],
      ['new', 7, true],
      ['new', 7, false],
      ['new', 7, false],
      ['new', 7, false],
      ['held', 6, false],
      ['held', 7, false],
    ])
    assert.deepEqual(driver.read('kv.keys', { prefix: '', separator: '' }), [])
  })

  it('works on nodes, services and checks together', () => {
    const driver = new Driver()
    const results = driver.ok(
      driver.txn([
        node('set', 'ext'),
        svc('set', 'EXT', 'db'),
        chk('cas', 'ext', 'alive', 0),
        node('get', 'Ext'),
        svc('get', 'ext', 'db'),
        chk('get', 'ext', 'alive'),
        svc('cas', 'ext', 'db', 1, 99),
        svc('delete-cas', 'ext', 'db', 1),
        chk('delete', 'ext', 'alive'),
        chk('delete', 'ext', 'alive'),
        node('delete', 'ext'),
      ]),
    ) as readonly TxnResult[]
    assert.deepEqual(
      results.map((one) => one.type),
      ['node', 'service', 'check', 'node', 'service', 'check', 'service'],
    )
    assert.deepEqual(driver.read('catalog.nodes', {}), [])
    assert.deepEqual(driver.read('catalog.virtual-ips', {}), [])
  })

  it('finds a node by id before name', () => {
    const driver = new Driver()
    const id = '6f1a4c0e-51d6-7f5b-2a44-0d6a0b6f2b11'
    driver.ok(driver.txn([node('set', 'n1', 0, id)]))
    const [found] = driver.ok(driver.txn([node('get', 'other', 0, id)])) as readonly TxnResult[]
    assert.equal(found?.type === 'node' && found.node.node, 'n1')
  })

  it('applies nothing when one operation fails, and tells all that failed', () => {
    const driver = filled()
    const found = errors(
      driver,
      kv({ verb: 'set', entry: kvWrite('a', 'x') }),
      kv({ verb: 'get', key: 'nope' }),
      node('set', 'n9'),
      kv({ verb: 'cas', entry: kvWrite('k', 'x'), index: 99 }),
    )
    assert.deepEqual(found, [
      { opIndex: 1, what: 'key "nope" doesn\'t exist' },
      { opIndex: 3, what: 'failed to set key "k", index is stale' },
    ])
    assert.equal(driver.read('kv.get', { key: 'a' }), null)
  })

  it('holds at most 128 operations', () => {
    const driver = filled()
    const ops = Array.from({ length: 129 }, () => kv({ verb: 'get', key: 'k' }))
    assert.equal(
      driver.refused(driver.txn(ops)),
      'Transaction contains too many operations (129 > 128)',
    )
    assert.equal((driver.ok(driver.txn(ops.slice(1))) as readonly unknown[]).length, 128)
  })

  it('obeys lock delays', () => {
    const driver = filled()
    driver.ok(driver.destroy('s2'))
    const op = kv({ verb: 'lock', entry: kvWrite('held', 'v', { session: 's1' }) })
    assert.equal(what(driver, op), 'failed to lock key "held" due to lock delay')
  })

  const TEXTS: readonly (readonly [TxnOp, string])[] = [
    [kv({ verb: 'delete-cas', key: 'k', index: 1 }), 'failed to delete key "k", index is stale'],
    [
      kv({ verb: 'lock', entry: kvWrite('held', 'x', { session: 's1' }) }),
      'failed to lock key "held", lock is already held',
    ],
    [
      kv({ verb: 'lock', entry: kvWrite('held', 'x', { session: 'ghost' }) }),
      'invalid session "ghost"',
    ],
    [
      kv({ verb: 'unlock', entry: kvWrite('held', 'x', { session: 's1' }) }),
      'failed to unlock key "held", lock isn\'t held, or is held by another session',
    ],
    [kv({ verb: 'check-not-exists', key: 'k' }), 'key "k" exists'],
    [
      kv({ verb: 'check-index', key: 'x', index: 1 }),
      'failed to check index, key "x" doesn\'t exist',
    ],
    [
      kv({ verb: 'check-index', key: 'k', index: 8 }),
      'failed index check for key "k", current modify index 5 != 8',
    ],
    [
      kv({ verb: 'check-session', key: 'x', session: 'a' }),
      'failed to check session, key "x" doesn\'t exist',
    ],
    [
      kv({ verb: 'check-session', key: 'held', session: 'b' }),
      'failed session check for key "held", current session "s2" != "b"',
    ],
    [node('get', 'x'), 'node "x" doesn\'t exist'],
    [node('cas', 'n1', 9), 'failed to set node "n1", index is stale'],
    [node('cas', 'n1', 0), 'failed to set node "n1", index is stale'],
    [node('delete-cas', 'n1', 9), 'failed to delete node "n1", index is stale'],
    [svc('get', 'n1', 's'), 'service "s" on node "n1" doesn\'t exist'],
    [svc('cas', 'n1', 'web', 9), 'failed to set service "web" on node "n1", index is stale'],
    [svc('delete-cas', 'n1', 's', 9), 'failed to delete service "s" on node "n1", index is stale'],
    [svc('set', 'x', 's'), 'Missing node registration'],
    [chk('get', 'n1', 'x'), 'check "x" on node "n1" doesn\'t exist'],
    [chk('cas', 'n1', 'c', 9), 'failed to set check "c" on node "n1", index is stale'],
    [chk('delete-cas', 'n1', 'x', 1), 'failed to delete check "x" on node "n1", index is stale'],
    [chk('set', 'x', 'c'), 'Missing node registration'],
    [node('set', ''), 'Must provide node'],
    [svc('set', 'n1', ''), 'Must provide service name (Service.Service)'],
  ]
  for (const [op, text] of TEXTS) {
    it(`says: ${text}`, () => assert.equal(what(filled(), op), text))
  }
})

describe('a transaction that only reads', () => {
  it('answers without a command, and finds what is missing', () => {
    const driver = filled()
    const good = driver.store.read('txn.read', { ops: [kv({ verb: 'get', key: 'k' })] })
    assert.equal(good.value.ok && good.value.results.length, 1)
    assert.equal(good.index, 6)
    const bad = driver.read('txn.read', { ops: [kv({ verb: 'get', key: 'x' })] })
    assert.deepEqual(bad, { ok: false, errors: [{ opIndex: 0, what: 'key "x" doesn\'t exist' }] })
  })

  it('refuses verbs that write', () => {
    const driver = filled()
    const reply = driver.read('txn.read', { ops: [kv({ verb: 'delete', key: 'k' })] })
    assert.equal(reply.ok, false)
    assert.notEqual(driver.read('kv.get', { key: 'k' }), null)
  })
})
