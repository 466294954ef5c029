/**
 * Joining until somebody answers, and giving up.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RetryJoin } from '../../../../agent/members/retry-join.ts'
import { FairleadError } from '../../../../core/errors.ts'
import { silentLogger } from '../../../../core/log.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'

async function settle(): Promise<void> {
  for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve))
}

function joining(failures: number, attemptsMax = 0) {
  const clock = new ManualClock()
  const calls: (readonly string[])[] = []
  const givenUp: FairleadError[] = []
  const join = new RetryJoin(
    { addresses: ['a', 'b:8301'], intervalMs: 30_000, attemptsMax },
    {
      clock,
      log: silentLogger,
      onGivenUp: (error) => givenUp.push(error),
      pool: {
        join: async (addresses) => {
          calls.push(addresses)
          if (calls.length <= failures) throw new FairleadError('NO_SERVERS', 'Failed to join: a')
          return 1
        },
      },
    },
  )
  return { clock, calls, givenUp, join }
}

test('asks all addresses each time until one answers, then never again', async () => {
  const { clock, calls, givenUp, join } = joining(2)
  await join.start()
  await settle()
  assert.equal(calls.length, 1)
  for (let i = 0; i < 5; i++) {
    clock.advance(30_000)
    await settle()
  }
  assert.deepEqual(calls, [
    ['a', 'b:8301'],
    ['a', 'b:8301'],
    ['a', 'b:8301'],
  ])
  assert.deepEqual(givenUp, [])
  await join.stop()
  assert.equal(clock.armed, 0)
})

test('gives up after the number of attempts that was set, once', async () => {
  const { clock, calls, givenUp, join } = joining(100, 2)
  await join.start()
  await settle()
  for (let i = 0; i < 5; i++) {
    clock.advance(30_000)
    await settle()
  }
  assert.equal(calls.length, 2)
  assert.deepEqual(
    givenUp.map(({ code, message }) => [code, message]),
    [['NO_SERVERS', 'Gave up joining after 2 attempts: Failed to join: a']],
  )
  await join.stop()
})

test('a stop ends the waiting', async () => {
  const { clock, calls, join } = joining(100)
  await join.start()
  await settle()
  await join.stop()
  clock.advance(60_000)
  await settle()
  assert.equal(calls.length, 1)
  assert.equal(clock.armed, 0)
})

test('waits a second at first, twice as long each time, at most the interval', async () => {
  const { clock, calls, join } = joining(100)
  await join.start()
  await settle()
  for (const waitMs of [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]) {
    const before = calls.length
    clock.advance(waitMs - 1)
    await settle()
    assert.equal(calls.length, before)
    clock.advance(1)
    await settle()
    assert.equal(calls.length, before + 1)
  }
  await join.stop()
})
