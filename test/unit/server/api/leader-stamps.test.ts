/**
 * The time in commands while clocks leap, and what the state makes of it.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { instant, wallTime } from '../../../../core/time.ts'
import { LeaderStamps } from '../../../../server/api/leader-stamps.ts'
import { RaftAndStore, register, set } from '../raft-and-store.ts'

const HOUR = 3_600_000

describe('the time that a leader stamps', () => {
  it('is that of the wall clock, from the first stamp on', () => {
    const stamps = new LeaderStamps()
    assert.equal(stamps.next(instant(5), wallTime(1_000_000.7), 0), 1_000_000)
    assert.equal(stamps.next(instant(250), wallTime(1_000_245.7), 1_000_000), 1_000_245)
  })

  it('stands still while the wall clock is behind', () => {
    const stamps = new LeaderStamps()
    stamps.next(instant(0), wallTime(1_000_000), 0)
    assert.equal(stamps.next(instant(100), wallTime(1_000_000 - HOUR), 0), 1_000_000)
    assert.equal(stamps.next(instant(200), wallTime(1_000_200), 0), 1_000_200)
  })

  it('is never below what is applied', () => {
    const stamps = new LeaderStamps()
    assert.equal(stamps.next(instant(0), wallTime(500), 2_000), 2_000)
    assert.equal(stamps.next(instant(10), wallTime(510), 9_000), 9_000)
  })

  it('follows a wall clock that jumped ahead at one and a tenth of the pace', () => {
    const stamps = new LeaderStamps()
    stamps.next(instant(0), wallTime(0), 0)
    // The second of slack is spent once, however many stamps there are.
    let last = 0
    for (let now = 1; now <= 1_000; now++) last = stamps.next(instant(now), wallTime(HOUR + now), 0)
    assert.ok(last <= 1_000 * 1.1 + 1_000 && last > 1_900, String(last))
    assert.equal(stamps.next(instant(11_000), wallTime(HOUR + 11_000), 0) - last, 11_000)
  })

  it('goes on from what is applied where the wall clock was wrong at first', () => {
    const stamps = new LeaderStamps()
    const applied = 1_700_000_000_000
    stamps.next(instant(0), wallTime(1_000), applied)
    assert.equal(stamps.next(instant(1_000), wallTime(applied + 900), applied), applied + 900)
  })

  it('never goes back nor faster than the bound, whatever the clocks do', () => {
    const step = fc.record({
      elapsed: fc.nat(100_000),
      jump: fc.integer({ min: -HOUR, max: HOUR }),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const stamps = new LeaderStamps()
        let now = 0
        let wall = 1_700_000_000_000
        const made = [{ now, time: stamps.next(instant(now), wallTime(wall), 0) as number }]
        for (const { elapsed, jump } of steps) {
          now += elapsed
          wall += elapsed + jump
          made.push({ now, time: stamps.next(instant(now), wallTime(wall), 0) })
        }
        for (const [i, from] of made.entries()) {
          for (const to of made.slice(i + 1)) {
            assert.ok(to.time >= from.time)
            assert.ok(to.time - from.time <= (to.now - from.now) * 1.1 + 1_000.01)
          }
        }
      }),
    )
  })
})

describe('the time of the state', () => {
  it('outlives a leap of the wall clock', async () => {
    await using world = await new RaftAndStore().start()
    const { store, clock } = world
    await world.write(register('n1'))
    await world.write(set('before', 'x'))
    const before = store.clock
    clock.jumpWall(24 * HOUR)
    for (let i = 0; i < 20; i++) await world.write(set(`k${i}`, 'x'))
    assert.ok(store.clock - before <= 1_000, `it went on by ${store.clock - before} ms`)
  })
})
