/**
 * Writing DNS packets: an independent decoder reads back what was written, compressed or not.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import dnsPacket from 'dns-packet'
import fc from 'fast-check'
import { type DnsQuery, decodeQuery } from '../../../../core/dns/decode.ts'
import {
  encodeRejection,
  encodeResponse,
  optSize,
  uncompressedSize,
} from '../../../../core/dns/encode.ts'
import { formatIp, parseIp } from '../../../../core/dns/ip.ts'
import { RCODE, TYPE } from '../../../../core/dns/protocol.ts'
import {
  ASKED_NAME,
  ASKED_NAME_LOWER,
  addressRecord,
  type DnsResponse,
  type ResourceRecord,
} from '../../../../core/dns/records.ts'

function ask(
  name: string,
  additionals: dnsPacket.Answer[] = [],
): { packet: Uint8Array; query: DnsQuery } {
  const packet = dnsPacket.encode({
    type: 'query',
    id: 4242,
    flags: dnsPacket.RECURSION_DESIRED,
    questions: [{ name, type: 'A' }],
    additionals,
  })
  const result = decodeQuery(packet)
  assert.ok(result.kind === 'query')
  return { packet, query: result.query }
}

function response(parts: Partial<DnsResponse>): DnsResponse {
  return {
    rcode: RCODE.NOERROR,
    authoritative: true,
    answers: [],
    authority: [],
    additional: [],
    ...parts,
  }
}

function encode(
  asked: { packet: Uint8Array; query: DnsQuery },
  answer: DnsResponse,
  compress = true,
): Uint8Array {
  const options = { compress, isTruncated: false, recursionAvailable: false }
  const bytes = encodeResponse(asked.packet, asked.query, answer, options)
  assert.ok(bytes !== null)
  return bytes
}

function decode(bytes: Uint8Array): dnsPacket.DecodedPacket {
  return dnsPacket.decode(Buffer.from(bytes))
}

const ip = (text: string): Uint8Array => parseIp(text) as Uint8Array

/** What the oracle should read for a record of ours. */
function expected(record: ResourceRecord, asked: string): Record<string, unknown> {
  const owner = record.owner === ASKED_NAME_LOWER ? asked.toLowerCase() : asked
  const head = { name: typeof record.owner === 'string' ? record.owner : owner, ttl: record.ttl }
  switch (record.type) {
    case TYPE.A:
    case TYPE.AAAA:
      return {
        ...head,
        type: record.address.length === 4 ? 'A' : 'AAAA',
        data: formatIp(record.address),
      }
    case TYPE.CNAME:
    case TYPE.PTR:
    case TYPE.NS: {
      const type = { [TYPE.CNAME]: 'CNAME', [TYPE.PTR]: 'PTR', [TYPE.NS]: 'NS' }[record.type]
      return { ...head, type, data: record.target }
    }
    case TYPE.SRV: {
      const { priority, weight, port, target } = record
      return { ...head, type: 'SRV', data: { priority, weight, port, target } }
    }
    case TYPE.TXT:
      return { ...head, type: 'TXT', data: [Buffer.from(record.text)] }
    case TYPE.SOA:
      return { ...head, type: 'SOA', data: { ...record.soa } }
  }
}

const label = fc.stringMatching(/^[A-Za-z0-9_-]{1,12}$/)
const name = fc.array(label, { minLength: 1, maxLength: 5 }).map((labels) => labels.join('.'))
const u16 = fc.integer({ min: 0, max: 65535 })
const u32 = fc.integer({ min: 0, max: 4294967295 })
const owner = fc.oneof(
  { weight: 2, arbitrary: name },
  fc.constant(ASKED_NAME),
  fc.constant(ASKED_NAME_LOWER),
)
const head = { owner, ttl: u32 }
const record: fc.Arbitrary<ResourceRecord> = fc.oneof(
  fc.tuple(owner, u32, fc.ipV4()).map(([o, ttl, text]) => addressRecord(o, ttl, ip(text))),
  fc.tuple(owner, u32, fc.constant('2001:db8::1')).map(([o, t, x]) => addressRecord(o, t, ip(x))),
  fc.record({
    type: fc.constantFrom(TYPE.CNAME, TYPE.PTR, TYPE.NS),
    ...head,
    target: name,
  }),
  fc.record({
    type: fc.constant(TYPE.SRV),
    ...head,
    priority: u16,
    weight: u16,
    port: u16,
    target: name,
  }),
  fc.record({ type: fc.constant(TYPE.TXT), ...head, text: fc.string({ maxLength: 60 }) }),
  fc.record({
    type: fc.constant(TYPE.SOA),
    ...head,
    soa: fc.record({
      mname: name,
      rname: name,
      serial: u32,
      refresh: u32,
      retry: u32,
      expire: u32,
      minimum: u32,
    }),
  }),
)

describe('encodeResponse', () => {
  it('writes what the oracle reads back, compressed or not', () => {
    const section = fc.array(record, { maxLength: 12 })
    fc.assert(
      fc.property(name, section, section, fc.boolean(), (asked, answers, additional, compress) => {
        const bytes = encode(ask(asked), response({ answers, additional }), compress)
        const packet = decode(bytes)
        const strip = (list: dnsPacket.Answer[] = []) =>
          list.map((a) => {
            const {
              class: _class,
              flush: _flush,
              ...rest
            } = a as unknown as Record<string, unknown>
            return rest
          })
        assert.deepEqual(
          strip(packet.answers),
          answers.map((r) => expected(r, asked)),
        )
        assert.deepEqual(
          strip(packet.additionals),
          additional.map((r) => expected(r, asked)),
        )
      }),
    )
  })

  it('computes the size without compression exactly, and compression never enlarges', () => {
    fc.assert(
      fc.property(name, fc.array(record, { maxLength: 12 }), (asked, answers) => {
        const question = ask(asked)
        const answer = response({ answers })
        const plain = encode(question, answer, false).length
        assert.equal(uncompressedSize(question.query, answer), plain)
        assert.ok(encode(question, answer, true).length <= plain)
      }),
    )
  })

  it('copies id, RD and the case of the question, and sets AA', () => {
    const question = ask('WEB.service.CONSUL')
    const bytes = encode(
      question,
      response({ answers: [addressRecord(ASKED_NAME, 5, ip('10.0.0.5'))] }),
    )
    const packet = decode(bytes)
    assert.equal(packet.id, 4242)
    assert.equal(packet.flag_qr && packet.flag_aa && packet.flag_rd, true)
    assert.equal(packet.flag_ra || packet.flag_tc || packet.flag_ad || packet.flag_cd, false)
    assert.equal(packet.questions?.[0]?.name, 'WEB.service.CONSUL')
    assert.equal(packet.answers?.[0]?.name, 'WEB.service.CONSUL')
  })

  it('writes lower-case owners where asked, and leaves other names independent of the question', () => {
    const answers = [
      addressRecord(ASKED_NAME_LOWER, 0, ip('127.128.0.1')),
      addressRecord('vm.CONSUL', 0, ip('10.0.0.1')),
    ]
    const packet = decode(encode(ask('PAY.virtual.CONSUL'), response({ answers })))
    assert.deepEqual(
      packet.answers?.map((a) => a.name),
      ['pay.virtual.consul', 'vm.CONSUL'],
    )
  })

  it('spells out SRV targets and lets later names point to them', () => {
    const target = 'vm-a.node.dc1.consul'
    const srv: ResourceRecord = {
      type: TYPE.SRV,
      owner: ASKED_NAME,
      ttl: 0,
      priority: 1,
      weight: 1,
      port: 80,
      target,
    }
    const question = ask('web.service.consul')
    const bytes = encode(
      question,
      response({ answers: [srv], additional: [addressRecord(target, 0, ip('10.0.0.5'))] }),
    )
    const srvSize = 2 + 10 + 6 + target.length + 2
    assert.equal(bytes.length, question.query.questionEnd + srvSize + 2 + 10 + 4)
  })

  it('echoes EDNS size and client subnet with scope 0', () => {
    const options = [{ code: 'CLIENT_SUBNET', family: 1, sourcePrefixLength: 24, ip: '10.9.8.0' }]
    const opt = { type: 'OPT', name: '.', udpPayloadSize: 1232, extendedRcode: 0, ednsVersion: 0 }
    const question = ask('a.consul', [
      { ...opt, flags: 0, flag_do: false, options } as unknown as dnsPacket.Answer,
    ])
    const bytes = encode(question, response({}))
    const [echoed] = decode(bytes).additionals ?? []
    assert.ok(echoed?.type === 'OPT')
    assert.equal(echoed.udpPayloadSize, 1232)
    const [subnet] = echoed.options as unknown as Record<string, unknown>[]
    assert.equal(subnet?.['sourcePrefixLength'], 24)
    assert.equal(subnet?.['scopePrefixLength'], 0)
    assert.equal(subnet?.['ip'], '10.9.8.0')
    assert.equal(bytes.length, question.query.questionEnd + optSize(question.query))
  })

  it('splits texts longer than a character string', () => {
    const text = 'é'.repeat(300)
    const record: ResourceRecord = { type: TYPE.TXT, owner: 'n.consul', ttl: 0, text }
    const packet = decode(encode(ask('n.consul'), response({ answers: [record] })))
    const [answer] = packet.answers ?? []
    assert.ok(answer?.type === 'TXT')
    const parts = answer.data as Buffer[]
    assert.deepEqual(
      parts.map((p) => p.length),
      [255, 255, 90],
    )
    assert.equal(Buffer.concat(parts).toString(), text)
  })

  it('is null for more than a message can hold', () => {
    const question = ask('a.consul')
    const answers = Array.from({ length: 300 }, (_, i): ResourceRecord => {
      return { type: TYPE.TXT, owner: `n${i}.consul`, ttl: 0, text: 'x'.repeat(250) }
    })
    const options = { compress: true, isTruncated: false, recursionAvailable: false }
    assert.equal(
      encodeResponse(question.packet, question.query, response({ answers }), options),
      null,
    )
  })
})

describe('encodeRejection', () => {
  it('sends back id, opcode and code with empty sections', () => {
    const request = Uint8Array.of(1, 2, (5 << 3) | 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 99)
    const packet = decode(encodeRejection(request, RCODE.NOTIMP))
    assert.equal(packet.id, 0x0102)
    const { rcode, opcode } = packet as unknown as Record<string, unknown>
    assert.deepEqual([rcode, opcode], ['NOTIMP', 'UPDATE'])
    assert.equal(packet.questions?.length, 0)
  })
})
