/**
 * Query strings.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { parseQuery } from '../../../../agent/http/query.ts'

describe('parseQuery', () => {
  it('tells presence, first value and all values', () => {
    const query = parseQuery('stale&tag=a&tag=b+c&x=%26%3D&pretty=')
    assert.ok(query)
    assert.ok(query.has('stale'))
    assert.ok(query.has('pretty'))
    assert.ok(!query.has('other'))
    assert.equal(query.get('tag'), 'a')
    assert.deepEqual(query.all('tag'), ['a', 'b c'])
    assert.equal(query.get('x'), '&=')
    assert.equal(query.get('other'), '')
    assert.deepEqual(query.all('other'), [])
  })

  it('refuses bad escapes and bare semicolons', () => {
    for (const raw of ['a=%', 'a=%zz', '%zz=1', 'a;b=1']) assert.equal(parseQuery(raw), undefined)
  })

  it('encodes sorted by key, as Go does', () => {
    const query = parseQuery("z=1&cas=0&acquire=a b&k=~!'()*")
    assert.equal(query?.encode(), 'acquire=a+b&cas=0&k=~%21%27%28%29%2A&z=1')
  })

  it('reads back what it encoded, and agrees with the platform', () => {
    const pair = fc.tuple(fc.string({ minLength: 1 }), fc.string())
    fc.assert(
      fc.property(fc.array(pair, { maxLength: 5 }), (pairs) => {
        const raw = new URLSearchParams(pairs.map(([k, v]) => [k.toWellFormed(), v])).toString()
        const query = parseQuery(raw)
        assert.ok(query)
        for (const [name] of pairs) {
          const key = name.toWellFormed()
          assert.deepEqual([...query.all(key)], new URLSearchParams(raw).getAll(key))
        }
        assert.equal(parseQuery(query.encode())?.encode(), query.encode())
      }),
    )
  })

  it('never throws', () => {
    fc.assert(fc.property(fc.string(), (raw) => void parseQuery(raw)))
  })
})
