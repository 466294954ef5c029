/**
 * One image at a time, from its offer to its end.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { EMPTY_CONFIGURATION } from '../../../../core/raft/configuration.ts'
import { chain, logIndex, type SnapshotMeta, term } from '../../../../core/raft/types.ts'
import { ImageReception } from '../../../../server/raft/image-reception.ts'

const snapshot = (index: number): SnapshotMeta => ({
  index: logIndex(index),
  term: term(1),
  chain: chain(0),
  configuration: EMPTY_CONFIGURATION,
  configurationIndex: logIndex(0),
})

describe('the reception of images', () => {
  it('goes from offer to receiving to idle', () => {
    const reception = new ImageReception()
    assert.equal(reception.judged(null), null, 'nothing was offered')
    assert.equal(reception.offered(snapshot(5)), true)
    assert.equal(reception.judged(snapshot(5)), 'wanted')
    assert.equal(reception.isIdle, false)
    reception.ended()
    assert.equal(reception.isIdle, true)
  })

  it('declines what the core does not want, and takes the next offer', () => {
    const reception = new ImageReception()
    reception.offered(snapshot(5))
    assert.equal(reception.judged(null), 'declined')
    reception.offered(snapshot(6))
    assert.equal(reception.judged(snapshot(5)), 'declined', 'it wants another one')
    assert.equal(reception.isIdle, true)
  })

  it('takes no second offer meanwhile', () => {
    const reception = new ImageReception()
    reception.offered(snapshot(5))
    assert.equal(reception.offered(snapshot(6)), false)
    reception.judged(snapshot(5))
    assert.equal(reception.offered(snapshot(5)), false)
  })
})
