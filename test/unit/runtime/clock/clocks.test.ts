/**
 * The real clock and the manual one keep one promise about sleep: the signal's own reason ends it.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { instant } from '../../../../core/time.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'
import { systemClock } from '../../../../runtime/clock/system-clock.ts'

for (const [name, clock] of [
  ['the system clock', systemClock],
  ['the manual clock', new ManualClock()],
] as const) {
  test(`${name} ends a sleep with the reason of its signal`, async () => {
    const ending = new AbortController()
    const reason = new Error('enough')
    const sleeping = clock.sleep(1_000_000, ending.signal)
    ending.abort(reason)
    await assert.rejects(sleeping, (thrown) => thrown === reason)
    await assert.rejects(clock.sleep(1_000_000, ending.signal), (thrown) => thrown === reason)
  })
}

test('the system clock sleeps over what has gone by without a warning', async () => {
  const warnings: Error[] = []
  const record = (warning: Error): void => {
    warnings.push(warning)
  }
  process.on('warning', record)
  try {
    await systemClock.sleep(-0.5)
    // Warnings are told in a later turn.
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(warnings, [])
  } finally {
    process.off('warning', record)
  }
})

test('no timer of the system clock fires before its time', async () => {
  // Two or three in a hundred of the platform's own do.
  const early: number[] = []
  await Promise.all(
    Array.from({ length: 500 }, (_, i) => {
      const at = instant(performance.now() + 1 + i / 7)
      return new Promise<void>((resolve) => {
        systemClock.timer(at, () => {
          const lead = at - performance.now()
          if (lead > 0) early.push(lead)
          resolve()
        })
      })
    }),
  )
  assert.deepEqual(early, [])
})
