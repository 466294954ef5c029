/**
 * Queries over real sockets: members answer by their handlers, and who asks knows when it has heard enough.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressOf, NEVER, type Pool, QUICK, seesAlive, startPool, until } from './pool-fixture.ts'

const QUERY = {
  name: 'load',
  payload: Uint8Array.of(1),
  filters: { nodes: [], tags: [] },
  wantsAck: true,
  relayFactor: 1,
  timeoutMs: 60_000,
}

function answerWith(pool: Pool, byte: number): void {
  pool.onQuery('load', async (payload, origin) => {
    assert.deepEqual([...payload, origin], [1, 'a'])
    return Uint8Array.of(byte)
  })
}

test('three members answer; a handler that fails, and one that is missing, only ack', async (t) => {
  // With fewer copies of each message, or less time, now and then one of four would not hear it.
  const timing = { ...QUICK, retransmitMult: 6, gossipIntervalMs: 100 }
  const pools = await Promise.all(
    ['a', 'b', 'c', 'd'].map((name) => startPool(t, name, { timing })),
  )
  const [a, b, c, d] = pools
  assert.ok(a !== undefined && b !== undefined && c !== undefined && d !== undefined)
  for (const pool of [b, c, d]) await pool.join([addressOf(a)], NEVER)
  await Promise.all(pools.map((pool) => until(pool, seesAlive('a', 'b', 'c', 'd'))))
  answerWith(a, 10)
  answerWith(b, 20)
  c.onQuery('load', () => {
    throw new Error('no load here')
  })
  const { acks, answers } = await a.query(QUERY, {
    signal: NEVER,
    isEnough: (report) => report.answers.size === 2 && report.acks.size === 4,
  })
  assert.deepEqual([...acks].sort(), ['a', 'b', 'c', 'd'])
  assert.deepEqual([...answers].map(([name, bytes]) => [name, ...bytes]).sort(), [
    ['a', 10],
    ['b', 20],
  ])
  const some = await a.query(
    { ...QUERY, filters: { nodes: ['b'], tags: [{ tag: 'role', pattern: '^node$' }] } },
    { signal: NEVER, isEnough: (report) => report.answers.size === 1 },
  )
  assert.deepEqual([...some.answers.keys()], ['b'])
})

test('a query ends at its timeout, by its signal, and with the pool', async (t) => {
  const a = await startPool(t, 'a')
  const report = await a.query({ ...QUERY, timeoutMs: 30 }, { signal: NEVER })
  assert.deepEqual([[...report.acks], report.answers.size], [['a'], 0])
  const ending = new AbortController()
  const cut = a.query(QUERY, { signal: ending.signal })
  ending.abort(new Error('enough'))
  await assert.rejects(cut, /enough/)
  await assert.rejects(a.query({ ...QUERY, relayFactor: 6 }, { signal: NEVER }), {
    code: 'REJECTED',
  })
  const large = { ...QUERY, payload: new Uint8Array(2000) }
  await assert.rejects(a.query(large, { signal: NEVER }), /over the limit of 1024/)
  const last = a.query(QUERY, { signal: NEVER })
  const rejected = assert.rejects(last, { code: 'SHUTTING_DOWN' })
  await a.stop()
  await rejected
})
