/**
 * What is known to be durable, in particular when entries are replaced while writes run (raft.md 2.5).
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AssertionError } from '../../../../core/assert.ts'
import { AppendTracker } from '../../../../core/raft/append-tracker.ts'
import { appendToken, logIndex } from '../../../../core/raft/types.ts'

const at = logIndex

describe('the tracker of durable entries', () => {
  it('advances with completions, in order of tokens', () => {
    const tracker = new AppendTracker(at(2))
    const first = tracker.issue(at(4))
    const second = tracker.issue(at(5))
    assert.deepEqual([first.truncateFrom, second.truncateFrom], [null, null])
    assert.throws(() => new AppendTracker(at(0)).complete(second.token), AssertionError)
    tracker.complete(first.token)
    assert.equal(tracker.durable, 4)
    tracker.complete(second.token)
    assert.equal(tracker.durable, 5)
  })

  it('does not take the first write of an entry for proof of its third (ABA)', () => {
    const tracker = new AppendTracker(at(2))
    const original = tracker.issue(at(5))
    tracker.truncateFrom(at(3))
    const replaced = tracker.issue(at(4))
    tracker.truncateFrom(at(3))
    const restored = tracker.issue(at(5))
    assert.deepEqual([replaced.truncateFrom, restored.truncateFrom], [3, 3])
    tracker.complete(original.token)
    assert.equal(tracker.durable, 2)
    tracker.complete(replaced.token)
    assert.equal(tracker.durable, 2)
    tracker.complete(restored.token)
    assert.equal(tracker.durable, 5)
  })

  it('lowers what is durable when it is cut off, and tells the disk to cut', () => {
    const tracker = new AppendTracker(at(9))
    tracker.truncateFrom(at(6))
    assert.equal(tracker.durable, 5)
    assert.deepEqual(tracker.issue(at(5)), { token: appendToken(1), truncateFrom: 6 })
    assert.equal(tracker.issue(at(6)).truncateFrom, null)
    assert.equal(tracker.lastIssued, 2)
  })

  it('takes nothing written before an image for proof of the log after it', () => {
    const tracker = new AppendTracker(at(2))
    const before = tracker.issue(at(9))
    tracker.replaceTo(at(5))
    assert.equal(tracker.durable, 0)
    const image = tracker.issue(at(7))
    assert.equal(image.truncateFrom, null, 'the image replaces all there is')
    tracker.complete(before.token)
    assert.equal(tracker.durable, 0)
    tracker.complete(image.token)
    assert.equal(tracker.durable, 7)
    tracker.truncateFrom(at(7))
    assert.equal(tracker.issue(at(7)).truncateFrom, 7)
  })

  it('tells whether a write in flight holds an entry', () => {
    const tracker = new AppendTracker(at(2))
    tracker.issue(at(4))
    assert.ok(tracker.holdsInFlight(at(4)))
    assert.ok(!tracker.holdsInFlight(at(5)))
  })
})
