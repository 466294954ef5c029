/**
 * Paths as Go's router treats them.
 */

import assert from 'node:assert/strict'
import { posix } from 'node:path'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { cleanPath, decodePercent, isPrintable } from '../../../../agent/http/path.ts'

describe('cleanPath', () => {
  it('drops empty and dot segments and keeps the last slash', () => {
    assert.equal(cleanPath('/v1//kv/a'), '/v1/kv/a')
    assert.equal(cleanPath('/v1/./kv/../kv/a/'), '/v1/kv/a/')
    assert.equal(cleanPath('/../..'), '/')
    assert.equal(cleanPath('/v1/kv/..'), '/v1/')
    assert.equal(cleanPath('/v1/kv/a%2F%2Fb'), '/v1/kv/a%2F%2Fb')
    assert.equal(cleanPath('/v1/kv/.hidden'), '/v1/kv/.hidden')
  })

  it('agrees with the platform on paths without a last dot segment', () => {
    const segment = fc.constantFrom('', '.', '..', 'a', 'b.c', '...')
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 6 }), (segments) => {
        const path = `/${segments.join('/')}/x`
        assert.equal(cleanPath(path), posix.normalize(path))
      }),
    )
  })

  it('is stable', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^\/[a./]{0,12}$/), (path) => {
        assert.equal(cleanPath(cleanPath(path)), cleanPath(path))
      }),
    )
  })
})

describe('decodePercent', () => {
  it('decodes once', () => assert.equal(decodePercent('a%2Fb%2520', 'reject'), 'a/b%20'))

  it('refuses bad escapes, and bytes that are no UTF-8 where told to', () => {
    assert.equal(decodePercent('%zz', 'reject'), undefined)
    assert.equal(decodePercent('%zz', 'replace'), undefined)
    assert.equal(decodePercent('%ff', 'reject'), undefined)
    assert.equal(decodePercent('a%ffb', 'replace'), 'a\ufffdb')
  })
})

describe('isPrintable', () => {
  it('takes letters of all scripts and blanks, no control or format characters', () => {
    assert.ok(isPrintable('/v1/kv/größe 日本 😀'))
    assert.ok(!isPrintable('/v1/kv/a\nb'))
    assert.ok(!isPrintable('/v1/kv/a\u200bb'))
    assert.ok(!isPrintable('/v1/kv/\u00a0'))
  })
})
