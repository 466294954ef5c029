/**
 * What is around the bytes of gossip: only what was sealed under the same label, unchanged, is opened (G16).
 */

import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { test } from 'node:test'
import fc from 'fast-check'
import { FrameReader } from '../../../../runtime/gossip/frame-reader.ts'
import { NO_TICKET, Seal } from '../../../../runtime/gossip/seal.ts'

const OPEN = { isSecret: false }
const body = fc.uint8Array({ minLength: 1, maxLength: 300 })

test('a sealed packet opens to its body', () => {
  const seal = new Seal('dc1')
  fc.assert(
    fc.property(body, (bytes) => {
      const packet = seal.sealPacket(bytes)
      assert.equal(packet.length, bytes.length + seal.packetOverhead)
      const opened = seal.openPacket(packet)
      assert.ok(opened.kind === 'opened')
      assert.deepEqual(Buffer.from(opened.body), Buffer.from(bytes))
    }),
  )
})

test('the bytes of version 1 are these for ever', () => {
  const seal = new Seal('dc1')
  const bytes = Buffer.from('abc')
  assert.equal(seal.sealPacket(bytes).toString('hex'), '010003646331352441c2616263')
  assert.equal(
    seal.sealRequest(bytes, OPEN).frame.toString('hex'),
    '01000364633100000007352441c2616263',
  )
})

test('no single changed byte goes unnoticed', () => {
  const seal = new Seal('dc1')
  fc.assert(
    fc.property(body, fc.nat(), fc.integer({ min: 1, max: 255 }), (bytes, at, flip) => {
      const packet = seal.sealPacket(bytes)
      const position = at % packet.length
      packet[position] = (packet[position] ?? 0) ^ flip
      assert.equal(seal.openPacket(packet).kind, 'refused')
    }),
  )
})

test('another label, version or mode is told apart', () => {
  const seal = new Seal('dc1')
  const packet = seal.sealPacket(Buffer.from('abc'))
  for (const label of ['dc2', '', 'dc', 'dc11']) {
    assert.deepEqual(new Seal(label).openPacket(packet), { kind: 'refused', reason: 'label' })
  }
  for (const at of [0, 1]) {
    const other = Buffer.from(packet)
    other[at] = 9
    assert.deepEqual(seal.openPacket(other), { kind: 'refused', reason: 'version' })
  }
  assert.throws(() => new Seal('x'.repeat(256)), /at most 255 bytes/)
})

test('any bytes are refused or opened, and never throw', () => {
  const seal = new Seal('dc1')
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      seal.openPacket(Buffer.from(bytes))
      new FrameReader(seal).push(Buffer.from(bytes))
    }),
  )
})

test('a stream in any pieces gives its body once it is whole', () => {
  const seal = new Seal('dc1')
  fc.assert(
    fc.property(body, fc.array(fc.integer({ min: 1, max: 50 })), (bytes, sizes) => {
      const { frame } = seal.sealRequest(bytes, OPEN)
      const reader = new FrameReader(seal)
      let at = 0
      for (const size of [...sizes, frame.length]) {
        if (at >= frame.length) break
        const result = reader.push(frame.subarray(at, at + size))
        at += size
        if (at < frame.length) assert.equal(result.kind, 'incomplete')
        else {
          assert.ok(result.kind === 'frame')
          const opened = seal.openRequest(result.frame)
          assert.ok(opened.kind === 'opened')
          assert.deepEqual(Buffer.from(opened.body), Buffer.from(bytes))
        }
      }
      assert.equal(reader.size, 0)
    }),
  )
})

test('a stream that announces too much, or is of another pool, is refused at once', () => {
  const seal = new Seal('dc1')
  const huge = Buffer.from('010003646331ffffffff', 'hex')
  assert.deepEqual(new FrameReader(seal).push(huge), {
    kind: 'refused',
    reason: 'malformed',
    label: '',
  })
  const other = new Seal('dc2').sealReply(new Uint8Array(0), NO_TICKET)
  assert.deepEqual(new FrameReader(seal).push(other), {
    kind: 'refused',
    reason: 'label',
    label: 'dc2',
  })
})
