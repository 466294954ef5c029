/**
 * What Lifeguard is for: members whose messages are held up must not have the well ones taken for failed.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LAN_TIMING } from '../../../core/swim/timing.ts'
import { falsePositives, type Trouble, WITHOUT_LIFEGUARD } from './figures.ts'

const POOL = { nodes: 60, seed: 7 }
const TROUBLE: Trouble = { ms: 90_000, loss: 0, slowShare: 0.1, slowness: 'held' }

describe('members whose messages are held up', () => {
  it('do not make others take a well one for failed, as they would without Lifeguard', () => {
    const found = falsePositives(POOL, { ...TROUBLE, timing: LAN_TIMING })
    const without = falsePositives(POOL, { ...TROUBLE, timing: WITHOUT_LIFEGUARD })
    assert.equal(found.single, 0)
    assert.ok(without.single >= 20, `only ${without.single}: nothing that Lifeguard could prevent`)
    assert.ok(found.slow > 0, 'they were slow for long enough to be taken for failed')
  })
})
