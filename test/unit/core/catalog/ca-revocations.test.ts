/**
 * What operators revoke, in the state.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LEAF_LIFE_MAX_MS, REVOCATIONS_MAX } from '../../../../core/catalog/ca-revocations.ts'
import type { Command } from '../../../../core/catalog/commands.ts'
import { StateStore } from '../../../../core/catalog/state-store.ts'
import { wallTime } from '../../../../core/time.ts'

describe('revocations', () => {
  const revoke = (
    kind: 'serial' | 'identity',
    value: string,
    at: number,
    reason = '',
  ): Command => ({ kind: 'ca.revoke', revocation: { kind, value, reason }, now: wallTime(at) })

  const listed = (store: StateStore) => store.read('ca.roots', {}).value.revocations

  it('come with the roots, to readers and to those who follow, until they are taken back', () => {
    const store = new StateStore({ datacenter: 'dc1' })
    assert.equal(listed(store), undefined)
    store.apply(5, revoke('identity', 'spiffe://a/x', 1000, 'lost'))
    assert.equal(store.read('ca.roots', {}).index, 5)
    assert.deepEqual(listed(store), [
      {
        id: 'identity:spiffe://a/x',
        kind: 'identity',
        value: 'spiffe://a/x',
        reason: 'lost',
        revokedAt: 1000,
        endsAt: 0,
        createIndex: 5,
        modifyIndex: 5,
      },
    ])
    store.apply(6, revoke('identity', 'spiffe://a/x', 2000, 'again'))
    const [again] = listed(store) ?? []
    assert.deepEqual(
      [again?.reason, again?.revokedAt, again?.createIndex, again?.modifyIndex],
      ['again', 1000, 5, 6],
    )
    const copy = new StateStore({ datacenter: 'dc1' })
    copy.restore([...store.snapshot().image()])
    assert.deepEqual(listed(copy), listed(store))
    const gone = store.apply(7, { kind: 'ca.reinstate', id: 'identity:spiffe://a/x' })
    assert.deepEqual(gone, { ok: true, value: true })
    assert.equal(listed(store), undefined)
    const nothing = store.apply(8, { kind: 'ca.reinstate', id: 'identity:spiffe://a/x' })
    assert.deepEqual(nothing, { ok: true, value: false })
    assert.equal(store.read('ca.roots', {}).index, 7)
  })

  it('forget a serial number when no leaf can have it any more, an identity never', () => {
    const store = new StateStore({ datacenter: 'dc1' })
    store.apply(1, revoke('serial', '0a', 0))
    store.apply(2, revoke('identity', 'spiffe://a/x', 0))
    store.apply(3, revoke('serial', '0b', LEAF_LIFE_MAX_MS - 1))
    assert.equal(listed(store)?.length, 3)
    store.apply(4, revoke('serial', '0c', LEAF_LIFE_MAX_MS))
    assert.deepEqual(
      listed(store)?.map(({ id }) => id),
      ['identity:spiffe://a/x', 'serial:0b', 'serial:0c'],
    )
  })

  it('are bounded', () => {
    const store = new StateStore({ datacenter: 'dc1' })
    for (let i = 0; i < REVOCATIONS_MAX; i++) store.apply(i + 1, revoke('serial', `s${i}`, 0))
    const result = store.apply(REVOCATIONS_MAX + 1, revoke('serial', 'one more', 0))
    assert.equal(result.ok, false)
    assert.equal(store.apply(REVOCATIONS_MAX + 2, revoke('serial', 's1', 0)).ok, true)
    assert.equal(listed(store)?.length, REVOCATIONS_MAX)
  })
})
