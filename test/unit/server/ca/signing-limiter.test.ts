/**
 * Who waits, who is refused and in which order, under a clock moved by hand.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'
import { SigningLimiter } from '../../../../server/ca/signing-limiter.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const REFUSAL = { code: 'RATE_LIMITED', message: 'Rate limit reached, try again later' }

test('a rate lets one through at once and spaces the others, refusing who would wait over 500 ms', async () => {
  const clock = new ManualClock()
  const limiter = new SigningLimiter(clock)
  const done: number[] = []
  const limits = { csrMaxPerSecond: 10, csrMaxConcurrent: 0 }
  const runs = [0, 1, 2, 3, 4, 5].map((n) =>
    limiter.run(limits, 'a', async () => void done.push(n)),
  )
  await assert.rejects(
    limiter.run(limits, 'a', async () => assert.fail('must not run')),
    REFUSAL,
  )
  await turn()
  assert.deepEqual(done, [0])
  clock.advance(100)
  await turn()
  assert.deepEqual(done, [0, 1])
  clock.advance(400)
  await Promise.all(runs)
  assert.deepEqual(done, [0, 1, 2, 3, 4, 5])
  assert.equal(clock.armed, 0)
})

test('idle time does not save up tokens beyond one', async () => {
  const clock = new ManualClock()
  const limiter = new SigningLimiter(clock)
  const limits = { csrMaxPerSecond: 10, csrMaxConcurrent: 0 }
  clock.advance(60_000)
  const done: number[] = []
  const runs = [0, 1].map((n) => limiter.run(limits, 'a', async () => void done.push(n)))
  await turn()
  assert.deepEqual(done, [0])
  clock.advance(100)
  await Promise.all(runs)
})

test('a bound on concurrency passes its turn on, in order', async () => {
  const clock = new ManualClock()
  const limiter = new SigningLimiter(clock)
  const limits = { csrMaxPerSecond: 0, csrMaxConcurrent: 1 }
  const first = Promise.withResolvers<void>()
  const done: number[] = []
  const runs = [
    limiter.run(limits, 'a', () => first.promise.then(() => void done.push(0))),
    limiter.run(limits, 'a', async () => void done.push(1)),
    limiter.run(limits, 'a', async () => void done.push(2)),
  ]
  await turn()
  assert.deepEqual(done, [])
  first.resolve()
  await Promise.all(runs)
  assert.deepEqual(done, [0, 1, 2])
  assert.equal(clock.armed, 0)
})

test('who waits too long for a turn is refused, and the bound still holds after', async () => {
  const clock = new ManualClock()
  const limiter = new SigningLimiter(clock)
  const limits = { csrMaxPerSecond: 0, csrMaxConcurrent: 1 }
  const first = Promise.withResolvers<void>()
  const running = limiter.run(limits, 'a', () => first.promise)
  const late = limiter.run(limits, 'a', async () => assert.fail('must not run'))
  clock.advance(500)
  await assert.rejects(late, REFUSAL)
  const aborted = new AbortController()
  const given = limiter.run(limits, 'a', async () => assert.fail('must not run'), aborted.signal)
  aborted.abort(new Error('gone'))
  await assert.rejects(given, /gone/)
  first.resolve()
  await running
  assert.equal(await limiter.run(limits, 'a', async () => 'after'), 'after')
  assert.equal(clock.armed, 0)
})

test('without limits nothing waits', async () => {
  const limiter = new SigningLimiter(new ManualClock())
  const limits = { csrMaxPerSecond: 0, csrMaxConcurrent: 0 }
  const runs = Array.from({ length: 100 }, (_, n) => limiter.run(limits, 'a', async () => n))
  assert.equal((await Promise.all(runs)).length, 100)
})

test('an identity that asks without end does not keep others out', async () => {
  const clock = new ManualClock()
  const limiter = new SigningLimiter(clock)
  const limits = { csrMaxPerSecond: 10, csrMaxConcurrent: 0 }
  const done: string[] = []
  const refused: string[] = []
  const ask = (identity: string, name: string): Promise<void> =>
    limiter
      .run(limits, identity, async () => void done.push(name))
      .catch(() => void refused.push(name))
  const runs = [0, 1, 2, 3, 4, 5, 6].map((n) => ask('greedy', `g${n}`))
  // There is no room: the last of the greedy ones goes, and the other is next but one.
  runs.push(ask('modest', 'm0'))
  await turn()
  assert.deepEqual(refused, ['g6', 'g5'])
  for (let i = 0; i < 5; i++) {
    clock.advance(100)
    await turn()
  }
  await Promise.all(runs)
  assert.deepEqual(done, ['g0', 'g1', 'm0', 'g2', 'g3', 'g4'])
  assert.equal(clock.armed, 0)
})

test('lines take turns, however long they are, also under a bound on concurrency', async () => {
  const clock = new ManualClock()
  const limiter = new SigningLimiter(clock)
  const limits = { csrMaxPerSecond: 0, csrMaxConcurrent: 1 }
  const first = Promise.withResolvers<void>()
  const done: string[] = []
  const names = ['a1', 'a2', 'a3', 'b1', 'b2', 'c1']
  const runs = [
    limiter.run(limits, 'x', () => first.promise),
    ...names.map((name) => limiter.run(limits, name[0] ?? '', async () => void done.push(name))),
  ]
  first.resolve()
  await Promise.all(runs)
  assert.deepEqual(done, ['a1', 'b1', 'c1', 'a2', 'b2', 'a3'])
  assert.equal(clock.armed, 0)
})
