/**
 * The queue of news: order, bounds, and how often anything is sent (gossip.md 7.1, G6).
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BroadcastQueue } from '../../../../core/swim/broadcast-queue.ts'

const ROOM = { depthMax: 1000 }

function news(size: number, mark = 0): Uint8Array {
  return new Uint8Array(size).fill(mark)
}

function marks(taken: readonly Uint8Array[]): number[] {
  return taken.map((bytes) => bytes[0] ?? -1)
}

test('what was sent least often goes first; then the longest that fits; then the newest', () => {
  const queue = new BroadcastQueue()
  queue.add('a', news(10, 1), ROOM)
  queue.add('b', news(20, 2), ROOM)
  queue.add('c', news(10, 3), ROOM)
  assert.deepEqual(marks(queue.take(12, 255, 3)), [3])
  assert.deepEqual(marks(queue.take(34, 255, 3)), [2, 1])
  // All were sent once.
  assert.deepEqual(marks(queue.take(12, 255, 3)), [3])
  queue.add('d', news(5, 4), ROOM)
  assert.deepEqual(marks(queue.take(100, 255, 3)), [4, 2, 1, 3])
})

test('a newer message about a subject replaces the older, and its count', () => {
  const queue = new BroadcastQueue()
  let done = 0
  queue.add('a', news(5, 1), { ...ROOM, onDone: () => done++ })
  queue.take(100, 255, 2)
  queue.add('a', news(5, 2), ROOM)
  assert.equal(done, 1)
  assert.equal(queue.length, 1)
  assert.deepEqual(marks(queue.take(100, 255, 2)), [2])
  assert.deepEqual(marks(queue.take(100, 255, 2)), [2])
  assert.equal(queue.length, 0)
})

test('who waits for the last sending is told once, and may add more', () => {
  const queue = new BroadcastQueue()
  const told: string[] = []
  queue.add('a', news(5, 1), {
    ...ROOM,
    onDone: () => {
      told.push('a')
      queue.add('a', news(5, 2), { ...ROOM, onDone: () => told.push('second') })
    },
  })
  queue.take(100, 255, 1)
  assert.deepEqual(told, ['a'])
  assert.deepEqual(marks(queue.take(100, 255, 1)), [2])
  assert.deepEqual(told, ['a', 'second'])
  queue.add('b', news(1), { ...ROOM, onDone: () => told.push('cleared') })
  queue.clear()
  assert.deepEqual(told, ['a', 'second', 'cleared'])
})

test('at the bound the one sent most often and then the oldest is dropped and counted', () => {
  const queue = new BroadcastQueue()
  for (const [i, subject] of ['a', 'b', 'c'].entries())
    queue.add(subject, news(5, i), { depthMax: 3 })
  queue.take(14, 2, 9) // c and b were sent once
  queue.add('d', news(5, 3), { depthMax: 3 })
  assert.equal(queue.dropped, 1)
  assert.deepEqual(marks(queue.take(100, 255, 9)), [3, 0, 2])
})

test('no message is sent more often than the limit, nor twice in a packet, nor beyond the budget', () => {
  const step = fc.record({
    add: fc.array(fc.record({ subject: fc.nat(20), size: fc.integer({ min: 1, max: 60 }) }), {
      maxLength: 5,
    }),
    budget: fc.integer({ min: 0, max: 200 }),
    countMax: fc.integer({ min: 1, max: 8 }),
  })
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 60 }),
      fc.integer({ min: 1, max: 5 }),
      (steps, limit) => {
        const queue = new BroadcastQueue()
        const sent = new Map<Uint8Array, number>()
        for (const { add, budget, countMax } of steps) {
          for (const { subject, size } of add)
            queue.add(String(subject), news(size), { depthMax: 15 })
          assert.ok(queue.length <= 15)
          const taken = queue.take(budget, countMax, limit)
          assert.equal(new Set(taken).size, taken.length)
          assert.ok(taken.length <= countMax)
          assert.ok(taken.reduce((sum, bytes) => sum + bytes.length + 2, 0) <= budget)
          for (const bytes of taken) sent.set(bytes, (sent.get(bytes) ?? 0) + 1)
        }
        for (const count of sent.values()) assert.ok(count <= limit)
        while (queue.take(1000, 255, limit).length > 0);
        assert.equal(queue.length, 0)
      },
    ),
  )
})
