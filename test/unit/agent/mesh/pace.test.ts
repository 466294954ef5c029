/**
 * When the mesh of a host is built anew (agent/mesh/pace.ts), on a manual clock.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Pace, pauseAfterMs } from '../../../../agent/mesh/pace.ts'
import { type Clock, instant } from '../../../../core/time.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'

/** Each run takes `runMs`, in which the timers stand still. */
function paced(runMs: number, during: () => void = () => {}) {
  const manual = new ManualClock()
  let spent = 0
  const now = () => instant(manual.now() + spent)
  const clock: Clock = {
    now,
    wall: () => manual.wall(),
    sleep: (ms, signal) => manual.sleep(ms, signal),
    timer: (at, fn) => manual.timer(instant(Math.max(manual.now(), at - spent)), fn),
  }
  const runs: { readonly begun: number; readonly ended: number }[] = []
  const pace = new Pace(clock, () => {
    const begun = now()
    spent += runMs
    during()
    runs.push({ begun, ended: now() })
  })
  return { manual, now, pace, runs }
}

describe('a rebuild', () => {
  it('follows a change alone at once, and those that come together once', () => {
    const { manual, pace, runs } = paced(0)
    manual.advance(1_000)
    for (let i = 0; i < 3; i++) pace.request()
    manual.advance(0)
    assert.deepEqual(runs, [{ begun: 1_000, ended: 1_000 }])
    pace.request()
    manual.advance(pauseAfterMs(0) - 1)
    assert.equal(runs.length, 1)
    manual.advance(1)
    assert.equal(runs.length, 2)
    assert.equal(manual.armed, 0)
  })

  it('follows every change, and never takes more than a third of the time', () => {
    const waits = fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 1, maxLength: 60 })
    fc.assert(
      fc.property(waits, fc.integer({ min: 0, max: 25 }), (gaps, runMs) => {
        const { manual, now, pace, runs } = paced(runMs)
        let requestedAt = 0
        for (const gap of gaps) {
          manual.advance(gap)
          requestedAt = now()
          pace.request()
        }
        manual.advance(runMs + pauseAfterMs(runMs))
        assert.ok((runs.at(-1)?.begun ?? -1) >= requestedAt)
        for (const [i, { begun }] of runs.entries()) {
          const before = runs[i - 1]
          if (before === undefined) continue
          assert.ok(begun - before.ended >= Math.max(10, 2 * runMs))
        }
      }),
    )
  })

  it('that another change comes from is followed by one more, after the pause', () => {
    let left = 3
    const { manual, pace, runs } = paced(20, () => {
      if (left-- > 0) pace.request()
    })
    pace.request()
    manual.advance(1_000)
    assert.deepEqual(
      runs.map(({ begun }) => begun),
      [0, 60, 120, 180],
    )
  })

  it('that took long does not hold up the next for long', () => {
    assert.deepEqual([0, 4, 20, 50, 1_000].map(pauseAfterMs), [10, 10, 40, 100, 100])
  })

  it('does not come after the stop', () => {
    const { manual, pace, runs } = paced(0)
    pace.request()
    pace.stop()
    pace.request()
    pace.runNow()
    manual.advance(1_000)
    assert.equal(runs.length, 0)
    assert.equal(manual.armed, 0)
  })
})
