/**
 * Reading DNS packets: what is accepted, rejected and dropped, against dns-packet and random bytes.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import dnsPacket from 'dns-packet'
import fc from 'fast-check'
import { type DnsQuery, decodeQuery } from '../../../../core/dns/decode.ts'
import { decodeReplyAddresses, decodeReplyHeader } from '../../../../core/dns/decode-reply.ts'
import { RCODE } from '../../../../core/dns/protocol.ts'

function query(name: string, type: dnsPacket.RecordType, extra: Partial<dnsPacket.Packet> = {}) {
  return dnsPacket.encode({ type: 'query', id: 77, questions: [{ name, type }], ...extra })
}

function decoded(packet: Uint8Array): DnsQuery {
  const result = decodeQuery(packet)
  if (result.kind !== 'query') assert.fail(`not a query: ${JSON.stringify(result)}`)
  return result.query
}

function rejected(packet: Uint8Array): number | 'drop' {
  const result = decodeQuery(packet)
  if (result.kind === 'query') assert.fail('accepted')
  return result.kind === 'drop' ? 'drop' : result.rcode
}

function edns(udpPayloadSize: number, options: dnsPacket.PacketOpt[] = []) {
  const opt = { type: 'OPT', name: '.', udpPayloadSize, extendedRcode: 0, ednsVersion: 0 }
  return { additionals: [{ ...opt, flags: 0, flag_do: false, options } as dnsPacket.Answer] }
}

describe('decodeQuery', () => {
  it('reads header, question and letter case', () => {
    const flags = dnsPacket.RECURSION_DESIRED
    const q = decoded(query('Web.SERVICE.consul', 'SRV', { flags }))
    assert.deepEqual(
      [q.id, q.opcode, q.recursionDesired, q.type, q.isMixedCase, q.edns],
      [77, 0, true, 33, true, null],
    )
    assert.deepEqual(q.labels, ['web', 'service', 'consul'])
    assert.equal(q.questionEnd, 12 + 20 + 4)
    assert.equal(decoded(query('web.consul', 'A')).isMixedCase, false)
    assert.deepEqual(decoded(query('.', 'A')).labels, [])
  })

  it('reads the EDNS size and the client subnet', () => {
    assert.deepEqual(decoded(query('a.consul', 'A', edns(1232))).edns, {
      udpSize: 1232,
      clientSubnet: null,
    })
    const subnet = { code: 'CLIENT_SUBNET', family: 1, sourcePrefixLength: 24, ip: '10.9.8.0' }
    const q = decoded(
      query('a.consul', 'A', edns(4096, [subnet as unknown as dnsPacket.PacketOpt])),
    )
    assert.deepEqual(q.edns?.clientSubnet, {
      family: 1,
      sourcePrefix: 24,
      address: Uint8Array.of(10, 9, 8),
    })
  })

  it('drops what is no query and rejects what it cannot serve', () => {
    const good = query('web.service.consul', 'A')
    assert.equal(rejected(good.subarray(0, 11)), 'drop')
    const response = Buffer.from(good)
    response[2] = 0x80
    assert.equal(rejected(response), 'drop')
    const update = Buffer.from(good)
    update[2] = 5 << 3
    assert.equal(rejected(update), RCODE.NOTIMP)
    for (const count of [0, 2]) {
      const packet = Buffer.from(good)
      packet[5] = count
      assert.equal(rejected(packet), RCODE.FORMERR)
    }
    for (let size = 12; size < good.length; size++) {
      assert.equal(rejected(good.subarray(0, size)), RCODE.FORMERR, `cut at ${size}`)
    }
  })

  it('refuses compressed questions, pointer loops and over-long names', () => {
    const head = [0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    const loop = Uint8Array.of(...head, 0xc0, 12, 0, 1, 0, 1)
    assert.equal(rejected(loop), RCODE.FORMERR)
    const back = Uint8Array.of(...head, 1, 97, 0xc0, 12, 0, 1, 0, 1)
    assert.equal(rejected(back), RCODE.FORMERR)
    const reserved = Uint8Array.of(...head, 0x80, 97, 0, 0, 1, 0, 1)
    assert.equal(rejected(reserved), RCODE.FORMERR)
    const label = [63, ...new Array<number>(63).fill(97)]
    const fits = [...label, ...label, ...label, 61, ...new Array<number>(61).fill(97), 0]
    assert.equal(fits.length, 255)
    assert.equal(decoded(Uint8Array.of(...head, ...fits, 0, 1, 0, 1)).labels.length, 4)
    const long = [...label, ...label, ...label, 62, ...new Array<number>(62).fill(97), 0]
    assert.equal(rejected(Uint8Array.of(...head, ...long, 0, 1, 0, 1)), RCODE.FORMERR)
  })

  it('refuses malformed additional records', () => {
    const good = query('a.consul', 'A', edns(4096))
    for (let size = 26; size < good.length; size++) {
      assert.equal(rejected(good.subarray(0, size)), RCODE.FORMERR, `cut at ${size}`)
    }
    const two = { additionals: [...edns(512).additionals, ...edns(512).additionals] }
    assert.equal(rejected(query('a.consul', 'A', two)), RCODE.FORMERR)
  })

  it('never throws and never hangs on random bytes', () => {
    const header = fc.constantFrom(
      [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0],
      [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 2],
    )
    const tail = fc.array(
      fc.oneof(fc.constantFrom(0, 1, 3, 0xc0, 12, 13, 41, 8), fc.integer({ min: 0, max: 255 })),
      { maxLength: 300 },
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 600 }),
          fc.tuple(header, tail).map((p) => Uint8Array.from(p.flat())),
        ),
        (bytes) => {
          decodeQuery(bytes)
          decodeReplyHeader(bytes)
          decodeReplyAddresses(bytes)
          const asReply = Uint8Array.from(bytes)
          asReply[2] = 0x80
          decodeReplyAddresses(asReply)
        },
      ),
      { numRuns: 3000 },
    )
  })

  it('reads every query that the oracle writes', () => {
    const label = fc.stringMatching(/^[A-Za-z0-9_-]{1,20}$/)
    fc.assert(
      fc.property(fc.array(label, { minLength: 1, maxLength: 8 }), (labels) => {
        const q = decoded(query(labels.join('.'), 'AAAA'))
        assert.deepEqual(
          q.labels,
          labels.map((l) => l.toLowerCase()),
        )
        assert.equal(q.type, 28)
      }),
    )
  })
})

describe('decodeReplyAddresses', () => {
  const answers: dnsPacket.Answer[] = [
    { type: 'CNAME', name: 'db.example.com', ttl: 60, data: 'real.example.com' },
    { type: 'TXT', name: 'real.example.com', ttl: 60, data: 'x' },
    { type: 'A', name: 'real.example.com', ttl: 60, data: '192.0.2.1' },
    { type: 'AAAA', name: 'real.example.com', ttl: 60, data: '2001:db8::1' },
  ]
  const reply = dnsPacket.encode({
    type: 'response',
    id: 9,
    flags: dnsPacket.TRUNCATED_RESPONSE | 3,
    questions: [{ type: 'A', name: 'db.example.com' }],
    answers,
  })

  it('keeps addresses and aliases in order', () => {
    const records = decodeReplyAddresses(reply)
    assert.deepEqual(
      records?.map((r) => [r.type, r.owner]),
      [
        [5, 'db.example.com'],
        [1, 'real.example.com'],
        [28, 'real.example.com'],
      ],
    )
    assert.deepEqual(decodeReplyHeader(reply), { id: 9, rcode: 3, isTruncated: true })
  })

  it('is null for a reply cut anywhere', () => {
    for (let size = 12; size < reply.length; size++) {
      assert.equal(decodeReplyAddresses(reply.subarray(0, size)), null, `cut at ${size}`)
    }
  })
})
