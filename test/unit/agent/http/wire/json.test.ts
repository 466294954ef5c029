/**
 * The pieces of JSON text, against Go's rules and against the platform's own writer.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { indentJson } from '../../../../../agent/http/wire/indent.ts'
import {
  bytes,
  compareBytes,
  list,
  map,
  opaque,
  text,
  textList,
  textMap,
  time,
} from '../../../../../agent/http/wire/json.ts'
import type { Json } from '../../../../../core/catalog/types.ts'

describe('text', () => {
  it('escapes what a browser could take for markup', () => {
    assert.equal(
      text('<a href="x">&\u2028\u2029'),
      '"\\u003ca href=\\"x\\"\\u003e\\u0026\\u2028\\u2029"',
    )
  })

  it('replaces lone surrogates', () => {
    assert.equal(text('a\ud800b'), '"a\ufffdb"')
  })

  it('reads back as what was written, without raw angle brackets', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        const written = text(value)
        assert.equal(JSON.parse(written), value.toWellFormed())
        assert.doesNotMatch(written, /[<>&\u2028\u2029]/)
      }),
    )
  })
})

describe('lists and maps', () => {
  it('sorts the keys of maps by their bytes', () => {
    const entries = { b: '1', a: '2', '\ufffd': '3', '😀': '4', '': '5' }
    assert.equal(textMap(entries), '{"":"5","a":"2","b":"1","\ufffd":"3","😀":"4"}')
  })

  it('orders texts as their UTF-8 bytes are ordered', () => {
    const word = fc.string({ unit: 'grapheme', maxLength: 6 })
    fc.assert(
      fc.property(word, word, (a, b) => {
        const expected = Buffer.compare(Buffer.from(a), Buffer.from(b))
        assert.equal(Math.sign(compareBytes(a, b)), expected)
      }),
    )
  })

  it('keeps nothing, one and many apart', () => {
    assert.equal(textList([]), '[]')
    assert.equal(textList(['a', 'b']), '["a","b"]')
    assert.equal(list([1, 2], String), '[1,2]')
    assert.equal(map({}, String), '{}')
    assert.equal(textMap(null), 'null')
  })
})

describe('bytes and times', () => {
  it('writes no bytes as null and some as base64', () => {
    assert.equal(bytes(new Uint8Array(0)), 'null')
    assert.equal(bytes(Buffer.from('hello')), '"aGVsbG8="')
  })

  it('writes times with the fraction they have', () => {
    assert.equal(time(0), '"0001-01-01T00:00:00Z"')
    assert.equal(time(1_767_225_600_000), '"2026-01-01T00:00:00Z"')
    assert.equal(time(1_767_225_600_120), '"2026-01-01T00:00:00.12Z"')
    assert.equal(time(1_767_225_610_000), '"2026-01-01T00:00:10Z"')
  })
})

const json = fc.jsonValue({ maxDepth: 5 }) as fc.Arbitrary<Json>

describe('opaque', () => {
  it('reads back as the value given', () => {
    fc.assert(
      fc.property(json, (value) => {
        assert.deepEqual(JSON.parse(opaque(value)), JSON.parse(JSON.stringify(value)))
      }),
    )
  })
})

describe('indentJson', () => {
  it('lays out as the platform does with four blanks', () => {
    fc.assert(
      fc.property(json, (value) => {
        assert.equal(indentJson(JSON.stringify(value)), JSON.stringify(value, null, 4))
      }),
    )
  })
})
