/**
 * Requests that come twice: the state store executes them once (state-store.ts, request-window.ts).
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { StateStore } from '../../../../core/catalog/state-store.ts'
import { Driver, kvWrite } from './store-fixture.ts'

function named(seq: number) {
  return { origin: 'server-1', boot: 'boot-1', seq }
}

describe('a request that comes twice', () => {
  it('is done once and answered as the first time', () => {
    const { store } = new Driver()
    const driver = new Driver(store)
    const create = driver.kv({ verb: 'cas', entry: kvWrite('a', '1'), index: 0 })
    const first = store.apply(1, create, named(1))
    assert.deepEqual(first, { ok: true, value: true })
    const again = store.apply(2, create, named(1))
    assert.deepEqual(again, { ok: true, value: true, replayOf: 1 })
    assert.equal(store.lastIndex, 2)
    const other = store.apply(3, create, named(2))
    assert.deepEqual(other, { ok: true, value: false })
    assert.equal(store.read('kv.get', { key: 'a' }).value?.modifyIndex, 1)
  })

  it('wakes nobody and reaches no feed the second time', () => {
    const store = new StateStore({ datacenter: 'dc1' })
    const driver = new Driver(store)
    const command = driver.register('n1')
    const config = {
      kind: 'config.set',
      entryKind: 'mesh',
      name: 'mesh',
      body: { a: 1 },
    } as const
    store.apply(1, command, named(1))
    store.apply(2, config, named(2))
    let isWoken = false
    let frames = 0
    store.watchOnce(store.read('catalog.nodes', {}).watch, () => {
      isWoken = true
    })
    store.follow({ topic: 'config', key: 'mesh/mesh' }, undefined, () => {
      frames += 1
    })
    store.apply(3, command, named(1))
    store.apply(4, config, named(2))
    assert.equal(isWoken, false)
    assert.equal(frames, 1, 'the snapshot alone')
  })

  it('is refused as the first time, even when it would be done now', () => {
    const store = new StateStore({ datacenter: 'dc1' })
    const driver = new Driver(store)
    const lock = driver.kv({ verb: 'lock', entry: kvWrite('a', '1', { session: 's' }) })
    const first = store.apply(1, lock, named(1))
    assert.ok(!first.ok)
    const again = store.apply(2, lock, named(1))
    assert.deepEqual(again, { ...first, replayOf: 1 })
  })

  it('is known after a restart from an image, and to every server', () => {
    const store = new StateStore({ datacenter: 'dc1' })
    const driver = new Driver(store)
    const txn = driver.txn([{ type: 'kv', op: { verb: 'set', entry: kvWrite('k', 'v') } }])
    const first = store.apply(1, txn, named(1))
    const restored = new StateStore({ datacenter: 'dc1' })
    restored.restore(store.snapshot().image())
    assert.deepEqual(restored.apply(2, txn, named(1)), { ...first, replayOf: 1 })
    assert.equal(new Driver(restored).image().includes('"request-origin"'), true)
  })

  it('is never done again when its answer is no longer kept', () => {
    const store = new StateStore({ datacenter: 'dc1' })
    const driver = new Driver(store)
    const value = 'x'.repeat(5000)
    const txn = driver.txn([
      { type: 'kv', op: { verb: 'set', entry: kvWrite('k', value) } },
      { type: 'kv', op: { verb: 'get', key: 'k' } },
    ])
    assert.ok(store.apply(1, txn, named(1)).ok)
    const again = store.apply(2, txn, named(1))
    assert.deepEqual(again, {
      ok: false,
      code: 'RESULT_FORGOTTEN',
      message: 'The request was applied at index 1 and its result, being large, was not kept',
      replayOf: 1,
    })
    for (let seq = 2; seq < 1030; seq++) store.apply(seq + 1, { kind: 'noop' }, named(seq))
    const late = store.apply(2000, txn, named(1))
    assert.ok(!late.ok && late.code === 'RESULT_FORGOTTEN')
    assert.equal(store.read('kv.get', { key: 'k' }).value?.modifyIndex, 1)
  })
})
