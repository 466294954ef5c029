/**
 * Joining until somebody answers, and giving up.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RetryJoin } from '../../../../agent/members/retry-join.ts'
import { FairleadError } from '../../../../core/errors.ts'
import { silentLogger } from '../../../../core/log.ts'
import type { Member } from '../../../../core/membership.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'

async function settle(): Promise<void> {
  for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve))
}

const SELF: Member = { name: 'self', address: '10.0.0.1', port: 8301, tags: {}, status: 'alive' }

function joining(failures: number, attemptsMax = 0, alone: { needsOthers?: boolean } = {}) {
  const clock = new ManualClock()
  const calls: (readonly string[])[] = []
  const givenUp: FairleadError[] = []
  const found = { others: 1, members: [SELF] }
  const join = new RetryJoin(
    { addresses: ['a', 'b:8301'], intervalMs: 30_000, attemptsMax, needsOthers: true, ...alone },
    {
      clock,
      log: silentLogger,
      onGivenUp: (error) => givenUp.push(error),
      pool: {
        join: async (addresses) => {
          calls.push(addresses)
          if (calls.length <= failures) throw new FairleadError('NO_SERVERS', 'Failed to join: a')
          return found.others
        },
        members: () => found.members,
      },
    },
  )
  return { clock, calls, givenUp, found, join }
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

async function pass(clock: ManualClock, times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    clock.advance(30_000)
    await settle()
  }
}

test('one that found only itself goes on until another answers', async () => {
  const { clock, calls, found, join } = joining(0)
  found.others = 0
  await join.start()
  await pass(clock, 3)
  assert.equal(calls.length, 4)
  found.others = 1
  await pass(clock, 3)
  assert.equal(calls.length, 5)
  assert.equal(clock.armed, 0)
  await join.stop()
})

test('one that found only itself is content once others have found it', async () => {
  const { clock, calls, found, join } = joining(0)
  found.others = 0
  await join.start()
  await pass(clock, 2)
  found.members = [SELF, { ...SELF, name: 'other' }]
  await pass(clock, 3)
  assert.equal(calls.length, 4)
  assert.equal(clock.armed, 0)
  await join.stop()
})

test('a cluster of one is content with itself', async () => {
  const { clock, calls, found, join } = joining(0, 0, { needsOthers: false })
  found.others = 0
  await join.start()
  await pass(clock, 3)
  assert.equal(calls.length, 1)
  await join.stop()
})

test('that only itself answers is no reason to end the agent', async () => {
  const { clock, calls, givenUp, found, join } = joining(0, 3)
  found.others = 0
  await join.start()
  await pass(clock, 5)
  assert.equal(calls.length, 3)
  assert.deepEqual(givenUp, [])
  await join.stop()
})
