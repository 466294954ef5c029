/**
 * Limits and truncation of DNS answers (dns.md 11).
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import dnsPacket from 'dns-packet'
import fc from 'fast-check'
import { answerInstances } from '../../../../core/dns/answer-service.ts'
import { type DnsQuery, decodeQuery } from '../../../../core/dns/decode.ts'
import { encodeFitting, type FitOptions } from '../../../../core/dns/fit.ts'
import { InstanceList } from '../../../../core/dns/instances.ts'
import type { DnsResponse } from '../../../../core/dns/records.ts'
import { seededRng } from '../../../../core/rng.ts'
import { wallTime } from '../../../../core/time.ts'
import { dnsConfig, entry, manyInstances, node, service } from './example-catalog.ts'

const OPTIONS: FitOptions = {
  transport: 'udp',
  compress: true,
  recursionAvailable: false,
  enableTruncate: false,
  udpAnswerLimit: 3,
}

function ask(type: 'A' | 'SRV', udpPayloadSize?: number): { packet: Uint8Array; query: DnsQuery } {
  const opt = { type: 'OPT', name: '.', extendedRcode: 0, ednsVersion: 0, flags: 0, options: [] }
  const packet = dnsPacket.encode({
    type: 'query',
    id: 1,
    questions: [{ name: 'web.service.consul', type }],
    additionals:
      udpPayloadSize === undefined
        ? []
        : [{ ...opt, udpPayloadSize, flag_do: false } as unknown as dnsPacket.Answer],
  })
  const result = decodeQuery(packet)
  assert.ok(result.kind === 'query')
  return { packet, query: result.query }
}

function webResponse(type: number, count: number): DnsResponse {
  const instances = new InstanceList({ onlyPassing: false }).healthy(manyInstances('web', count))
  const config = dnsConfig()
  const soa = { zone: 'consul', config, now: wallTime(0) }
  const question = { type, zone: 'consul', name: 'web.service.consul', ttl: 0, soa }
  return answerInstances(instances, question, config, seededRng(count)).response
}

function fit(
  type: 'A' | 'SRV',
  count: number,
  options: Partial<FitOptions> = {},
  size?: number,
): { packet: dnsPacket.DecodedPacket; size: number } {
  const asked = ask(type, size)
  const answer = webResponse(type === 'A' ? 1 : 33, count)
  const bytes = encodeFitting(asked.packet, asked.query, answer, { ...OPTIONS, ...options })
  return { packet: dnsPacket.decode(Buffer.from(bytes)), size: bytes.length }
}

describe('encodeFitting', () => {
  it('limits a plain UDP answer to three, and says so only when asked to', () => {
    const quiet = fit('A', 4).packet
    assert.deepEqual([quiet.answers?.length, quiet.flag_tc], [3, false])
    const honest = fit('A', 4, { enableTruncate: true }).packet
    assert.deepEqual([honest.answers?.length, honest.flag_tc], [3, true])
    const whole = fit('A', 3, { enableTruncate: true }).packet
    assert.deepEqual([whole.answers?.length, whole.flag_tc], [3, false])
    assert.equal(fit('A', 50, { udpAnswerLimit: 100 }).packet.answers?.length, 8)
    assert.equal(fit('A', 4, { udpAnswerLimit: 0 }).packet.answers?.length, 1)
  })

  it('sends all over TCP and all that fit with EDNS', () => {
    assert.equal(fit('A', 4, { transport: 'tcp' }).packet.answers?.length, 4)
    const { packet, size } = fit('A', 1000, { enableTruncate: true }, 4096)
    assert.ok(size <= 4096 - 8)
    assert.ok(size > 4096 - 8 - 16, 'not one more would fit')
    assert.equal(packet.flag_tc, true)
    assert.equal(fit('A', 200, { enableTruncate: true }, 4096).packet.flag_tc, false)
    assert.equal(fit('A', 20, {}, 100).packet.answers?.length, 3, 'EDNS below 512 counts as 512')
  })

  it('keeps only referenced additional records once it trims', () => {
    const { packet } = fit('SRV', 200, {}, 1232)
    const targets = packet.answers?.map((a) => (a.type === 'SRV' ? a.data.target : ''))
    const owners = packet.additionals?.filter((a) => a.type !== 'OPT').map((a) => a.name)
    assert.ok((targets?.length ?? 0) > 5)
    assert.deepEqual(owners, targets)
  })

  it('serves at most 1024 SRV answers over TCP, well-formed and below the size limit', () => {
    const { packet, size } = fit('SRV', 2000, { transport: 'tcp' })
    assert.ok(size <= 65523)
    const count = packet.answers?.length ?? 0
    assert.ok(count > 500 && count <= 1024, `${count} answers`)
    assert.equal(packet.additionals?.length, count)
  })

  it('keeps one answer but not megabytes of metadata', () => {
    const host = node('vm', '10.0.0.1', {
      meta: Object.fromEntries(Array.from({ length: 64 }, (_, i) => [`k${i}`, 'v'.repeat(512)])),
    })
    const list = new InstanceList({ onlyPassing: false }).healthy([
      entry(host, service(host, 'web')),
    ])
    const config = dnsConfig()
    const soa = { zone: 'consul', config, now: wallTime(0) }
    const question = { type: 33, zone: 'consul', name: 'web.service.consul', ttl: 0, soa }
    const { response } = answerInstances(list, question, config, seededRng(1))
    assert.equal(response.additional.length, 65)
    const asked = ask('SRV')
    const bytes = encodeFitting(asked.packet, asked.query, response, OPTIONS)
    const packet = dnsPacket.decode(Buffer.from(bytes))
    assert.ok(bytes.length <= 504)
    assert.equal(packet.answers?.length, 1)
    assert.deepEqual(
      packet.additionals?.map((a) => a.type),
      ['A'],
    )
  })

  it('always fits its budget when more than one answer is there', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<'A' | 'SRV'>('A', 'SRV'),
        fc.integer({ min: 2, max: 300 }),
        fc.option(fc.integer({ min: 1, max: 65535 }), { nil: undefined }),
        fc.boolean(),
        (type, count, size, compress) => {
          const result = fit(type, count, { compress, enableTruncate: true }, size)
          assert.ok(result.size <= Math.max(512, size ?? 512) - 8)
          assert.ok((result.packet.answers?.length ?? 0) >= 1)
          const isWhole = result.packet.answers?.length === count
          if (!isWhole) assert.equal(result.packet.flag_tc, true)
        },
      ),
      { numRuns: 150 },
    )
  })
})
