/**
 * Calls in the order of their instants.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { TimerQueue } from '../../../../core/swim/timer-queue.ts'
import { instant } from '../../../../core/time.ts'

test('calls run in order, ties as armed, cancelled ones never', () => {
  const armed = fc.array(fc.record({ at: fc.nat(50), isCancelled: fc.boolean() }), {
    maxLength: 80,
  })
  fc.assert(
    fc.property(armed, fc.array(fc.nat(60)), (entries, nows) => {
      const queue = new TimerQueue()
      const ran: number[] = []
      for (const [i, { at, isCancelled }] of entries.entries()) {
        const timer = queue.at(instant(at), () => ran.push(i))
        if (isCancelled) timer.cancel()
      }
      const live = entries.flatMap(({ at, isCancelled }, i) => (isCancelled ? [] : [{ at, i }]))
      const sorted = live.toSorted((a, b) => a.at - b.at || a.i - b.i)
      for (const now of nows.toSorted((a, b) => a - b)) {
        queue.runDue(instant(now))
        const due = sorted.filter(({ at }) => at <= now)
        assert.deepEqual(
          ran,
          due.map(({ i }) => i),
        )
        assert.equal(queue.next, sorted[due.length]?.at ?? null)
      }
    }),
  )
})

test('a call may arm and cancel others, also such as are due', () => {
  const queue = new TimerQueue()
  const ran: string[] = []
  queue.at(instant(1), () => {
    ran.push('first')
    doomed.cancel()
    queue.at(instant(0), () => ran.push('armed late'))
    queue.at(instant(9), () => ran.push('later'))
  })
  const doomed = queue.at(instant(2), () => ran.push('doomed'))
  queue.runDue(instant(3))
  assert.deepEqual(ran, ['first', 'armed late'])
  assert.equal(queue.next, 9)
})
