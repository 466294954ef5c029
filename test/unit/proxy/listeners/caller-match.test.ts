/**
 * Which service a process belongs to: itself, its tree, its control group, its process group.
 */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { CallerMatcher } from '../../../../proxy/listeners/caller-match.ts'
import type { ProcessEntry } from '../../../../runtime/proc/process-table.ts'

function processes(
  ...list: readonly (readonly [pid: number, parent: number, group: number, cgroup: string])[]
): Map<number, ProcessEntry> {
  return new Map(
    list.map(([pid, parent, group, cgroup]) => [
      pid,
      { pid, parent, group, cgroup, startTicks: 0 },
    ]),
  )
}

const cart = { identityId: 'svc/cart', pids: new Set([10]) }
const stock = { identityId: 'svc/stock', pids: new Set([20, 21]) }

it('takes the listening process and its descendants, the nearest first', () => {
  const matcher = new CallerMatcher(
    processes(
      [10, 1, 10, ''],
      [11, 10, 11, ''],
      [12, 11, 12, ''],
      [20, 12, 20, ''],
      [21, 20, 20, ''],
      [30, 1, 30, ''],
    ),
    [cart, stock],
  )
  assert.equal(matcher.match(10), 'svc/cart')
  assert.equal(matcher.match(12), 'svc/cart')
  assert.equal(matcher.match(20), 'svc/stock', 'itself, although a descendant of the other')
  assert.equal(matcher.match(21), 'svc/stock')
  assert.equal(matcher.match(30), undefined)
  assert.equal(matcher.match(99), undefined)
  assert.deepEqual([...matcher.candidates()].sort(), [10, 11, 12, 20, 21])
})

it('says nothing of a process that listens for several services, nor of its descendants', () => {
  const both = { identityId: 'svc/stock', pids: new Set([10]) }
  const matcher = new CallerMatcher(processes([10, 1, 10, ''], [11, 10, 11, '']), [cart, both])
  assert.equal(matcher.match(10), undefined)
  assert.equal(matcher.match(11), undefined)
})

it('takes members of the control group or process group where one service alone lives', () => {
  const matcher = new CallerMatcher(
    processes(
      [10, 1, 10, '/cart.service'],
      [15, 1, 15, '/cart.service'],
      [20, 1, 20, ''],
      [25, 1, 20, ''],
      [30, 1, 30, ''],
    ),
    [cart, stock],
  )
  assert.equal(matcher.match(15), 'svc/cart')
  assert.equal(matcher.match(25), 'svc/stock')
  assert.equal(matcher.match(30), undefined)
})

it('lets groups that several services share say nothing', () => {
  const matcher = new CallerMatcher(
    processes(
      [10, 1, 5, '/session'],
      [20, 1, 5, '/session'],
      [30, 1, 5, '/session'],
      [11, 10, 5, '/session'],
    ),
    [cart, stock],
  )
  assert.equal(matcher.match(30), undefined)
  assert.equal(matcher.match(11), 'svc/cart')
})

it('does not walk in circles', () => {
  const matcher = new CallerMatcher(processes([1, 2, 1, ''], [2, 1, 2, '']), [cart])
  assert.equal(matcher.match(1), undefined)
})
