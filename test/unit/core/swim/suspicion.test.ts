/**
 * One suspicion: who counts, and when it ends.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Suspicion } from '../../../../core/swim/suspicion.ts'
import { LAN_TIMING } from '../../../../core/swim/timing.ts'
import { instant } from '../../../../core/time.ts'

function suspicion(members: number): Suspicion {
  return new Suspicion({ since: instant(1000), by: 'a', members, timing: LAN_TIMING })
}

test('begins with the upper bound and ends with the lower', () => {
  const one = suspicion(10)
  assert.equal(one.deadline, 25_000)
  assert.ok(one.confirm('b'))
  assert.ok(one.deadline > 5000 && one.deadline < 25_000)
  assert.ok(one.confirm('c'))
  assert.equal(one.deadline, 5000)
})

test('counts nobody twice, nor who began, nor more than are needed', () => {
  const one = suspicion(10)
  assert.equal(one.confirm('a'), false)
  assert.ok(one.confirm('b'))
  assert.equal(one.confirm('b'), false)
  assert.ok(one.confirm('c'))
  assert.equal(one.confirm('d'), false)
  assert.equal(one.confirmed, 2)
})

test('in a pool of three it is short at once: there is no second witness', () => {
  const one = suspicion(3)
  assert.equal(one.deadline, 5000)
  assert.equal(one.confirm('b'), false)
})

test('the deadline never moves later nor below the lower bound', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100_000 }),
      fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { maxLength: 20 }),
      (members, witnesses) => {
        const one = suspicion(members)
        let last: number = one.deadline
        for (const witness of witnesses) {
          one.confirm(witness)
          assert.ok(one.deadline <= last)
          assert.ok(one.deadline >= 5000)
          last = one.deadline
        }
      },
    ),
  )
})
