/**
 * One core, told things by hand: what it answers, what it believes, what it refuses.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseIpNetwork } from '../../../../core/ip-network.ts'
import type { MemberRow } from '../../../../core/swim/messages.ts'
import { decodeStreamMessage, encodeStreamMessage } from '../../../../core/swim/stream-codec.ts'
import { addressOf, alive, Bench } from './core-bench.ts'
import { packetMessage, streamMessage } from './messages.ts'

const CLOCKS = {
  lamportTime: 1,
  eventTime: 1,
  queryTime: 1,
  eventDigest: { high: 0, low: 0 },
} as const

test('alone it waits for nothing', () => {
  const bench = new Bench()
  assert.equal(bench.core.wakeAt, null)
  assert.equal(bench.core.queueLength, 0)
  assert.equal(bench.state('a'), 'alive alive 1')
})

test('precedence: a word counts when it is newer, or worse at the same incarnation', () => {
  const bench = new Bench()
  bench.hear('b', alive('b', { incarnation: 5 }))
  bench.hear('b', { kind: 'suspect', name: 'b', incarnation: 4, from: 'c' })
  assert.equal(bench.state('b'), 'alive alive 5')
  bench.hear('b', { kind: 'suspect', name: 'b', incarnation: 5, from: 'c' })
  assert.equal(bench.state('b'), 'suspect alive 5')
  bench.hear('b', alive('b', { incarnation: 5 }))
  assert.equal(bench.state('b'), 'suspect alive 5')
  bench.hear('b', alive('b', { incarnation: 6 }))
  assert.equal(bench.state('b'), 'alive alive 6')
  bench.hear('b', { kind: 'dead', name: 'b', incarnation: 6, from: 'c' })
  assert.equal(bench.state('b'), 'dead failed 6')
  bench.hear(
    'b',
    { kind: 'suspect', name: 'b', incarnation: 9, from: 'c' },
    alive('b', { incarnation: 6 }),
  )
  assert.equal(bench.state('b'), 'dead failed 6')
  bench.hear('b', { kind: 'dead', name: 'b', incarnation: 6, from: 'b' })
  assert.equal(bench.state('b'), 'left left 6')
  bench.hear('b', alive('b', { incarnation: 7 }))
  assert.equal(bench.state('b'), 'alive alive 7')
})

test('words about nobody known are not believed', () => {
  const bench = new Bench()
  bench.hear('b', { kind: 'suspect', name: 'x', incarnation: 1, from: 'b' })
  bench.hear('b', { kind: 'dead', name: 'x', incarnation: 1, from: 'b' })
  assert.equal(bench.core.members().length, 1)
  bench.hear('b', alive('x', { versions: { min: 0, max: 1, current: 1 } }))
  bench.hear('b', alive('x', { versions: { min: 2, max: 1, current: 1 } }))
  assert.equal(bench.core.members().length, 1)
})

test('accused, it objects with a higher incarnation at once, and the ack says so too', () => {
  const bench = new Bench()
  bench.hear('b', alive('b'))
  bench.sent = []
  bench.hear(
    'b',
    { kind: 'ping', seq: 7, target: 'a' },
    { kind: 'suspect', name: 'a', incarnation: 4, from: 'b' },
  )
  assert.equal(bench.core.self().incarnation, 5)
  assert.deepEqual(
    bench.sent.filter(({ message }) => message.kind === 'ack')[0]?.to,
    addressOf('b'),
  )
  assert.equal(bench.sentOf('alive').find(({ name }) => name === 'a')?.incarnation, 5)
  assert.equal(bench.core.healthScore, 1)
  bench.hear('b', { kind: 'dead', name: 'a', incarnation: 5, from: 'b' })
  assert.equal(bench.state('a'), 'alive alive 6')
  bench.hear('b', { kind: 'dead', name: 'a', incarnation: 6, from: 'a' })
  assert.equal(bench.state('a'), 'alive alive 7')
})

test('who declares dead what objected long ago is told so directly', () => {
  const bench = new Bench()
  bench.hear('b', alive('b'))
  bench.hear('c', alive('c', { incarnation: 3 }))
  bench.sent = []
  const told = (): readonly string[] =>
    bench.sent.flatMap(({ to, message }) =>
      message.kind === 'alive' && message.name === 'c' && to.address === addressOf('b').address
        ? [`${message.incarnation}`]
        : [],
    )
  bench.hear('x', { kind: 'dead', name: 'c', incarnation: 2, from: 'nobody' })
  bench.hear('x', { kind: 'dead', name: 'c', incarnation: 2, from: 'c' })
  assert.deepEqual(told(), [])
  bench.hear('x', { kind: 'dead', name: 'c', incarnation: 2, from: 'b' })
  assert.ok(told().includes('3'))
})

test('an echo of an earlier run of its own is outdone', () => {
  const bench = new Bench()
  bench.hear('b', alive('b'), alive('a', { incarnation: 1, meta: new Uint8Array(0) }))
  assert.equal(bench.core.self().incarnation, 2)
  bench.hear('b', alive('a', { incarnation: 2 }))
  assert.equal(bench.core.self().incarnation, 2, 'its own word is nothing to object to')
  bench.hear('b', alive('a', { incarnation: 40, port: 1 }))
  assert.equal(bench.core.self().incarnation, 41)
})

test('an absurd accusation needs two sources', () => {
  const bench = new Bench()
  const absurd = 2 ** 31
  const accuse = (from: string): void =>
    bench.hear('b', { kind: 'suspect', name: 'a', incarnation: absurd, from })
  accuse('b')
  accuse('b')
  assert.equal(bench.core.self().incarnation, 1)
  assert.equal(bench.core.counters.accusationsIgnored, 2)
  accuse('c')
  assert.equal(bench.core.self().incarnation, absurd + 1)
  bench.hear('b', { kind: 'suspect', name: 'a', incarnation: 2 ** 32 - 1, from: 'b' })
  bench.hear('b', { kind: 'suspect', name: 'a', incarnation: 2 ** 32 - 1, from: 'c' })
  assert.equal(bench.core.self().incarnation, absurd + 1, 'there is no number above the last')
})

test('a ping for another name is not answered; a ping from anybody for this one is', () => {
  const bench = new Bench()
  bench.hear('z', { kind: 'ping', seq: 1, target: 'former' })
  assert.equal(bench.sent.length, 0)
  bench.hear('z', { kind: 'ping', seq: 2, target: 'a' })
  assert.deepEqual(
    bench.sentOf('ack').map(({ seq }) => seq),
    [2],
  )
})

test('a probe: ping, then helpers and a stream, then suspicion, then death', () => {
  const bench = new Bench()
  bench.hear('b', alive('b'))
  bench.pass(1001)
  const [ping] = bench.sentOf('ping')
  assert.equal(ping?.target, 'b')
  bench.hear('c', alive('c'), alive('d'), alive('e'))
  bench.pass(bench.now + 500)
  const helpers = bench.sentOf('indirect-ping')
  assert.deepEqual(
    helpers.map(({ target, seq }) => [target, seq]),
    Array(3).fill(['b', ping?.seq]),
  )
  const exchange = bench.effects.find((effect) => effect.kind === 'exchange')
  assert.deepEqual(exchange?.to, addressOf('b'))
  bench.hear('c', { kind: 'nack', seq: ping?.seq ?? 0 })
  bench.pass(2100)
  assert.equal(bench.state('b'), 'suspect alive 1')
  assert.equal(bench.core.healthScore, 2, 'two of three helpers said nothing at all')
  assert.deepEqual(bench.sentOf('suspect')[0], {
    kind: 'suspect',
    name: 'b',
    incarnation: 1,
    from: 'a',
  })
  bench.hear('c', { kind: 'suspect', name: 'b', incarnation: 1, from: 'c' })
  bench.hear('c', { kind: 'suspect', name: 'b', incarnation: 1, from: 'd' })
  bench.pass(6200)
  assert.equal(bench.state('b'), 'dead failed 1')
  assert.deepEqual(bench.sentOf('dead')[0], { kind: 'dead', name: 'b', incarnation: 1, from: 'a' })
})

test('a late or relayed ack saves the member; an ack of another number does not', () => {
  for (const isRight of [true, false]) {
    const bench = new Bench()
    bench.hear('b', alive('b'))
    const ping = bench.passToPing()
    bench.pass(bench.now + 600)
    const seq = ping.seq + (isRight ? 0 : 1)
    bench.hear('c', { kind: 'ack', seq, payload: new Uint8Array(0) })
    bench.pass(bench.now + 500)
    assert.equal(bench.state('b'), isRight ? 'alive alive 1' : 'suspect alive 1')
  }
})

test('an answer over a stream saves the member, and the operator hears that UDP is blocked', () => {
  const bench = new Bench()
  bench.hear('b', alive('b'))
  bench.passToPing()
  bench.pass(bench.now + 600)
  const exchange = bench.effects.find((effect) => effect.kind === 'exchange')
  assert.ok(exchange?.kind === 'exchange')
  const ping = decodeStreamMessage(exchange.bytes)
  assert.ok(ping.kind === 'ping')
  const ack = { kind: 'ack', seq: ping.seq, payload: new Uint8Array(0) } as const
  const outcome = { kind: 'reply', bytes: encodeStreamMessage(ack) } as const
  bench.input({ kind: 'exchanged', id: exchange.id, outcome })
  bench.pass(bench.now + 500)
  assert.equal(bench.state('b'), 'alive alive 1')
  assert.deepEqual(bench.notices(), ['udp-blocked'])
})

test('it pings for others: passes the ack on, or says that there was none', () => {
  const bench = new Bench()
  bench.hear('b', alive('b'))
  bench.sent = []
  const request = {
    kind: 'indirect-ping',
    target: 'b',
    ...addressOf('b'),
    wantsNack: true,
  } as const
  bench.hear('c', { ...request, seq: 70 })
  const [ping] = bench.sentOf('ping')
  assert.ok(ping !== undefined && ping.seq !== 70)
  bench.hear('b', { kind: 'ack', seq: ping.seq, payload: new Uint8Array(0) })
  assert.deepEqual(
    bench.sent.filter(({ message }) => message.kind === 'ack').map(({ to }) => to),
    [addressOf('c')],
  )
  assert.deepEqual(
    bench.sentOf('ack').map(({ seq }) => seq),
    [70],
  )
  bench.hear('c', { ...request, seq: 71 })
  bench.pass(bench.now + 501)
  assert.deepEqual(
    bench.sentOf('nack').map(({ seq }) => seq),
    [71],
  )
  bench.sent = []
  bench.hear('c', { ...request, target: 'stranger', seq: 72 })
  bench.pass(bench.now + 501)
  assert.equal(
    bench.sentOf('nack').length +
      bench.sentOf('ping').filter((p) => p.target === 'stranger').length,
    0,
  )
})

test('a suspected member is told so with the ping', () => {
  const bench = new Bench()
  bench.hear('b', alive('b'), alive('c'), alive('d'), alive('e'))
  bench.hear('c', { kind: 'suspect', name: 'b', incarnation: 1, from: 'c' })
  bench.sent = []
  bench.pass(9000)
  const at = bench.sent.findIndex(
    ({ message }) => message.kind === 'ping' && message.target === 'b',
  )
  assert.deepEqual(bench.sent[at + 1]?.message, {
    kind: 'suspect',
    name: 'b',
    incarnation: 1,
    from: 'a',
  })
})

test('a name is not taken from a live host, nor from one that failed just now', () => {
  const bench = new Bench()
  bench.hear('b', alive('b'))
  const claim = alive('b', { id: 'other', port: 9, incarnation: 50 })
  bench.hear('z', claim, claim)
  assert.equal(bench.state('b'), 'alive alive 1')
  assert.equal(bench.core.counters.conflicts, 2)
  assert.deepEqual(bench.notices(), ['name-conflict'], 'told once')
  bench.hear('b', { kind: 'dead', name: 'b', incarnation: 1, from: 'a' })
  bench.hear('z', claim)
  assert.equal(bench.core.member('b')?.id, 'id-b')
  bench.pass(31_000)
  bench.hear('z', { ...claim, incarnation: 1 })
  assert.equal(bench.core.member('b')?.id, 'other')
  assert.equal(bench.state('b'), 'alive alive 1')
})

test('a host may come back under another address at once', () => {
  const bench = new Bench()
  bench.hear('b', alive('b', { incarnation: 3 }))
  bench.hear('b', alive('b', { incarnation: 3, port: 9 }))
  assert.equal(bench.core.member('b')?.port, 8301)
  bench.hear('b', alive('b', { incarnation: 4, port: 9 }))
  assert.equal(bench.core.member('b')?.port, 9)
})

test('nobody takes its own name from it', () => {
  const bench = new Bench()
  bench.hear('z', alive('a', { id: 'other', port: 9, incarnation: 50 }))
  assert.equal(bench.state('a'), 'alive alive 1')
  assert.deepEqual(bench.notices(), ['name-conflict'])
})

test('intents: an older one is not news, and one about a stranger waits for it', () => {
  const bench = new Bench()
  bench.hear('b', alive('b'))
  bench.hear('b', { kind: 'leave-intent', name: 'b', time: 10, prune: false })
  assert.equal(bench.state('b'), 'alive leaving 1')
  bench.hear('b', { kind: 'join-intent', name: 'b', time: 9 })
  assert.equal(bench.state('b'), 'alive leaving 1')
  bench.hear('b', { kind: 'join-intent', name: 'b', time: 11 })
  assert.equal(bench.state('b'), 'alive alive 1')
  assert.equal(bench.core.lamportTime, 12)
  bench.hear('b', { kind: 'leave-intent', name: 'c', time: 20, prune: false })
  bench.hear('b', alive('c'))
  assert.equal(bench.state('c'), 'alive leaving 1')
  bench.hear('b', { kind: 'dead', name: 'c', incarnation: 1, from: 'b' })
  assert.equal(bench.state('c'), 'dead left 1', 'it was leaving: that is no failure')
})

test('of a join and a leave of one time the join holds, whichever came first', () => {
  const leave = { kind: 'leave-intent', name: 'b', time: 10, prune: false } as const
  const join = { kind: 'join-intent', name: 'b', time: 10 } as const
  for (const order of [
    [leave, join],
    [join, leave],
    [leave, join, leave, join, leave],
  ]) {
    const bench = new Bench()
    bench.hear('b', alive('b'))
    for (const word of order) bench.hear('c', word)
    assert.equal(bench.state('b'), 'alive alive 1')
    bench.pass(20_000)
    bench.sent = []
    bench.hear('c', leave, join)
    bench.pass(20_000)
    assert.equal(bench.sentOf('leave-intent').length + bench.sentOf('join-intent').length, 0)
  }
})

test('an intent that it leaves is denied while it stays', () => {
  const bench = new Bench()
  bench.hear('b', alive('b'))
  bench.pass(3000)
  bench.sent = []
  bench.hear('b', { kind: 'leave-intent', name: 'a', time: 30, prune: true })
  bench.pass(4000)
  assert.equal(bench.core.self().status, 'alive')
  assert.deepEqual(bench.sentOf('join-intent')[0], { kind: 'join-intent', name: 'a', time: 31 })
})

test('a pruned member is not remembered by older words that are still under way', () => {
  const bench = new Bench()
  bench.hear('b', alive('b'), alive('c'), { kind: 'join-intent', name: 'c', time: 2 })
  bench.hear('b', { kind: 'dead', name: 'c', incarnation: 1, from: 'b' })
  bench.input({ kind: 'force-leave', name: 'c', prune: true })
  assert.equal(bench.core.member('c'), undefined)
  bench.sent = []
  bench.hear('b', { kind: 'leave-intent', name: 'c', time: 2, prune: false })
  bench.pass(5000)
  const said = bench.sentOf('leave-intent')
  assert.ok(said.length > 0 && said.every(({ time, prune }) => time === 3 && prune))
  bench.hear('b', alive('c', { incarnation: 2 }))
  assert.equal(bench.state('c'), 'alive alive 2', 'it may come back')
})

test('an operator whose word has the time of its own is contradicted all the same', () => {
  const bench = new Bench()
  bench.hear('b', alive('b'), { kind: 'leave-intent', name: 'a', time: 5, prune: false })
  bench.pass(3000)
  bench.sent = []
  bench.hear('b', { kind: 'leave-intent', name: 'a', time: 6, prune: false })
  bench.pass(6000)
  assert.ok(bench.sentOf('join-intent').every(({ time }) => time === 7))
  assert.ok(bench.sentOf('join-intent').length > 0)
})

test('queues run empty without new input', () => {
  const bench = new Bench()
  bench.hear('b', alive('b'), alive('c'), { kind: 'join-intent', name: 'b', time: 3 })
  assert.ok(bench.core.queueLength > 0)
  bench.pass(5000)
  assert.equal(bench.core.queueLength, 0)
})

test('a row of another table that says dead is a suspicion, and no second witness', () => {
  const bench = new Bench()
  bench.hear('b', alive('b'), alive('c'), alive('d'), alive('e'))
  const { kind: _, ...facts } = alive('b')
  const row: MemberRow = { ...facts, state: 'dead', statusTime: 0, hasLeft: false, isFresh: false }
  const merge = (from: string): void => {
    const bytes = encodeStreamMessage({
      kind: 'state',
      from,
      ...CLOCKS,
      isJoin: false,
      rows: [row],
      events: [],
    })
    bench.input({ kind: 'request', id: 1, from: addressOf(from), bytes })
  }
  merge('c')
  assert.equal(bench.state('b'), 'suspect alive 1')
  merge('d')
  merge('e')
  bench.pass(4500)
  assert.equal(bench.state('b'), 'suspect alive 1', 'unconfirmed, it lasts')
})

test('a pool without a common protocol version refuses the newcomer and changes nothing', () => {
  const bench = new Bench()
  const { kind: _, ...facts } = alive('b', { versions: { min: 2, max: 3, current: 2 } })
  const row: MemberRow = { ...facts, state: 'alive', statusTime: 0, hasLeft: false, isFresh: true }
  const bytes = encodeStreamMessage({
    kind: 'state',
    from: 'b',
    ...CLOCKS,
    isJoin: true,
    rows: [row],
    events: [],
  })
  const effects = bench.input({ kind: 'request', id: 1, from: addressOf('b'), bytes })
  const reply = effects.find((effect) => effect.kind === 'reply')
  assert.ok(reply !== undefined)
  const answer = decodeStreamMessage(reply.bytes)
  assert.ok(answer.kind === 'refusal' && /speaks gossip protocol/.test(answer.reason))
  assert.equal(bench.core.members().length, 1)
})

test('whatever others send, it neither throws nor forgets itself, and sends no packet too large', () => {
  const input = fc.oneof(
    packetMessage.map((message) => ({ kind: 'message' as const, message })),
    streamMessage.map((message) => ({ kind: 'stream' as const, message })),
    fc.uint8Array({ maxLength: 300 }).map((bytes) => ({ kind: 'bytes' as const, bytes })),
    fc.nat(3000).map((ms) => ({ kind: 'pass' as const, ms })),
  )
  fc.assert(
    fc.property(fc.array(input, { maxLength: 40 }), (inputs) => {
      const bench = new Bench()
      for (const one of inputs) {
        const from = addressOf('b')
        if (one.kind === 'message') bench.hear('b', one.message)
        else if (one.kind === 'pass') bench.pass(bench.now + one.ms)
        else {
          const bytes = one.kind === 'stream' ? encodeStreamMessage(one.message) : one.bytes
          bench.input({ kind: 'request', id: 1, from, bytes })
          bench.input({ kind: 'packet', from, bytes })
          const exchange = bench.effects.findLast((effect) => effect.kind === 'exchange')
          if (exchange?.kind === 'exchange') {
            const outcome = { kind: 'reply', bytes } as const
            bench.input({ kind: 'exchanged', id: exchange.id, outcome })
          }
        }
      }
      assert.equal(bench.core.self().state, 'alive')
      for (const effect of bench.effects) {
        if (effect.kind === 'packet') assert.ok(effect.bytes.length <= 1390)
      }
    }),
    { numRuns: 300 },
  )
})

test('a member at an address that is not allowed is not taken in, nor followed there', () => {
  const allowed = parseIpNetwork('10.0.0.0/29')
  assert.ok(allowed !== null)
  const bench = new Bench({ allowedNetworks: [allowed] })
  bench.hear('b', alive('b'), alive('z', { address: '10.0.0.26' }), alive('y', { address: '::1' }))
  assert.equal(bench.state('b'), 'alive alive 1')
  assert.equal(bench.core.member('z'), undefined)
  assert.equal(bench.core.member('y'), undefined)
  bench.hear('b', alive('b', { incarnation: 2, address: '192.168.0.1' }))
  assert.equal(bench.core.member('b')?.address, '10.0.0.2')
  assert.equal(bench.core.counters.addressesRefused, 3)
})

test('who suspects a dead member has missed its death, and is told', () => {
  const bench = new Bench()
  bench.hear('b', alive('b'), alive('c'), alive('d'))
  bench.hear('b', { kind: 'dead', name: 'd', incarnation: 1, from: 'b' })
  bench.pass(5000)
  bench.sent = []
  bench.hear('c', { kind: 'suspect', name: 'd', incarnation: 1, from: 'c' })
  const told = bench.sent.filter(({ message }) => message.kind === 'dead')
  assert.deepEqual(
    told.map(({ to, message }) => [to.address, message]),
    [[addressOf('c').address, { kind: 'dead', name: 'd', incarnation: 1, from: 'a' }]],
  )
  bench.sent = []
  bench.hear('c', { kind: 'suspect', name: 'd', incarnation: 1, from: 'stranger' })
  bench.hear('c', { kind: 'dead', name: 'd', incarnation: 0, from: 'c' })
  assert.deepEqual(bench.sentOf('dead'), [])
})

test('news is sent as often as the pool with its dead is large: copies go to them too', () => {
  const bench = new Bench()
  const names = [...'bcdefghijk']
  bench.hear('b', ...names.map((name) => alive(name)))
  for (const name of names.slice(4)) {
    bench.hear('b', { kind: 'dead', name, incarnation: 1, from: 'b' })
  }
  bench.hear('b', alive('b', { incarnation: 2 }))
  bench.pass(3000)
  const copies = bench.sentOf('alive').filter(({ name, incarnation: i }) => name === 'b' && i === 2)
  // Five live, eleven in all: 4 copies for each of two decimal digits, and not of one.
  assert.equal(copies.length, 8)
})
