/**
 * Weighted round robin: fair over any run, and never a candidate that is not usable.
 */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import type { Candidates } from '../../../../core/balance/balancer.ts'
import { RoundRobin } from '../../../../core/balance/round-robin.ts'

const all: Candidates = { isUsable: () => true, cost: () => 0 }
const without = (...indexes: number[]): Candidates => ({
  isUsable: (index) => !indexes.includes(index),
  cost: () => 0,
})

function picks(balancer: RoundRobin, count: number, candidates = all): number[] {
  return Array.from({ length: count }, () => balancer.pick(candidates))
}

it('rotates through equal entries from where it is told to start', () => {
  assert.deepEqual(picks(new RoundRobin([1, 1, 1], 1), 6), [1, 2, 0, 1, 2, 0])
  assert.deepEqual(picks(new RoundRobin([5, 5], 7), 3), [1, 0, 1])
})

it('has nothing to pick from nothing', () => {
  assert.equal(new RoundRobin([], 3).pick(all), -1)
  assert.equal(new RoundRobin([1, 2], 0).pick(without(0, 1)), -1)
  assert.equal(new RoundRobin([1, 1], 0).pick(without(0, 1)), -1)
})

it('spreads a heavy entry between the light ones', () => {
  const order = picks(new RoundRobin([3, 1], 0), 8)
  assert.equal(order.filter((index) => index === 0).length, 6)
  assert.doesNotMatch(order.join(''), /11|0000/)
})

it('gives each its weight in every run of as many picks as the weights add up to', () => {
  const weights = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(weights, fc.nat(10), (list, start) => {
      const balancer = new RoundRobin(list, start)
      const total = list.reduce((sum, weight) => sum + weight, 0)
      for (let round = 0; round < 3; round++) {
        const counts = new Array<number>(list.length).fill(0)
        for (const index of picks(balancer, total)) counts[index] = (counts[index] ?? 0) + 1
        for (const [i, weight] of list.entries()) {
          assert.ok(Math.abs((counts[i] ?? 0) - weight) <= 1, `${counts} for ${list}`)
        }
      }
    }),
  )
})

it('picks only what is usable, and no burst follows when an entry comes back', () => {
  const balancer = new RoundRobin([2, 1, 1], 0)
  assert.ok(picks(balancer, 40, without(0)).every((index) => index !== 0))
  const after = picks(balancer, 8)
  assert.ok(after.filter((index) => index === 0).length <= 5, `${after}`)
})

it('stays fair for a long time', () => {
  const balancer = new RoundRobin([3, 1], 0)
  let heavy = 0
  for (let i = 0; i < 6_000_000; i++) if (balancer.pick(all) === 0) heavy++
  assert.ok(Math.abs(heavy - 4_500_000) <= 2, `${heavy}`)
})
