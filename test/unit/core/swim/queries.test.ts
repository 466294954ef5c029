/**
 * Queries as one core sees them: asked once, answered to who asked and in time, relayed where that is wanted.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { queryTimeoutMs } from '../../../../core/swim/formulas.ts'
import type { QueryMessage } from '../../../../core/swim/messages.ts'
import type { QueryWish, SwimEffect } from '../../../../core/swim/types.ts'
import { addressOf, alive, Bench } from './core-bench.ts'

const NOBODY_LEFT_OUT = { nodes: [], tags: [] }
const NOTHING = new Uint8Array(0)
const QUESTION: QueryMessage = {
  kind: 'query',
  time: 5,
  id: 77,
  origin: 'b',
  wantsAck: true,
  relayFactor: 0,
  timeoutMs: 3000,
  filters: NOBODY_LEFT_OUT,
  name: 'uptime',
  payload: Uint8Array.of(1),
}
const WISH: QueryWish = {
  name: 'uptime',
  payload: NOTHING,
  filters: NOBODY_LEFT_OUT,
  wantsAck: true,
  relayFactor: 0,
}

function asked(bench: Bench): string[] {
  return bench.effects.flatMap((e) => (e.kind === 'query' ? [`${e.ref.id} ${e.name}`] : []))
}

function of<K extends SwimEffect['kind']>(bench: Bench, kind: K): (SwimEffect & { kind: K })[] {
  return bench.effects.flatMap((e) => (e.kind === kind ? [e as SwimEffect & { kind: K }] : []))
}

test('a question is acked, told and answered once, to who asked', () => {
  const bench = new Bench()
  bench.hear('b', alive('b'), alive('c'), QUESTION)
  bench.hear('c', QUESTION)
  assert.deepEqual(asked(bench), ['77 uptime'])
  const answer = { kind: 'answer', ref: { time: 5, id: 77 }, payload: Uint8Array.of(9) } as const
  bench.input(answer)
  bench.input(answer)
  const to = bench.sent.filter(({ message }) => message.kind === 'query-response')
  assert.deepEqual(
    to.map(({ to: address }) => address),
    [addressOf('b'), addressOf('b')],
  )
  const responses = bench.sentOf('query-response')
  assert.deepEqual(
    responses.map(({ isAck, from, payload }) => [isAck, from, [...payload]]),
    [
      [true, 'a', []],
      [false, 'a', [9]],
    ],
  )
})

test('one for others is passed on and neither acked nor told', () => {
  const bench = new Bench()
  bench.hear('b', alive('b'))
  const forOthers = [
    { nodes: ['c', 'd'], tags: [] },
    { nodes: [], tags: [{ tag: 'role', pattern: '^nothing$' }] },
    { nodes: ['a'], tags: [{ tag: 'none', pattern: '.' }] },
    { nodes: [], tags: [{ tag: 'role', pattern: '(' }] },
  ]
  for (const [i, filters] of forOthers.entries()) bench.hear('b', { ...QUESTION, id: i, filters })
  bench.hear('b', { ...QUESTION, id: 9, filters: { nodes: ['a', 'c'], tags: [] } })
  assert.deepEqual(asked(bench), ['9 uptime'])
  bench.pass(1000)
  assert.deepEqual([...new Set(bench.sentOf('query').map(({ id }) => id))].sort(), [0, 1, 2, 3, 9])
  assert.equal(bench.sentOf('query-response').length, 1)
})

test('an answer that comes late, is too large, or for a stranger is not sent', () => {
  const bench = new Bench()
  bench.hear('b', alive('b'), { ...QUESTION, wantsAck: false })
  bench.pass(3001)
  bench.input({ kind: 'answer', ref: { time: 5, id: 77 }, payload: NOTHING })
  bench.hear('b', { ...QUESTION, id: 2, wantsAck: false })
  bench.input({ kind: 'answer', ref: { time: 5, id: 2 }, payload: new Uint8Array(1020) })
  bench.hear('b', { ...QUESTION, id: 3, origin: 'stranger' })
  assert.deepEqual(bench.sentOf('query-response'), [])
  assert.equal(bench.core.counters.answersDropped, 2)
})

test('copies of an answer go by way of others, and each is counted once', () => {
  const bench = new Bench()
  bench.hear('b', alive('b'), alive('c'), alive('d'), alive('e'))
  bench.hear('b', { ...QUESTION, wantsAck: false, relayFactor: 2 })
  bench.input({ kind: 'answer', ref: { time: 5, id: 77 }, payload: NOTHING })
  const relays = bench.sent.filter(({ message }) => message.kind === 'relay')
  assert.equal(new Set(relays.map(({ to }) => to.address)).size, 2)
  assert.ok(relays.every(({ to }) => to.address !== addressOf('b').address))

  bench.input({ kind: 'ask', id: 1, wish: WISH })
  const [{ time, id } = assert.fail('told itself')] = of(bench, 'query')
    .slice(-1)
    .map(({ ref }) => ref)
  const response = { time, id, from: 'c', isAck: false, payload: NOTHING }
  bench.hear('d', { kind: 'relay', target: 'a', response })
  bench.hear('c', { kind: 'query-response', ...response })
  bench.hear('c', { kind: 'query-response', ...response, from: 'nobody known' })
  assert.deepEqual(
    of(bench, 'query-answer').map(({ from, isAck }) => [from, isAck]),
    [
      ['a', true],
      ['c', false],
    ],
  )
  bench.sent = []
  bench.hear('d', { kind: 'relay', target: 'e', response })
  bench.hear('d', { kind: 'relay', target: 'nobody known', response })
  assert.deepEqual(
    bench.sent.filter(({ message }) => message.kind === 'query-response').map(({ to }) => to),
    [addressOf('e')],
  )
})

test('a query closes at its deadline, which grows with the pool; what comes later is dropped', () => {
  const bench = new Bench()
  bench.hear('b', alive('b'))
  const start = bench.now
  bench.input({ kind: 'ask', id: 1, wish: WISH })
  const [ref = assert.fail('told itself')] = of(bench, 'query').map((effect) => effect.ref)
  bench.pass(start + 3199)
  assert.deepEqual(of(bench, 'query-closed'), [])
  bench.pass(start + 3201)
  assert.deepEqual(of(bench, 'query-closed'), [{ kind: 'query-closed', id: 1, problem: null }])
  bench.hear('b', { kind: 'query-response', ...ref, from: 'b', isAck: true, payload: NOTHING })
  assert.equal(of(bench, 'query-answer').length, 1, 'its own ack alone')
  assert.deepEqual(
    [1, 9, 10, 99, 999, 9999, 10_000].map((members) => queryTimeoutMs(200, members)),
    [3200, 3200, 6400, 6400, 9600, 12_800, 16_000],
  )
})

test('one that is too large is refused, one that is cancelled says no more', () => {
  const bench = new Bench()
  bench.hear('b', alive('b'))
  bench.input({ kind: 'ask', id: 1, wish: { ...WISH, payload: new Uint8Array(1024) } })
  const [closed] = of(bench, 'query-closed')
  assert.match(closed?.problem ?? '', /over the limit of 1024$/)
  bench.input({ kind: 'ask', id: 2, wish: WISH })
  bench.input({ kind: 'cancel-ask', id: 2 })
  bench.pass(10_000)
  assert.equal(of(bench, 'query-closed').length, 1)
})
