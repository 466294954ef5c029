/**
 * Tags as bytes: round trip, bound, and bytes that are no tags.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeTags, encodeTags } from '../../../../core/swim/tags.ts'

test('tags that were encoded decode to themselves', () => {
  const short = fc.string({ maxLength: 6 })
  fc.assert(
    fc.property(fc.dictionary(short, short, { maxKeys: 10 }), (tags) => {
      assert.deepEqual({ ...decodeTags(encodeTags(tags)) }, { ...tags })
    }),
  )
  const odd = JSON.parse('{"__proto__":"x"}') as Record<string, string>
  assert.equal(Object.entries(decodeTags(encodeTags(odd))).length, 1)
})

test('tags beyond 512 bytes are refused with their size', () => {
  assert.throws(() => encodeTags({ a: 'x'.repeat(510) }), {
    code: 'TOO_LARGE',
    message: /take 515 bytes in 1 tags; gossip carries at most 512 bytes/,
  })
})

test('bytes that are no tags are none, and never throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 512 }), (bytes) => {
      assert.equal(typeof decodeTags(bytes), 'object')
    }),
  )
})
