/**
 * Short-term avoidance: grows with failures in a row, ends by itself, forgets at the first success.
 */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { AVOID_FIRST_MS, AVOID_MAX_MS, Avoidance } from '../../../../core/resilience/avoidance.ts'
import { instant } from '../../../../core/time.ts'

it('avoids for a second after the first failure, then twice as long each time, up to a limit', () => {
  const avoidance = new Avoidance()
  let now = 1000
  let wanted = AVOID_FIRST_MS
  for (let i = 0; i < 10; i++) {
    avoidance.failed(instant(now))
    assert.equal(avoidance.isAvoided(instant(now + wanted - 1)), true, `failure ${i}`)
    assert.equal(avoidance.isAvoided(instant(now + wanted)), false, `failure ${i}`)
    now += wanted
    wanted = Math.min(AVOID_MAX_MS, wanted * 2)
  }
})

it('counts attempts that fail together once', () => {
  const avoidance = new Avoidance()
  for (let i = 0; i < 100; i++) avoidance.failed(instant(i))
  assert.equal(avoidance.isAvoided(instant(AVOID_FIRST_MS)), false)
})

it('forgets everything at the first success', () => {
  const avoidance = new Avoidance()
  avoidance.failed(instant(0))
  assert.equal(avoidance.hasFailed, true)
  avoidance.succeeded()
  assert.equal(avoidance.hasFailed, false)
  assert.equal(avoidance.isAvoided(instant(1)), false)
  avoidance.failed(instant(5))
  assert.equal(avoidance.isAvoided(instant(5 + AVOID_FIRST_MS)), false)
})
