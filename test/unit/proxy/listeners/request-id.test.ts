/**
 * Request ids are UUIDs of version 4.
 */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { seededRng } from '../../../../core/rng.ts'
import { requestId } from '../../../../proxy/listeners/request-id.ts'

it('is a UUID of version 4, another each time', () => {
  const rng = seededRng(7)
  const seen = new Set<string>()
  for (let i = 0; i < 1000; i++) {
    const id = requestId(rng)
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    seen.add(id)
  }
  assert.equal(seen.size, 1000)
})
