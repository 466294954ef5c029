/**
 * What was made lately is made once while it is in use, and forgotten when others have come.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Recent } from '../../../../agent/http/recent.ts'

describe('Recent', () => {
  it('makes a value once while its key is asked for', () => {
    let made = 0
    const texts = new Recent<{ readonly name: string }, string>((record) => {
      made++
      return record.name
    })
    const record = { name: 'web' }
    for (let i = 0; i < 40_000; i++) {
      texts.of({ name: String(i) })
      if (i % 1_000 === 0) assert.equal(texts.of(record), 'web')
    }
    assert.equal(made, 40_001)
  })

  it('forgets what is not asked for any more', () => {
    const made: string[] = []
    const texts = new Recent<{ readonly name: string }, string>((record) => {
      made.push(record.name)
      return record.name
    })
    const record = { name: 'web' }
    texts.of(record)
    for (let i = 0; i < 20_000; i++) texts.of({ name: '' })
    texts.of(record)
    assert.equal(made.filter((name) => name === 'web').length, 2)
  })

  it('holds two generations of the size it was given', () => {
    const made: string[] = []
    const recent = new Recent<string, string>((key) => {
      made.push(key)
      return key
    }, 2)
    for (const key of ['a', 'b', 'c', 'a', 'd', 'b']) recent.of(key)
    assert.deepEqual(made, ['a', 'b', 'c', 'd', 'b'])
  })
})
