/**
 * Cache keys of questions agree with the full decoder.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import dnsPacket from 'dns-packet'
import fc from 'fast-check'
import { QuestionReader } from '../../../../agent/dns/question-key.ts'
import { decodeQuery } from '../../../../core/dns/decode.ts'

const reader = new QuestionReader()

function query(name: string, type: dnsPacket.RecordType, opt?: object): Buffer {
  const base = { type: 'OPT', name: '.', udpPayloadSize: 1232, extendedRcode: 0, ednsVersion: 0 }
  const additionals = opt === undefined ? [] : [{ ...base, flags: 0, options: [], ...opt }]
  return dnsPacket.encode({
    type: 'query',
    id: 7,
    questions: [{ name, type }],
    additionals: additionals as unknown as dnsPacket.Answer[],
  })
}

describe('QuestionReader', () => {
  it('gives one key to every spelling of a question, and tells capitals', () => {
    const lower = reader.read(query('web.service.consul', 'A'))
    assert.equal(reader.isMixedCase, false)
    assert.equal(reader.nameEnd, 12 + 20)
    assert.notEqual(lower, '')
    assert.equal(reader.read(query('WEB.Service.consul', 'A')), lower)
    assert.equal(reader.isMixedCase, true)
  })

  it('gives different keys to different names, types and EDNS sizes', () => {
    const packets = [
      query('web.service.consul', 'A'),
      query('web.service.consul', 'AAAA'),
      query('web.service.consu', 'A'),
      query('webservice.consul', 'A'),
      query('web.service.consul', 'A', {}),
      query('web.service.consul', 'A', { udpPayloadSize: 4096 }),
    ]
    assert.equal(new Set(packets.map((packet) => reader.read(packet))).size, packets.length)
  })

  it('tells types apart that differ only in what letters would', () => {
    const a = query('web.service.consul', 'A')
    const b = Buffer.from(a)
    a[a.length - 3] = 0x41
    b[b.length - 3] = 0x61
    assert.notEqual(reader.read(a), reader.read(b))
  })

  it('leaves other classes to the decoder: a kept answer echoes the class', () => {
    const chaos = query('web.service.consul', 'A')
    chaos.writeUInt16BE(3, chaos.length - 2)
    assert.equal(reader.read(chaos), '')
    chaos.writeUInt16BE(0x101, chaos.length - 2)
    assert.equal(reader.read(chaos), '')
  })

  it('passes over cookies but leaves a client subnet to the decoder', () => {
    const plain = reader.read(query('a.consul', 'A', {}))
    const cookie = { code: 10, data: Buffer.alloc(8) }
    assert.equal(reader.read(query('a.consul', 'A', { options: [cookie] })), plain)
    const subnet = { code: 'CLIENT_SUBNET', family: 1, sourcePrefixLength: 24, ip: '10.9.8.0' }
    assert.equal(reader.read(query('a.consul', 'A', { options: [subnet] })), '')
  })

  it('has a key only for what the decoder accepts, whatever the bytes', () => {
    const bytes = fc.oneof(
      fc.constantFrom(0, 1, 3, 41, 63, 64, 65, 0xc0),
      fc.integer({ min: 0, max: 255 }),
    )
    const head = fc.constantFrom(
      [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0],
      [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1],
      [0, 1, 0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0],
    )
    const nearQuery = fc
      .tuple(head, fc.array(bytes, { maxLength: 60 }))
      .map(([start, rest]) => Buffer.from([...start, ...rest]))
    const truncated = fc.tuple(fc.nat(60), fc.nat(255), fc.nat(60)).map(([at, value, size]) => {
      const packet = query('web.service.consul', 'SRV', {})
      if (at < packet.length) packet[at] = value
      return packet.subarray(0, size)
    })
    fc.assert(
      fc.property(fc.oneof(nearQuery, truncated), (packet) => {
        if (reader.read(packet) === '') return
        const decoded = decodeQuery(packet)
        assert.ok(decoded.kind === 'query')
        assert.equal(decoded.query.questionEnd, reader.nameEnd + 4)
        assert.equal(decoded.query.edns?.clientSubnet ?? null, null)
      }),
      { numRuns: 5000 },
    )
  })
})
