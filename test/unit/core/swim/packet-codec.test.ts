/**
 * Packets of gossip: what goes in comes out, and nothing from outside does harm.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isMemberName } from '../../../../core/swim/fields.ts'
import type { PacketMessage } from '../../../../core/swim/messages.ts'
import {
  decodeCompound,
  decodeMessage,
  encodeCompound,
  encodeMessage,
} from '../../../../core/swim/packet-codec.ts'
import { packetMessage } from './messages.ts'

function plain(message: unknown): unknown {
  return JSON.parse(JSON.stringify(message))
}

test('a message that was encoded decodes to itself', () => {
  fc.assert(
    fc.property(packetMessage, (message) => {
      assert.deepEqual(plain(decodeMessage(encodeMessage(message))), plain(message))
    }),
  )
})

test('a compound keeps its parts and their order', () => {
  fc.assert(
    fc.property(fc.array(packetMessage, { minLength: 1, maxLength: 10 }), (messages) => {
      const decoded = decodeCompound(encodeCompound(messages.map(encodeMessage)))
      assert.deepEqual(plain(decoded), plain({ messages, malformed: 0, unknown: 0 }))
    }),
  )
})

test('the bytes of version 1 are these for ever', () => {
  const golden: readonly [PacketMessage, string][] = [
    [{ kind: 'ping', seq: 0x01020304, target: 'ab' }, '0001020304026162'],
    [
      {
        kind: 'indirect-ping',
        seq: 1,
        target: 'a',
        address: '10.0.0.9',
        port: 8301,
        wantsNack: true,
      },
      '01000000010161040a000009206d01',
    ],
    [{ kind: 'ack', seq: 2, payload: new Uint8Array([7]) }, '02000000020107'],
    [{ kind: 'suspect', incarnation: 3, name: 'a', from: 'b' }, '030000000301610162'],
    [
      {
        kind: 'alive',
        incarnation: 4,
        name: 'a',
        id: 'i',
        address: '::1',
        port: 1,
        meta: new Uint8Array([0]),
        versions: { min: 1, max: 1, current: 1 },
      },
      '0400000004016101690603' + '3a3a31' + '00010100010101',
    ],
    [{ kind: 'dead', incarnation: 5, name: 'a', from: 'a' }, '050000000501610161'],
    [{ kind: 'nack', seq: 6 }, '0b00000006'],
    [{ kind: 'leave-intent', time: 300, name: 'a', prune: true }, '0800ac02016101'],
    [{ kind: 'join-intent', time: 1, name: 'a' }, '0801010161'],
    [
      { kind: 'catalog-notice', epoch: 'c/1', term: 2, index: 300, beat: 4 },
      '082003632f3102ac0204',
    ],
  ]
  for (const [message, hex] of golden) {
    assert.equal(Buffer.from(encodeMessage(message)).toString('hex'), hex, message.kind)
  }
})

test('any bytes decode to messages and counts, and never throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1500 }), (bytes) => {
      const { messages, malformed, unknown } = decodeCompound(bytes)
      assert.equal(messages.length + malformed + unknown, Math.max(1, bytes[0] ?? 0))
      decodeMessage(bytes)
    }),
    { numRuns: 2000 },
  )
})

test('a damaged packet gives at most what it held, and never throws', () => {
  fc.assert(
    fc.property(
      fc.array(packetMessage, { minLength: 1, maxLength: 5 }),
      fc.nat(),
      fc.integer({ min: 0, max: 255 }),
      fc.nat(),
      (messages, position, value, cut) => {
        const bytes = encodeCompound(messages.map(encodeMessage))
        bytes[position % bytes.length] = value
        decodeCompound(bytes)
        const shorter = decodeCompound(bytes.subarray(0, cut % bytes.length))
        assert.ok(shorter.messages.length <= 255)
      },
    ),
    { numRuns: 1000 },
  )
})

test('parts that the end cuts off are dropped, those before are kept', () => {
  const ping = encodeMessage({ kind: 'ping', seq: 1, target: 'a' })
  const bytes = encodeCompound([ping, ping, ping])
  const { messages, malformed } = decodeCompound(bytes.subarray(0, bytes.length - 1))
  assert.equal(messages.length, 2)
  assert.equal(malformed, 1)
})

test('what a later version adds is passed over', () => {
  const ping = encodeMessage({ kind: 'ping', seq: 1, target: 'a' })
  const longer = new Uint8Array([...ping, 1, 2, 3])
  const { messages, unknown } = decodeCompound(encodeCompound([longer, new Uint8Array([200, 1])]))
  assert.deepEqual(messages, [{ kind: 'ping', seq: 1, target: 'a' }])
  assert.equal(unknown, 1)
})

test('names that would confuse files and logs are malformed', () => {
  for (const name of ['', 'a\nb', 'a\u0000', 'x'.repeat(256)]) {
    assert.equal(isMemberName(name), false)
    assert.equal(decodeMessage(encodeMessage({ kind: 'ping', seq: 1, target: name })), 'malformed')
  }
  assert.equal(isMemberName('web-1.example'), true)
})
