/**
 * The digest of a table: equal for equal tables however they came about, different where they differ.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { DigestedFacts } from '../../../../core/swim/state-digest.ts'
import { bucketOf, hashName, StateDigest } from '../../../../core/swim/state-digest.ts'
import { SWIM_STATES } from '../../../../core/swim/types.ts'

const entries = fc.uniqueArray(
  fc.record({
    name: fc.string({ minLength: 1, maxLength: 12 }),
    incarnation: fc.nat(5),
    state: fc.constantFrom(...SWIM_STATES),
    statusTime: fc.nat(5),
    hasLeft: fc.boolean(),
  }),
  { selector: ({ name }) => name, maxLength: 40 },
)

type Entry = Omit<DigestedFacts, 'hash'> & { readonly name: string }

function factsOf({ name, ...facts }: Entry): DigestedFacts {
  return { ...facts, hash: hashName(name) }
}

const visitor = factsOf({
  name: 'visitor',
  incarnation: 1,
  state: 'alive',
  statusTime: 0,
  hasLeft: false,
})

test('the order in which members came does not matter, nor who came and went', () => {
  fc.assert(
    fc.property(entries, (members) => {
      const a = new StateDigest()
      const b = new StateDigest()
      for (const m of members) a.toggle(factsOf(m))
      b.toggle(visitor)
      for (const m of members.toReversed()) b.toggle(factsOf(m))
      b.toggle(visitor)
      assert.deepEqual(a.words(), b.words())
      assert.equal(a.differences(b.words()).length, 0)
    }),
  )
})

const changes: readonly ((m: Entry) => Entry)[] = [
  (m) => ({ ...m, incarnation: m.incarnation + 1 }),
  (m) => ({ ...m, state: m.state === 'dead' ? 'left' : 'dead' }),
  (m) => ({ ...m, statusTime: m.statusTime + 1 }),
  (m) => ({ ...m, statusTime: m.statusTime + 2 ** 33 }),
  (m) => ({ ...m, hasLeft: !m.hasLeft }),
]

test('one member that differs is found in its bucket, and only there', () => {
  fc.assert(
    fc.property(entries, fc.nat(), fc.nat(), (members, pick, at) => {
      fc.pre(members.length > 0)
      const changed = members[pick % members.length]
      const a = new StateDigest()
      const b = new StateDigest()
      for (const m of members) {
        a.toggle(factsOf(m))
        b.toggle(factsOf(m === changed ? (changes[at % changes.length]?.(m) ?? m) : m))
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
