/**
 * The clock of the leader's lease (raft.md 8.3).
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LeaseClock, NEVER } from '../../../../core/raft/lease-clock.ts'

describe('the lease clock', () => {
  it('knows when each round left, not when it was answered', () => {
    const clock = new LeaseClock(5)
    clock.open(1)
    clock.open(1)
    clock.open(3)
    assert.deepEqual(
      [1, 2, 3].map((seq) => clock.sentAt(seq)),
      [1, 1, 3],
    )
  })

  it('holds for one tick less than the lease, as ticks hide how late in them something happened', () => {
    const clock = new LeaseClock(5)
    clock.open(10)
    assert.ok(clock.holds(14, clock.sentAt(1)))
    assert.ok(!clock.holds(15, clock.sentAt(1)))
    assert.ok(!clock.holds(10, NEVER))
  })

  it('knows nothing of rounds that never left, or left too long ago', () => {
    const clock = new LeaseClock(2)
    clock.open(1)
    assert.equal(clock.sentAt(2), NEVER)
    clock.open(9)
    assert.equal(clock.sentAt(1), NEVER)
    assert.equal(clock.sentAt(2), 9)
  })

  it('takes no answer to a round from before a stall', () => {
    const clock = new LeaseClock(5)
    clock.open(1)
    clock.stalled()
    assert.equal(clock.sentAt(1), NEVER)
    clock.open(1)
    assert.equal(clock.sentAt(2), 1)
  })

  it('never holds again once votes may be forced', () => {
    const clock = new LeaseClock(5)
    clock.open(1)
    clock.forfeit()
    assert.ok(!clock.holds(1, 1))
  })
})
