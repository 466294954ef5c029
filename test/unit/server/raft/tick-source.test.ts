/**
 * Ticks from monotonic time, also across stalls (raft.md 1.6).
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { instant } from '../../../../core/time.ts'
import { TickSource } from '../../../../server/raft/tick-source.ts'

const source = (): TickSource => new TickSource({ tickMs: 10, catchUpMax: 3, now: instant(0) })

describe('the source of ticks', () => {
  it('gives as many ticks as time has passed, and keeps the remainder', () => {
    const ticks = source()
    assert.deepEqual(
      [4, 9, 10, 25, 29, 30].map((now) => ticks.due(instant(now))),
      [0, 0, 1, 1, 0, 1],
    )
    assert.equal(ticks.dropped, 0)
  })

  it('drops the backlog of a stall, and counts it', () => {
    const ticks = source()
    assert.equal(ticks.due(instant(1_000)), 3)
    assert.equal(ticks.dropped, 97)
    assert.equal(ticks.due(instant(1_009)), 0)
    assert.equal(ticks.due(instant(1_010)), 1)
  })

  it('ignores time that had no meaning, and time that goes backwards', () => {
    const ticks = source()
    ticks.skipTo(instant(500))
    assert.equal(ticks.due(instant(505)), 0)
    assert.equal(ticks.due(instant(400)), 0)
    assert.equal(ticks.due(instant(510)), 1)
    assert.equal(ticks.dropped, 0)
  })

  it('never gives more than the limit at once, and loses none while it is asked in time', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(29), { maxLength: 50 }), (steps) => {
        const ticks = source()
        let now = 0
        let given = 0
        for (const step of steps) {
          now += step
          const due = ticks.due(instant(now))
          assert.ok(due <= 3)
          given += due
        }
        assert.equal(given, Math.floor(now / 10))
      }),
    )
  })
})
