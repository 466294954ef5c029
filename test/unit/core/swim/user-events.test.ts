/**
 * User events as one core sees them: told once, passed on when they are news, remembered for those who missed them.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StreamMessage, UserEvent } from '../../../../core/swim/messages.ts'
import { DIGEST_WORDS, type NameHash } from '../../../../core/swim/state-digest.ts'
import { decodeStreamMessage, encodeStreamMessage } from '../../../../core/swim/stream-codec.ts'
import { addressOf, alive, Bench } from './core-bench.ts'

const deploy = { name: 'deploy', payload: Uint8Array.of(1, 2) }

function told(bench: Bench): string[] {
  return bench.effects.flatMap((effect) =>
    effect.kind === 'user-event' ? [`${effect.event.time} ${effect.event.name}`] : [],
  )
}

/** What this core answers to one who joins with these events. */
function joins(bench: Bench, eventTime: number, events: readonly UserEvent[]): StreamMessage {
  const { kind: _, ...facts } = alive('b')
  const row = { ...facts, state: 'alive', statusTime: 0, hasLeft: false, isFresh: true } as const
  const clocks = { lamportTime: 1, eventTime, queryTime: 1, eventDigest: { high: 0, low: 0 } }
  const state = { kind: 'state', from: 'b', ...clocks, isJoin: true, rows: [row], events } as const
  const request = { kind: 'request', id: 1, from: addressOf('b') } as const
  const effects = bench.input({ ...request, bytes: encodeStreamMessage(state) })
  const reply = effects.find((effect) => effect.kind === 'reply')
  assert.ok(reply?.kind === 'reply')
  return decodeStreamMessage(reply.bytes)
}

test('a fired event is told here at once and passed on', () => {
  const bench = new Bench()
  bench.hear('b', alive('b'))
  bench.input({ kind: 'fire', ...deploy })
  bench.input({ kind: 'fire', ...deploy })
  assert.deepEqual(told(bench), ['1 deploy', '2 deploy'])
  bench.pass(500)
  const times = new Set(bench.sentOf('user-event').map(({ time }) => time))
  assert.deepEqual([...times].sort(), [1, 2])
})

test('what is heard again is neither told nor passed on again', () => {
  const bench = new Bench()
  bench.hear('b', alive('b'))
  bench.hear('b', { kind: 'user-event', time: 5, ...deploy })
  bench.pass(5000)
  assert.equal(bench.core.queueLength, 0)
  bench.hear('b', { kind: 'user-event', time: 5, ...deploy })
  assert.equal(bench.core.queueLength, 0)
  assert.deepEqual(told(bench), ['5 deploy'])
  assert.equal(bench.core.eventTime, 6)
  const other = { ...deploy, payload: Uint8Array.of(9) }
  bench.hear('b', { kind: 'user-event', time: 5, ...other })
  assert.equal(told(bench).length, 2, 'another event of the same time')
})

test('an event that comes late by the whole window is dropped and counted', () => {
  const bench = new Bench()
  bench.hear('b', alive('b'), { kind: 'user-event', time: 1000, ...deploy })
  bench.hear('b', { kind: 'user-event', time: 489, ...deploy })
  bench.hear('b', { kind: 'user-event', time: 488, ...deploy })
  assert.deepEqual(told(bench), ['1000 deploy', '489 deploy'])
  assert.equal(bench.core.counters.eventsTooOld, 1)
})

test('a newcomer is not told what was said before, and hands it on all the same', () => {
  const bench = new Bench()
  const past = { time: 7, ...deploy }
  const answer = joins(bench, 8, [past])
  assert.ok(answer.kind === 'state')
  assert.deepEqual(answer.events, [past])
  assert.equal(answer.eventTime, 8)
  bench.hear('b', { kind: 'user-event', ...past })
  assert.deepEqual(told(bench), [])
  bench.hear('b', { kind: 'user-event', time: 8, ...deploy })
  assert.deepEqual(told(bench), ['8 deploy'])
})

test('who was there already is told what a stream brings, and does not pass it on', () => {
  const bench = new Bench()
  bench.hear('c', alive('c'))
  bench.pass(5000)
  bench.sent = []
  joins(bench, 8, [{ time: 7, ...deploy }])
  assert.deepEqual(told(bench), ['7 deploy'])
  bench.pass(10_000)
  assert.deepEqual(bench.sentOf('user-event'), [])
})

test('a comparison brings events only where the two remember different ones', () => {
  const bench = new Bench()
  bench.hear('b', alive('b'), { kind: 'user-event', time: 3, ...deploy })
  const joined = joins(bench, 4, [])
  assert.ok(joined.kind === 'state')
  const { lamportTime, eventTime, queryTime, eventDigest } = joined
  const compare = (theirs: NameHash): readonly UserEvent[] => {
    const clocks = { lamportTime, eventTime, queryTime, eventDigest: theirs }
    const digest = new Uint32Array(DIGEST_WORDS)
    const bytes = encodeStreamMessage({ kind: 'digest', from: 'b', ...clocks, digest })
    const request = { kind: 'request', id: 1, from: addressOf('b'), bytes } as const
    const reply = bench.input(request).find((effect) => effect.kind === 'reply')
    assert.ok(reply?.kind === 'reply')
    const answer = decodeStreamMessage(reply.bytes)
    assert.ok(answer.kind === 'differences')
    return answer.events
  }
  assert.deepEqual(compare(eventDigest), [])
  assert.deepEqual(compare({ high: 1, low: 2 }), [{ time: 3, ...deploy }])
})
