/**
 * The window of what was heard: nothing is new twice, and windows that remember alike have one digest.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RecentWindow, WINDOW_TIMES } from '../../../../core/swim/recent-window.ts'

test('whatever comes in whatever order, nothing is new twice', () => {
  const heard = fc.record({ time: fc.nat(1500), key: fc.constantFrom('a', 'b', 'c') })
  fc.assert(
    fc.property(fc.array(heard, { maxLength: 300 }), (all) => {
      const window = new RecentWindow<string>()
      const told = new Set<string>()
      let clock = 0
      for (const { time, key } of all) {
        clock = Math.max(clock, time + 1)
        const outcome = window.admit(clock, time, key, key)
        const id = `${time} ${key}`
        if (outcome === 'new') {
          assert.ok(!told.has(id), `${id} was told twice`)
          told.add(id)
        } else if (outcome === 'known') assert.ok(told.has(id))
        else assert.ok(time < clock - WINDOW_TIMES)
      }
    }),
  )
})

test('the last of the window is remembered, the one before it is old', () => {
  const window = new RecentWindow<number>()
  const clock = 1000
  assert.equal(window.admit(clock, clock - WINDOW_TIMES, 'x', 1), 'new')
  assert.equal(window.admit(clock, clock - WINDOW_TIMES, 'x', 1), 'known')
  assert.equal(window.admit(clock, clock - WINDOW_TIMES - 1, 'x', 1), 'old')
  assert.equal(window.admit(clock + 1, clock - WINDOW_TIMES, 'x', 1), 'old')
  assert.equal(window.size, 0)
  assert.deepEqual(window.digest, { high: 0, low: 0 })
})

test('the digest depends on what is remembered, not on how it came', () => {
  const entry = fc.tuple(fc.nat(600), fc.constantFrom('a', 'b', 'c', 'd'))
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 60 }), fc.infiniteStream(fc.nat()), (all, order) => {
      const [one, other] = [new RecentWindow<string>(), new RecentWindow<string>()]
      for (const [time, key] of all) one.admit(601, time, key, `${time} ${key}`)
      const shuffled = all
        .map((item) => ({ item, rank: order.next().value ?? 0 }))
        .sort((a, b) => a.rank - b.rank)
      for (const { item } of shuffled) other.admit(601, item[0], item[1], `${item[0]} ${item[1]}`)
      assert.deepEqual(other.digest, one.digest)
      assert.deepEqual(other.values().sort(), one.values().sort())
    }),
  )
})

test('at its bound it gives up the oldest time, and does not take that for new again', () => {
  const window = new RecentWindow<number>()
  for (let i = 0; i < 4095; i++) assert.equal(window.admit(11, 10, `k${i}`, i), 'new')
  assert.equal(window.admit(11, 9, 'old', 0), 'new')
  assert.equal(window.admit(11, 10, 'one more', 0), 'new')
  assert.equal(window.size, 4096)
  assert.equal(window.admit(11, 9, 'old', 0), 'old')
  assert.equal(window.admit(12, 11, 'the next time', 0), 'new')
  assert.equal(window.size, 1)
  assert.equal(window.admit(12, 10, 'k0', 0), 'old')
})
