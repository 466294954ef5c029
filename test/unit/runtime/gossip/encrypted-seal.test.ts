/**
 * Encrypted gossip: only who has a key of the pool opens it, once, unchanged, as the answer to its own question.
 */

import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { GossipKey } from '../../../../core/swim/gossip-key.ts'
import { Keyring } from '../../../../core/swim/keyring.ts'
import { MemberCipher } from '../../../../runtime/gossip/member-cipher.ts'
import { ReplayWindow, WINDOW_SIZE } from '../../../../runtime/gossip/replay-window.ts'
import { Seal } from '../../../../runtime/gossip/seal.ts'

const OPEN = { isSecret: false }
const body = fc.uint8Array({ minLength: 0, maxLength: 300 })
let runs = 0

function key(fill: number, size = 32): GossipKey {
  const made = GossipKey.fromBytes(new Uint8Array(size).fill(fill))
  assert.ok(made instanceof GossipKey)
  return made
}

interface SealOptions {
  readonly label?: string
  readonly verifyIncoming?: boolean
  readonly verifyOutgoing?: boolean
}

/** A member of its own run. */
function sealWith(ring: Keyring, options: SealOptions = {}): Seal {
  const { label = 'dc1', verifyIncoming = true, verifyOutgoing = true } = options
  const sender = Buffer.alloc(8)
  sender.writeUInt32BE(++runs)
  const cipher = new MemberCipher(ring, sender)
  return new Seal(label, { cipher, verifyIncoming, verifyOutgoing })
}

function refusal(opened: { readonly kind: string; readonly reason?: string }): string {
  return opened.reason ?? opened.kind
}

describe('an encrypted packet', () => {
  it('is opened by who has the key, whatever its size', () => {
    for (const size of [16, 24, 32]) {
      const from = sealWith(new Keyring([key(1, size)]))
      const to = sealWith(new Keyring([key(1, size)]))
      fc.assert(
        fc.property(body, (bytes) => {
          const packet = from.sealPacket(bytes)
          assert.equal(packet.length, bytes.length + from.packetOverhead)
          const opened = to.openPacket(packet)
          assert.ok(opened.kind === 'opened' && opened.isEncrypted)
          assert.deepEqual(Buffer.from(opened.body), Buffer.from(bytes))
        }),
        { numRuns: 50 },
      )
    }
  })

  it('is of no use when a single byte was changed', () => {
    const from = sealWith(new Keyring([key(1)]))
    const to = sealWith(new Keyring([key(1)]))
    fc.assert(
      fc.property(body, fc.nat(), fc.integer({ min: 1, max: 255 }), (bytes, at, flip) => {
        const packet = from.sealPacket(bytes)
        const position = at % packet.length
        packet[position] = (packet[position] ?? 0) ^ flip
        assert.equal(to.openPacket(packet).kind, 'refused')
      }),
    )
  })

  it('hides what it says, and never repeats a byte string', () => {
    const from = sealWith(new Keyring([key(1)]))
    const bytes = Buffer.from('the same words each time')
    const seen = new Set<string>()
    for (let i = 0; i < 100; i++) {
      const packet = from.sealPacket(bytes)
      assert.ok(!packet.includes('words'))
      seen.add(packet.subarray(5).toString('hex').slice(32))
    }
    assert.equal(seen.size, 100)
  })

  it('is opened once', () => {
    const from = sealWith(new Keyring([key(1)]))
    const to = sealWith(new Keyring([key(1)]))
    const packets = Array.from({ length: 3 }, (_, i) => from.sealPacket(Buffer.from([i])))
    for (const i of [2, 0, 1]) assert.equal(to.openPacket(packets[i] as Buffer).kind, 'opened')
    for (const packet of packets) assert.equal(refusal(to.openPacket(packet)), 'replay')
  })

  it('of another key, label or without encryption is told apart', () => {
    const ours = sealWith(new Keyring([key(1)]))
    const bytes = Buffer.from('abc')
    const plain = new Seal('dc1')
    assert.equal(refusal(ours.openPacket(sealWith(new Keyring([key(2)])).sealPacket(bytes))), 'key')
    assert.equal(refusal(ours.openPacket(plain.sealPacket(bytes))), 'plain')
    assert.equal(refusal(plain.openPacket(ours.sealPacket(bytes))), 'encrypted')
    const other = sealWith(new Keyring([key(1)]), { label: 'dc2' })
    assert.equal(refusal(ours.openPacket(other.sealPacket(bytes))), 'label')
  })

  it('of nobody we know leaves nothing behind', () => {
    const to = new MemberCipher(new Keyring([key(1)]), Buffer.alloc(8, 9))
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        assert.equal(to.decrypt('packet', Buffer.from(bytes), Buffer.alloc(0)).kind, 'refused')
      }),
    )
    assert.equal(to.senders, 0)
  })
})

describe('a keyring that is rotated', () => {
  it('opens with every key and seals with the first', () => {
    const [a, b] = [new Keyring([key(1)]), new Keyring([key(1)])]
    const [from, to] = [sealWith(a), sealWith(b)]
    const passes = (): string => refusal(to.openPacket(from.sealPacket(Buffer.from('x'))))
    const bothDo = (kind: 'install' | 'use' | 'remove', fill: number): void => {
      for (const ring of [a, b]) {
        const outcome = ring.after({ kind, key: key(fill) })
        assert.ok(outcome.kind === 'keys')
        ring.replace(outcome.keys)
        assert.equal(passes(), 'opened')
      }
    }
    bothDo('install', 2)
    bothDo('use', 2)
    bothDo('remove', 1)
    assert.equal(refusal(to.openPacket(sealWith(new Keyring([key(1)])).sealPacket(body1()))), 'key')
  })

  it('no longer opens what a sender seals with a key that was removed', () => {
    const ring = new Keyring([key(1), key(2)])
    const to = sealWith(ring)
    const from = sealWith(new Keyring([key(2)]))
    assert.equal(refusal(to.openPacket(from.sealPacket(body1()))), 'opened')
    ring.replace(ring.keys.slice(0, 1))
    assert.equal(refusal(to.openPacket(from.sealPacket(body1()))), 'key')
  })
})

describe('an encrypted stream', () => {
  const ring = new Keyring([key(3)])

  it('carries a request and its own answer', () => {
    const [asker, asked] = [sealWith(ring), sealWith(ring)]
    const { frame, ticket } = asker.sealRequest(Buffer.from('question'), OPEN)
    const request = asked.openRequest(frame)
    assert.ok(request.kind === 'opened' && request.isEncrypted)
    assert.equal(Buffer.from(request.body).toString(), 'question')
    const reply = asked.sealReply(Buffer.from('answer'), request.ticket)
    const other = asker.sealRequest(Buffer.from('question'), OPEN)
    assert.equal(refusal(asker.openReply(reply, other.ticket)), 'key', 'it answers another request')
    const opened = asker.openReply(reply, ticket)
    assert.ok(opened.kind === 'opened')
    assert.equal(Buffer.from(opened.body).toString(), 'answer')
    assert.equal(refusal(asked.openRequest(frame)), 'replay')
  })

  it('is no packet, and a request is no answer', () => {
    const [asker, asked] = [sealWith(ring), sealWith(ring)]
    const { frame } = asker.sealRequest(body1(), OPEN)
    assert.equal(asked.openPacket(frame).kind, 'refused')
    assert.equal(refusal(asked.openReply(frame, Buffer.alloc(0))), 'key')
  })
})

describe('encryption that is being introduced', () => {
  it('is understood before it is spoken, and spoken before it is demanded', () => {
    const ring = new Keyring([key(4)])
    const first = sealWith(ring, { verifyIncoming: false, verifyOutgoing: false })
    const second = sealWith(ring, { verifyIncoming: false, verifyOutgoing: true })
    const third = sealWith(ring)
    const says = (from: Seal, to: Seal): string => refusal(to.openPacket(from.sealPacket(body1())))
    assert.deepEqual(
      [says(first, second), says(second, first), says(second, third), says(third, second)],
      ['opened', 'opened', 'opened', 'opened'],
    )
    assert.equal(says(first, third), 'plain')
  })

  it('keeps secrets secret meanwhile', () => {
    const ring = new Keyring([key(4)])
    const first = sealWith(ring, { verifyIncoming: false, verifyOutgoing: false })
    const { frame, ticket } = first.sealRequest(Buffer.from('secret'), { isSecret: true })
    assert.ok(!frame.includes('secret'))
    const request = first.openRequest(frame)
    assert.ok(request.kind === 'opened' && request.isEncrypted)
    const reply = first.sealReply(Buffer.from('secret'), request.ticket)
    assert.ok(!reply.includes('secret'))
    assert.equal(refusal(first.openReply(reply, ticket)), 'opened')
  })
})

describe('the window of numbers seen', () => {
  it('accepts each number once, and none that is too old', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 4 * WINDOW_SIZE }), { maxLength: 200 }),
        (counts) => {
          const window = new ReplayWindow()
          const accepted = new Set<number>()
          let highest = 0
          for (const count of counts) {
            const expected = !accepted.has(count) && count > highest - WINDOW_SIZE
            assert.equal(window.isNew(count), expected, `${count} after ${highest}`)
            if (!expected) continue
            window.note(count)
            accepted.add(count)
            highest = Math.max(highest, count)
          }
        },
      ),
    )
  })
})

function body1(): Buffer {
  return Buffer.from('x')
}
