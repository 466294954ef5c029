/**
 * KV writes, locks and prefix indexes (kv.ts; http-api.md 4, 13).
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Driver, kvWrite, session } from './store-fixture.ts'

function withSessions(): Driver {
  const driver = new Driver()
  driver.ok(driver.register('n1'))
  for (const id of ['s1', 's2']) driver.ok({ kind: 'session.create', session: session(id, 'n1') })
  return driver
}

function set(driver: Driver, key: string, value = 'v'): void {
  assert.equal(driver.ok(driver.kv({ verb: 'set', entry: kvWrite(key, value) })), true)
}

describe('KV writes', () => {
  it('keeps the create index and moves the modify index', () => {
    const driver = new Driver()
    set(driver, 'a', 'one')
    set(driver, 'a', 'two')
    const entry = driver.read('kv.get', { key: 'a' })
    assert.deepEqual([entry?.createIndex, entry?.modifyIndex, entry?.lockIndex], [1, 2, 0])
    assert.equal(Buffer.from(entry?.value ?? []).toString(), 'two')
  })

  it('changes no index when value, flags and session stay', () => {
    const driver = new Driver()
    set(driver, 'a')
    set(driver, 'a')
    assert.equal(driver.indexOf('kv.get', { key: 'a' }), 1)
    driver.ok(driver.kv({ verb: 'set', entry: kvWrite('a', 'v', { flags: 2n ** 64n - 1n }) }))
    assert.equal(driver.indexOf('kv.get', { key: 'a' }), 3)
    assert.equal(driver.read('kv.get', { key: 'a' })?.flags, 2n ** 64n - 1n)
  })

  it('needs a key', () => {
    const driver = new Driver()
    const write = driver.kv({ verb: 'set', entry: kvWrite('', 'v') })
    assert.equal(driver.refused(write), 'Must provide key')
  })

  it('sets only at the expected index, 0 for a missing key', () => {
    const driver = new Driver()
    const cas = (index: number) =>
      driver.ok(driver.kv({ verb: 'cas', entry: kvWrite('a', `${index}`), index }))
    assert.equal(cas(5), false)
    assert.equal(cas(0), true)
    assert.equal(cas(0), false)
    assert.equal(cas(1), false)
    assert.equal(cas(2), true)
  })

  it('deletes only at the expected index; a missing key counts as deleted', () => {
    const driver = new Driver()
    const cut = (key: string, index: number) =>
      driver.ok(driver.kv({ verb: 'delete-cas', key, index }))
    set(driver, 'a')
    assert.equal(cut('a', 0), false)
    assert.equal(cut('a', 9), false)
    assert.equal(cut('a', 1), true)
    assert.equal(cut('a', 1), true)
    assert.equal(driver.read('kv.get', { key: 'a' }), null)
  })
})

describe('KV locks', () => {
  it('counts acquisitions and is held by one session at a time', () => {
    const driver = withSessions()
    const act = (verb: 'lock' | 'unlock', id: string, value = 'v') =>
      driver.ok(driver.kv({ verb, entry: kvWrite('a', value, { session: id }) }))
    const state = () => {
      const entry = driver.read('kv.get', { key: 'a' })
      return [entry?.session, entry?.lockIndex]
    }
    assert.equal(act('lock', 's1'), true)
    assert.deepEqual(state(), ['s1', 1])
    assert.equal(act('lock', 's1', 'w'), true)
    assert.deepEqual(state(), ['s1', 1])
    assert.equal(act('lock', 's2'), false)
    assert.equal(act('unlock', 's2'), false)
    assert.equal(act('unlock', 's1'), true)
    assert.deepEqual(state(), ['', 1])
    assert.equal(act('unlock', 's1'), false)
    assert.equal(act('lock', 's2'), true)
    assert.deepEqual(state(), ['s2', 2])
  })

  it('is advisory: a plain write keeps it, a delete removes it', () => {
    const driver = withSessions()
    driver.ok(driver.kv({ verb: 'lock', entry: kvWrite('a', 'v', { session: 's1' }) }))
    set(driver, 'a', 'w')
    const entry = driver.read('kv.get', { key: 'a' })
    assert.deepEqual([entry?.session, entry?.lockIndex], ['s1', 1])
    driver.ok(driver.kv({ verb: 'delete', key: 'a' }))
    driver.ok(driver.destroy('s1'))
    assert.equal(driver.read('kv.get', { key: 'a' }), null)
  })

  it('refuses a session that does not exist', () => {
    const driver = withSessions()
    const lock = driver.kv({ verb: 'lock', entry: kvWrite('a', 'v', { session: 'x"y' }) })
    assert.equal(driver.refused(lock), 'invalid session "x\\"y"')
    const bare = driver.kv({ verb: 'unlock', entry: kvWrite('a', 'v') })
    assert.equal(driver.refused(bare), 'missing session')
  })
})

describe('KV prefixes', () => {
  it('lists in the order of UTF-8 bytes', () => {
    const driver = new Driver()
    for (const key of ['b', 'a/\u{1f600}', 'a/\uffee', 'a/', 'a']) set(driver, key)
    assert.deepEqual(driver.read('kv.keys', { prefix: '', separator: '' }), [
      'a',
      'a/',
      'a/\uffee',
      'a/\u{1f600}',
      'b',
    ])
    assert.equal(driver.read('kv.list', { prefix: 'a/' }).length, 3)
  })

  it('cuts names after the first separator', () => {
    const driver = new Driver()
    for (const key of ['a/b/c', 'a/b/d', 'a/e', 'a/e/f', 'ab']) set(driver, key)
    const keys = (prefix: string, separator: string) =>
      driver.read('kv.keys', { prefix, separator })
    assert.deepEqual(keys('a/', '/'), ['a/b/', 'a/e', 'a/e/'])
    assert.deepEqual(keys('', '/'), ['a/', 'ab'])
    assert.deepEqual(keys('a/b', '/'), ['a/b/'])
    assert.deepEqual(keys('a', 'b/'), ['a/b/', 'a/e', 'a/e/f', 'ab'])
  })

  it('reports the newest change below, deletions included', () => {
    const driver = new Driver()
    set(driver, 'a/1')
    set(driver, 'a/2')
    set(driver, 'b/1')
    const index = (prefix: string) => driver.indexOf('kv.list', { prefix })
    assert.deepEqual([index('a/'), index('b/'), index(''), index('none')], [2, 3, 3, 3])
    driver.ok(driver.kv({ verb: 'delete', key: 'a/1' }))
    set(driver, 'c')
    assert.deepEqual([index('a/'), index('a/1'), index('b/'), index('none')], [4, 4, 3, 5])
    driver.ok({ kind: 'tombstone.reap', index: 4 })
    assert.deepEqual([index('a/'), index('a/1')], [2, 5])
  })

  it('moves forward for every prefix of a tree that was cut', () => {
    const driver = new Driver()
    for (const key of ['a/b/1', 'a/b/2', 'a/c', 'b']) set(driver, key)
    driver.ok(driver.kv({ verb: 'delete', key: 'a/b/1' }))
    driver.ok(driver.kv({ verb: 'delete-tree', key: 'a/' }))
    const index = (prefix: string) => driver.indexOf('kv.list', { prefix })
    assert.deepEqual([index('a/'), index('a/b/'), index('a'), index('b')], [6, 6, 6, 4])
    assert.equal(driver.store.read('kv.list', { prefix: 'a/b/' }).found, false)
    driver.ok(driver.kv({ verb: 'delete-tree', key: 'zzz' }))
    assert.equal(index(''), 6)
    driver.ok(driver.kv({ verb: 'delete-tree', key: '' }))
    assert.deepEqual([index(''), index('b')], [8, 8])
  })
})
