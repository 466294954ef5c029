/**
 * The seeded generator: replayable, independent forks, uniform enough for what it decides.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { seededRng } from '../../../core/rng.ts'

test('the same seed gives the same stream, another seed another', () => {
  const draw = (seed: number): number[] => {
    const rng = seededRng(seed)
    return Array.from({ length: 20 }, () => rng.u32())
  }
  assert.deepEqual(draw(1), draw(1))
  assert.notDeepEqual(draw(1), draw(2))
  assert.notDeepEqual(draw(0), draw(1))
})

test('a fork does not depend on what its parent has drawn', () => {
  const a = seededRng(5)
  const b = seededRng(5)
  b.u32()
  assert.equal(a.fork('x').u32(), b.fork('x').u32())
  assert.notEqual(a.fork('x').u32(), a.fork('y').u32())
})

test('ranges are half-open and cover their ends', () => {
  const rng = seededRng(3)
  const seen = new Set(Array.from({ length: 1000 }, () => rng.range(2, 6)))
  assert.deepEqual([...seen].sort(), [2, 3, 4, 5])
})

test('a shuffle is a permutation', () => {
  fc.assert(
    fc.property(fc.array(fc.integer()), fc.nat(), (items, seed) => {
      const shuffled = seededRng(seed).shuffle(items)
      assert.deepEqual([...shuffled].sort(), [...items].sort())
    }),
  )
})

test('numbers spread evenly over sixteen buckets', () => {
  const rng = seededRng(11)
  const counts = new Array<number>(16).fill(0)
  for (let i = 0; i < 16_000; i++) {
    const bucket = Math.floor(rng.float() * 16)
    counts[bucket] = (counts[bucket] ?? 0) + 1
  }
  for (const count of counts) assert.ok(count > 850 && count < 1150, String(counts))
})

test('picks nothing from nothing', () => {
  assert.equal(seededRng(1).pick([]), undefined)
})
