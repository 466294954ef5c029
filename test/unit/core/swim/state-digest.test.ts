/**
 * The digest of a table: equal for equal tables however they came about, different where they differ.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { bucketOf, hashName, StateDigest } from '../../../../core/swim/state-digest.ts'
import { SWIM_STATES } from '../../../../core/swim/types.ts'

const entries = fc.uniqueArray(
  fc.record({
    name: fc.string({ minLength: 1, maxLength: 12 }),
    incarnation: fc.nat(5),
    state: fc.constantFrom(...SWIM_STATES),
  }),
  { selector: ({ name }) => name, maxLength: 40 },
)

test('the order in which members came does not matter, nor who came and went', () => {
  fc.assert(
    fc.property(entries, (members) => {
      const a = new StateDigest()
      const b = new StateDigest()
      for (const m of members) a.toggle(hashName(m.name), m.incarnation, m.state)
      b.toggle(hashName('visitor'), 1, 'alive')
      for (const m of members.toReversed()) b.toggle(hashName(m.name), m.incarnation, m.state)
      b.toggle(hashName('visitor'), 1, 'alive')
      assert.deepEqual(a.words(), b.words())
      assert.equal(a.differences(b.words()).length, 0)
    }),
  )
})

test('one member that differs is found in its bucket, and only there', () => {
  fc.assert(
    fc.property(entries, fc.nat(), (members, pick) => {
      fc.pre(members.length > 0)
      const changed = members[pick % members.length]
      const a = new StateDigest()
      const b = new StateDigest()
      for (const m of members) {
        a.toggle(hashName(m.name), m.incarnation, m.state)
        b.toggle(hashName(m.name), m.incarnation + (m === changed ? 1 : 0), m.state)
      }
      assert.deepEqual([...a.differences(b.words())], [bucketOf(hashName(changed?.name ?? ''))])
    }),
  )
})

test('names spread over the buckets', () => {
  const counts = new Map<number, number>()
  for (let i = 0; i < 10_000; i++) {
    const bucket = bucketOf(hashName(`host-${i}.example`))
    counts.set(bucket, (counts.get(bucket) ?? 0) + 1)
  }
  assert.equal(counts.size, 256)
  assert.ok(Math.max(...counts.values()) < 100)
})
