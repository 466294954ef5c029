/**
 * The formulas of gossip against the vectors and tables of gossip.md 5, 7.1 and 8.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  pushPullIntervalMs,
  retransmitLimit,
  suspicionConfirmations,
  suspicionRemainingMs,
  suspicionTimeoutMs,
} from '../../../../core/swim/formulas.ts'

test('suspicion lasts longer in larger pools', () => {
  const third = (members: number): number => suspicionTimeoutMs(3, members, 1000) / 3
  assert.deepEqual([5, 10, 50, 100, 500, 1000].map(third), [1000, 1000, 1698, 2000, 2698, 3000])
  assert.deepEqual(
    [3, 10, 30, 100, 1000, 5000, 10_000].map((n) => suspicionTimeoutMs(4, n, 1000) / 1000),
    [4, 4, 5.908, 8, 12, 14.792, 16],
  )
  assert.equal(suspicionTimeoutMs(4, 0, 1000), 4000)
})

test('confirmations are waited for only where there are enough others', () => {
  assert.deepEqual(
    [1, 2, 3, 4, 10].map((n) => suspicionConfirmations(4, n)),
    [0, 0, 0, 2, 2],
  )
  assert.equal(suspicionConfirmations(1, 10), 0)
})

test('each confirmation shortens suspicion, down to its lower bound', () => {
  const left = (confirmed: number, elapsedMs: number): number =>
    suspicionRemainingMs({ confirmed, k: 3, elapsedMs, minMs: 2000, maxMs: 30_000 })
  assert.equal(left(0, 0), 30_000)
  assert.equal(left(1, 2000), 14_000)
  assert.equal(left(2, 3000), 4810)
  assert.equal(left(3, 4000), -2000)
  assert.equal(left(4, 5000), -3000)
  assert.equal(left(5, 10_000), -8000)
  const alone = { confirmed: 0, k: 0, elapsedMs: 500, minMs: 2000, maxMs: 30_000 }
  assert.equal(suspicionRemainingMs(alone), 1500)
})

test('a message is sent more often in larger pools', () => {
  assert.deepEqual(
    [0, 1, 99].map((n) => retransmitLimit(3, n)),
    [0, 3, 6],
  )
  assert.deepEqual(
    [9, 99, 999, 9999, 99_999].map((n) => retransmitLimit(4, n)),
    [4, 8, 12, 16, 20],
  )
})

test('whole states are compared less often in larger pools', () => {
  const scale = (members: number): number => pushPullIntervalMs(30_000, members) / 30_000
  assert.deepEqual([1, 32, 33, 64, 65, 128, 1000, 10_000].map(scale), [1, 1, 2, 2, 3, 3, 6, 10])
})
