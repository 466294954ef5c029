/**
 * The cache of encoded answers: when an answer is void, its orders and its bounds.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  AnswerCache,
  adopt,
  BYTES_MAX,
  ENTRIES_MAX,
  type ReusableAnswer,
} from '../../../../agent/dns/answer-cache.ts'

function answer(changes: Partial<ReusableAnswer> = {}): ReusableAnswer {
  return {
    source: { version: 1 },
    version: 1,
    expiresAt: Number.POSITIVE_INFINITY,
    isLowerCaseOnly: false,
    again: undefined,
    ...changes,
  }
}

const PACKET = Uint8Array.of(1, 2, 3)

describe('AnswerCache', () => {
  it('finds an answer until its source changes', () => {
    const cache = new AnswerCache()
    const source = { version: 1 }
    cache.put('k', PACKET, answer({ source }))
    assert.equal(cache.find('k', false, 0), PACKET)
    assert.equal(cache.find('other', false, 0), undefined)
    source.version = 2
    assert.equal(cache.find('k', false, 0), undefined)
  })

  it('finds an answer until it expires', () => {
    const cache = new AnswerCache()
    cache.put('k', PACKET, answer({ expiresAt: 1000 }))
    assert.equal(cache.find('k', false, 999), PACKET)
    assert.equal(cache.find('k', false, 1000), undefined)
  })

  it('keeps answers that spell the name from questions with capitals', () => {
    const cache = new AnswerCache()
    cache.put('k', PACKET, answer({ isLowerCaseOnly: true }))
    assert.equal(cache.find('k', true, 0), undefined)
    assert.equal(cache.find('k', false, 0), PACKET)
  })

  it('turns through several orders and renews them now and then', () => {
    const cache = new AnswerCache()
    let made = 0
    const again = (): Uint8Array => Uint8Array.of(++made)
    cache.put('k', PACKET, answer({ again }))
    const queries = 16 * 16 * 8
    const seen = new Map<string, number>()
    for (let i = 0; i < queries; i++) {
      const text = String(cache.find('k', false, 0))
      seen.set(text, (seen.get(text) ?? 0) + 1)
    }
    assert.ok(made > queries / 32 && made < queries / 8, `${made} encodings of ${queries}`)
    assert.ok(Math.max(...seen.values()) <= 16)
  })

  it('drops the oldest at the bound of entries', () => {
    const cache = new AnswerCache()
    for (let i = 0; i <= ENTRIES_MAX; i++) cache.put(`k${i}`, PACKET, answer())
    assert.equal(cache.size, ENTRIES_MAX)
    assert.equal(cache.find('k0', false, 0), undefined)
    assert.equal(cache.find(`k${ENTRIES_MAX}`, false, 0), PACKET)
  })

  it('stays below the bound of bytes, also as orders are added', () => {
    const cache = new AnswerCache()
    const big = new Uint8Array(BYTES_MAX / 20)
    for (let i = 0; i < 10; i++) cache.put(`k${i}`, big, answer({ again: () => big }))
    for (let round = 0; round < 20; round++) {
      for (let i = 0; i < 10; i++) cache.find(`k${i}`, false, 0)
      assert.ok(cache.bytes <= BYTES_MAX)
    }
    cache.put('k9', PACKET, answer())
    cache.clear()
    assert.equal(cache.bytes, 0)
  })

  it('counts a replaced answer once', () => {
    const cache = new AnswerCache()
    for (let i = 0; i < 5; i++) cache.put('k', PACKET, answer())
    assert.equal(cache.bytes, PACKET.length)
    assert.equal(cache.size, 1)
  })
})

describe('adopt', () => {
  it('takes over id, RD and the spelling of the name, and nothing else', () => {
    const cached = Uint8Array.of(
      9,
      9,
      0x84,
      0,
      0,
      1,
      0,
      1,
      0,
      0,
      0,
      0,
      2,
      97,
      98,
      0,
      0,
      1,
      0,
      1,
      77,
    )
    const request = Buffer.from([1, 2, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0, 2, 65, 98, 0, 0, 1, 0, 1])
    const out = Buffer.alloc(cached.length)
    adopt(cached, request, 16, out)
    assert.deepEqual([...out.subarray(0, 3)], [1, 2, 0x85])
    assert.deepEqual([...out.subarray(3, 12)], [...cached.subarray(3, 12)])
    assert.deepEqual([...out.subarray(12, 16)], [2, 65, 98, 0])
    assert.deepEqual([...out.subarray(16)], [...cached.subarray(16)])
    assert.equal(cached[0], 9)
  })
})
