/**
 * Points in time read from entries, beside what the platform reads.
 */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { parseTimestamp } from '../../../../core/config-entries/timestamp.ts'

it('agrees with the platform on every time that it writes', () => {
  const days = fc.date({
    min: new Date('1900-01-01T00:00:00Z'),
    max: new Date('2999-12-31T23:59:59Z'),
    noInvalidDate: true,
  })
  fc.assert(
    fc.property(days, (day) => assert.equal(parseTimestamp(day.toISOString()), day.getTime())),
  )
})

it('reads offsets, and nothing that is no time', () => {
  assert.equal(
    parseTimestamp('2026-03-01T00:30:00+01:30'),
    new Date('2026-02-28T23:00:00Z').getTime(),
  )
  for (const text of [
    '',
    'tomorrow',
    '2026-02-29T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-01-01T24:00:00Z',
    '2026-01-01T00:00:00',
  ]) {
    assert.equal(parseTimestamp(text), undefined, text)
  }
})
