/**
 * The ordered persistent map against a sorted Map, and the byte order of its keys.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { compareCodePoints, indexKey, orderKey } from '../../../../core/catalog/key-order.ts'
import { PersistentMap } from '../../../../core/catalog/persistent-map.ts'
import { seededRng } from '../../../../core/rng.ts'

type Step = { readonly key: string; readonly value: number | undefined }

const key = fc.oneof(
  fc.integer({ min: 0, max: 400 }).map((n) => `k${n}`),
  fc.string({ maxLength: 3 }),
)
const step: fc.Arbitrary<Step> = fc.record({
  key,
  value: fc.option(fc.integer(), { nil: undefined, freq: 2 }),
})

function entries<V>(map: PersistentMap<V>, from?: string): [string, V][] {
  const out: [string, V][] = []
  const cursor = map.cursor(from)
  while (cursor.next()) out.push([cursor.key, cursor.value])
  return out
}

function sorted<V>(model: Map<string, V>): [string, V][] {
  return [...model].sort(([a], [b]) => (a < b ? -1 : 1))
}

describe('PersistentMap', () => {
  it('behaves as a sorted Map under any steps, and old versions never change', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 1500, size: 'max' }), key, (steps, from) => {
        const model = new Map<string, number>()
        let map = PersistentMap.empty<number>()
        const versions: { map: PersistentMap<number>; contents: [string, number][] }[] = []
        for (const [i, { key, value }] of steps.entries()) {
          if (value === undefined) {
            model.delete(key)
            map = map.delete(key)
          } else {
            model.set(key, value)
            map = map.set(key, value)
          }
          assert.equal(map.get(key), value)
          assert.equal(map.size, model.size)
          if (i % 100 === 0) versions.push({ map, contents: sorted(model) })
        }
        const all = sorted(model)
        assert.deepEqual(entries(map), all)
        assert.deepEqual(
          map.values(),
          all.map(([, value]) => value),
        )
        assert.deepEqual(
          entries(map, from),
          all.filter(([k]) => k >= from),
        )
        const under = all.filter(([k]) => k.startsWith(from))
        assert.deepEqual(
          map.keysUnder(from),
          under.map(([k]) => k),
        )
        assert.deepEqual(
          map.valuesUnder(from),
          under.map(([, value]) => value),
        )
        assert.equal(map.hasUnder(from), under.length > 0)
        for (const version of versions) assert.deepEqual(entries(version.map), version.contents)
      }),
      { numRuns: 30 },
    )
  })

  it('holds many keys in ascending, descending and random order, and empties again', () => {
    const rng = seededRng(7)
    const ascending = Array.from({ length: 5000 }, (_, i) => indexKey(i))
    for (const keys of [ascending, ascending.toReversed(), rng.shuffle(ascending)]) {
      let map = PersistentMap.empty<string>()
      for (const k of keys) map = map.set(k, k)
      assert.deepEqual(map.values(), ascending)
      assert.deepEqual(map.keysUnder(''), ascending)
      assert.deepEqual(
        entries(map, indexKey(2500)).map(([k]) => k),
        ascending.slice(2500),
      )
      assert.equal(map.keysUnder(indexKey(420).slice(0, -1)).length, 10)
      for (const k of rng.shuffle(ascending)) {
        map = map.delete(k)
        assert.equal(map.get(k), undefined)
      }
      assert.equal(map.size, 0)
      assert.deepEqual(map.values(), [])
    }
  })

  it('returns itself when nothing changes', () => {
    const map = PersistentMap.empty<number>().set('a', 1)
    assert.equal(map.set('a', 1), map)
    assert.equal(map.delete('b'), map)
    assert.equal(map.has('a'), true)
    assert.equal(map.has('b'), false)
  })
})

describe('orderKey', () => {
  const text = fc.string({ unit: 'binary', maxLength: 6 })

  it('orders as UTF-8 bytes do', () => {
    fc.assert(
      fc.property(text, text, (a, b) => {
        const bytes = Math.sign(Buffer.compare(Buffer.from(a), Buffer.from(b)))
        assert.equal(compareCodePoints(a, b), bytes)
      }),
      { numRuns: 2000 },
    )
    assert.equal(compareCodePoints('\u{1f600}', '\uffee'), 1)
  })

  it('is one to one and keeps prefixes', () => {
    fc.assert(
      fc.property(text, text, (a, b) => {
        assert.equal(orderKey(a) === orderKey(b), a === b)
        assert.equal(orderKey(a + b).startsWith(orderKey(a)), true)
        assert.equal(orderKey(a).length, a.length)
      }),
    )
  })
})
