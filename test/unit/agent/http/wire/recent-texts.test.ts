/**
 * Texts of records that were printed lately.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { RecentTexts } from '../../../../../agent/http/wire/recent-texts.ts'

describe('RecentTexts', () => {
  it('makes a text once while its record is asked for', () => {
    let made = 0
    const texts = new RecentTexts<{ readonly name: string }>((record) => {
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
    const texts = new RecentTexts<{ readonly name: string }>((record) => {
      made.push(record.name)
      return record.name
    })
    const record = { name: 'web' }
    texts.of(record)
    for (let i = 0; i < 20_000; i++) texts.of({ name: '' })
    texts.of(record)
    assert.equal(made.filter((name) => name === 'web').length, 2)
  })
})
