/**
 * The clocks of simulated servers: what a healthy one may not do.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { seededRng } from '../../../core/rng.ts'
import { instant } from '../../../core/time.ts'
import { TickSource } from '../../../server/raft/tick-source.ts'
import { EventQueue } from './event-queue.ts'
import { ServerClock } from './server-clock.ts'

const TICKS = 20_000

describe('the clock of a simulated server', () => {
  it('leaves out no tick of a healthy server, so that a heartbeat at every tick is sent in time', () => {
    const events = new EventQueue()
    const rng = seededRng(1)
    const profile = { driftMax: 0.05, hasPauses: false, hasWallJumps: false, turnCostMax: 0 }
    const clock = new ServerClock(profile, events, rng)
    clock.calm()
    const now = (): ReturnType<typeof instant> => instant(clock.monotonicMs)
    const ticks = new TickSource({ tickMs: 10, catchUpMax: 1, now: now() })
    for (let i = 0; i < TICKS; i++) {
      events.after(clock.usOfTick, () => {
        assert.equal(ticks.due(now()), 1, `at ${events.now} us`)
      })
      events.step()
    }
  })
})
