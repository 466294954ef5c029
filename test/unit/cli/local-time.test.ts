/**
 * Times as RFC 850 writes them.
 */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { localTime } from '../../../cli/local-time.ts'

it('prints RFC 850, and leaves what is no time', () => {
  assert.match(
    localTime('2026-09-05T23:59:59.5Z'),
    /^(?:Saturday|Sunday), 0[56]-Sep-26 \d\d:\d\d:59 [A-Z0-9+:-]+$/,
  )
  assert.equal(localTime('soon'), 'soon')
})
