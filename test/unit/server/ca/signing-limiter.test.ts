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
  const runs = [0, 1, 2, 3, 4, 5].map((n) => limiter.run(limits, async () => void done.push(n)))
  await assert.rejects(
    limiter.run(limits, async () => assert.fail('must not run')),
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
  const runs = [0, 1].map((n) => limiter.run(limits, async () => void done.push(n)))
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
    limiter.run(limits, () => first.promise.then(() => void done.push(0))),
    limiter.run(limits, async () => void done.push(1)),
    limiter.run(limits, async () => void done.push(2)),
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
  const running = limiter.run(limits, () => first.promise)
  const late = limiter.run(limits, async () => assert.fail('must not run'))
  clock.advance(500)
  await assert.rejects(late, REFUSAL)
  const aborted = new AbortController()
  const given = limiter.run(limits, async () => assert.fail('must not run'), aborted.signal)
  aborted.abort(new Error('gone'))
  await assert.rejects(given, /gone/)
  first.resolve()
  await running
  assert.equal(await limiter.run(limits, async () => 'after'), 'after')
  assert.equal(clock.armed, 0)
})

test('without limits nothing waits', async () => {
  const limiter = new SigningLimiter(new ManualClock())
  const limits = { csrMaxPerSecond: 0, csrMaxConcurrent: 0 }
  const runs = Array.from({ length: 100 }, (_, n) => limiter.run(limits, async () => n))
  assert.equal((await Promise.all(runs)).length, 100)
})
