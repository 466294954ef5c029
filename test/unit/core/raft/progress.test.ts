/**
 * The leader's view of a peer: probe, replicate, snapshot, and the window (raft.md 6).
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Inflights } from '../../../../core/raft/inflights.ts'
import { Progress } from '../../../../core/raft/progress.ts'
import { logIndex } from '../../../../core/raft/types.ts'

function progressAt(next: number, inflightMessagesMax = 2): Progress {
  return new Progress(logIndex(next), {
    heardAt: -1_000,
    inflightMessagesMax,
    inflightBytesMax: 100,
  })
}

describe('the progress of a peer', () => {
  it('probes with one message at a time until an answer or a sign of life', () => {
    const progress = progressAt(5)
    progress.sent(6, 2, 10)
    assert.ok(progress.isPaused && !progress.maySendEmpty)
    assert.equal(progress.next, 5)
    progress.resume()
    assert.ok(!progress.isPaused)
  })

  it('sends ahead when replicating, until the window is full', () => {
    const progress = progressAt(1)
    progress.acked(logIndex(3))
    progress.becomeReplicate()
    progress.sent(4, 1, 10)
    progress.sent(4, 0, 0)
    assert.ok(!progress.isPaused)
    progress.sent(5, 1, 10)
    assert.ok(progress.isPaused && progress.maySendEmpty)
    assert.equal(progress.next, 6)
    assert.equal(progress.acked(logIndex(4)), true)
    assert.ok(!progress.isPaused)
  })

  it('ignores acks that say nothing new, except that a probe has joined', () => {
    const progress = progressAt(1)
    progress.acked(logIndex(3))
    assert.equal(progress.acked(logIndex(3)), true)
    progress.becomeReplicate()
    assert.equal(progress.acked(logIndex(3)), false)
    assert.equal(progress.acked(logIndex(2)), false)
    assert.equal(progress.match, 3)
  })

  it('ignores rejects that are out of date', () => {
    const probe = progressAt(10)
    assert.equal(probe.rejected(logIndex(7), 3), false)
    assert.equal(probe.rejected(logIndex(9), 4), true)
    assert.equal(probe.next, 4)
    const replicating = progressAt(1)
    replicating.acked(logIndex(5))
    replicating.becomeReplicate()
    assert.equal(replicating.rejected(logIndex(5), 1), false)
    assert.equal(replicating.rejected(logIndex(6), 1), true)
    assert.deepEqual([replicating.mode, replicating.next], ['probe', 6])
    replicating.becomeSnapshot(logIndex(9))
    assert.equal(replicating.rejected(logIndex(9), 1), false)
  })

  it('waits during a snapshot and probes behind it afterwards', () => {
    const progress = progressAt(3)
    progress.becomeSnapshot(logIndex(20))
    assert.ok(progress.isPaused && !progress.maySendEmpty)
    progress.snapshotEnded(true)
    assert.deepEqual([progress.mode, progress.next, progress.isPaused], ['probe', 21, true])
    progress.becomeSnapshot(logIndex(30))
    progress.snapshotEnded(false)
    assert.equal(progress.next, 1)
    progress.snapshotEnded(true)
    assert.equal(progress.next, 1)
  })

  it('keeps match below next whatever happens (I16)', () => {
    const act = fc.tuple(fc.nat(7), fc.nat(30), fc.nat(30))
    fc.assert(
      fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
        const progress = progressAt(10)
        for (const [what, x, y] of acts) {
          const matchBefore = progress.match
          if (what === 0) progress.acked(logIndex(x))
          else if (what === 1) progress.rejected(logIndex(x), y)
          else if (what === 2) progress.becomeProbe()
          else if (what === 3) progress.becomeReplicate()
          else if (what === 4) progress.becomeSnapshot(logIndex(Math.max(x, progress.match)))
          else if (what === 5) progress.snapshotEnded(y % 2 === 0)
          else if (what === 6) progress.resume()
          else if (!progress.isPaused) progress.sent(progress.next + x - 1, x, y)
          assert.ok(progress.match >= matchBefore && progress.match < progress.next)
          assert.ok(progress.inflights.count <= 2)
        }
      }),
    )
  })
})

describe('the window of messages in flight', () => {
  it('is full by count or by bytes, and freed cumulatively', () => {
    const window = new Inflights({ messagesMax: 3, bytesMax: 100 })
    window.add(5, 40)
    window.add(6, 60)
    assert.ok(window.isFull)
    window.freeTo(5)
    assert.ok(!window.isFull)
    window.add(7, 0)
    window.add(8, 0)
    assert.ok(window.isFull)
    window.freeTo(4)
    assert.equal(window.count, 3)
    window.clear()
    assert.equal(window.count, 0)
  })
})
