/**
 * DNS answers as values: the worked examples of dns.md 17 and the rules of its sections 3 to 10.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { AddressOwner } from '../../../../core/catalog/feed.ts'
import type { HealthEntry } from '../../../../core/catalog/types.ts'
import type { DnsConfig } from '../../../../core/config/model.ts'
import { answerNode, metaText } from '../../../../core/dns/answer-node.ts'
import { answerAddress, answerReverse, answerVirtual } from '../../../../core/dns/answer-other.ts'
import { answerInstances } from '../../../../core/dns/answer-service.ts'
import { InstanceList, withTag } from '../../../../core/dns/instances.ts'
import { formatIp } from '../../../../core/dns/ip.ts'
import { serviceTtl } from '../../../../core/dns/options.ts'
import { RCODE, TYPE } from '../../../../core/dns/protocol.ts'
import { ASKED_NAME, type Draft, type ResourceRecord } from '../../../../core/dns/records.ts'
import { answerNs, answerSoa } from '../../../../core/dns/soa.ts'
import { LOOPBACK_BASE, VIRTUAL_BASE } from '../../../../core/mesh/virtual-address.ts'
import { seededRng } from '../../../../core/rng.ts'
import { wallTime } from '../../../../core/time.ts'
import {
  check,
  dnsConfig,
  entry,
  manyInstances,
  node,
  service,
  VM_A,
  VM_B,
  WEB,
  WEB_A,
  WEB_B,
} from './example-catalog.ts'

const SOA = { zone: 'consul', config: dnsConfig(), now: wallTime(1_767_225_600_999) }

interface Asked {
  readonly config?: Partial<DnsConfig>
  readonly tag?: string
  readonly seed?: number
  readonly zone?: string
}

function ask(entries: readonly HealthEntry[], type: number, asked: Asked = {}): Draft {
  const config = dnsConfig(asked.config)
  const healthy = new InstanceList({ onlyPassing: config.onlyPassing }).healthy(entries)
  const instances = withTag(healthy, asked.tag ?? '')
  const zone = asked.zone ?? 'consul'
  const name = `web.service.${zone}`
  const question = { type, zone, name, ttl: 7, soa: { ...SOA, zone } }
  return answerInstances(instances, question, config, seededRng(asked.seed ?? 1))
}

/** A record as dig would print it, `@` for the asked name. */
function print(record: ResourceRecord): string {
  const owner = typeof record.owner === 'string' ? record.owner : '@'
  switch (record.type) {
    case TYPE.A:
      return `${owner} A ${formatIp(record.address)}`
    case TYPE.AAAA:
      return `${owner} AAAA ${formatIp(record.address)}`
    case TYPE.SRV:
      return `${owner} SRV ${record.priority} ${record.weight} ${record.port} ${record.target}`
    case TYPE.TXT:
      return `${owner} TXT ${record.text}`
    case TYPE.CNAME:
      return `${owner} CNAME ${record.target}`
    case TYPE.NS:
      return `${owner} NS ${record.target}`
    case TYPE.PTR:
      return `${owner} PTR ${record.target}`
    case TYPE.SOA:
      return `${owner} SOA ${Object.values(record.soa).join(' ')}`
  }
}

const printed = (records: readonly ResourceRecord[]): string[] => records.map(print).sort()
const SOA_TEXT = 'consul SOA ns.consul hostmaster.consul 1767225600 3600 600 86400 0'

function assertNegative(draft: Draft, rcode: number): void {
  assert.equal(draft.response.rcode, rcode)
  assert.deepEqual(draft.response.answers, [])
  assert.deepEqual(draft.response.authority.map(print), [SOA_TEXT])
}

describe('answerInstances', () => {
  it('answers the worked example for A', () => {
    const { response } = ask(WEB, TYPE.A)
    assert.deepEqual(printed(response.answers), ['@ A 10.0.0.5', '@ A 10.0.1.6'])
    assert.deepEqual(response.authority, [])
    assert.ok(response.answers.every((r) => r.ttl === 7 && r.owner === ASKED_NAME))
  })

  it('answers the worked example for SRV, metadata and targets included', () => {
    const { response } = ask(WEB, TYPE.SRV)
    assert.deepEqual(printed(response.answers), [
      '@ SRV 1 1 8080 vm-a.node.dc1.consul',
      '@ SRV 1 10 8081 0a000106.addr.dc1.consul',
    ])
    assert.deepEqual(printed(response.additional), [
      '0a000106.addr.dc1.consul A 10.0.1.6',
      'vm-a.node.dc1.consul A 10.0.0.5',
      'vm-a.node.dc1.consul TXT consul-network-segment=',
      'vm-a.node.dc1.consul TXT consul-version=1.21.4',
      'vm-a.node.dc1.consul TXT rack=r7',
    ])
    const quiet = ask(WEB, TYPE.SRV, { config: { enableAdditionalNodeMetaTxt: false } })
    assert.ok(quiet.response.additional.every((r) => r.type !== TYPE.TXT))
  })

  it('names targets in the domain that was asked and keeps the case of nodes', () => {
    const host = node('VM-Big', '10.0.0.9', { datacenter: 'dc7' })
    const { response } = ask([entry(host, service(host, 'web'))], TYPE.SRV, { zone: 'alt.test' })
    assert.deepEqual(printed(response.answers), ['@ SRV 1 1 0 VM-Big.node.dc7.alt.test'])
  })

  it('hides instances with a critical check, of the node or their own', () => {
    const [a, b] = [WEB_A, WEB_B]
    const down = { ...a, checks: [check(VM_A, 'critical')] }
    assert.deepEqual(printed(ask([down, b], TYPE.A).response.answers), ['@ A 10.0.1.6'])
    const maintenance = check(VM_B, 'critical', {
      checkId: '_service_maintenance:web',
      serviceId: 'web',
      serviceName: 'web',
    })
    assertNegative(ask([down, { ...b, checks: [maintenance] }], TYPE.A), RCODE.NXDOMAIN)
    assertNegative(ask([], TYPE.SRV), RCODE.NXDOMAIN)
  })

  it('keeps warning instances unless only passing ones are wanted', () => {
    const [a, b] = [WEB_A, WEB_B]
    const warned = { ...b, checks: [check(VM_B, 'warning', { serviceName: 'web' })] }
    assert.equal(ask([a, warned], TYPE.A).response.answers.length, 2)
    const strict = ask([a, warned], TYPE.A, { config: { onlyPassing: true } })
    assert.deepEqual(printed(strict.response.answers), ['@ A 10.0.0.5'])
  })

  it('weighs SRV answers by the state of the checks', () => {
    const b = WEB_B
    const weight = (changed: HealthEntry): number => {
      const [answer] = ask([changed], TYPE.SRV).response.answers
      return answer?.type === TYPE.SRV ? answer.weight : -1
    }
    assert.equal(weight(b), 10)
    assert.equal(weight({ ...b, checks: [check(VM_B, 'warning')] }), 2)
    const other = check(VM_B, 'warning', { serviceName: 'other' })
    assert.equal(weight({ ...b, checks: [other] }), 10)
    const heavy = { ...b, service: { ...b.service, weights: { passing: 65537, warning: 1 } } }
    assert.equal(weight(heavy), 1)
  })

  it('filters by tag without regard to case', () => {
    const tagged = entry(VM_A, service(VM_A, 'web', { tags: ['V2', 'a.b'] }))
    assert.equal(ask([tagged, ...WEB], TYPE.A, { tag: 'v2' }).response.answers.length, 1)
    assert.equal(ask([tagged], TYPE.A, { tag: 'a.b' }).response.answers.length, 1)
    assertNegative(ask([tagged], TYPE.A, { tag: 'b' }), RCODE.NXDOMAIN)
  })

  it('emits an address once and SRV triples once', () => {
    const twice = [8080, 8081].map((port) =>
      entry(VM_A, service(VM_A, 'web', { id: `web-${port}`, port })),
    )
    assert.equal(ask(twice, TYPE.A).response.answers.length, 1)
    assert.equal(ask(twice, TYPE.SRV).response.answers.length, 2)
    assert.equal(ask([...twice, ...twice], TYPE.SRV).response.answers.length, 2)
    const additional = ask(twice, TYPE.SRV).response.additional.filter((r) => r.type === TYPE.A)
    assert.equal(additional.length, 1)
  })

  it('has no data for a family or a type that no instance has', () => {
    assertNegative(ask(WEB, TYPE.AAAA), RCODE.NOERROR)
    assertNegative(ask(WEB, 15), RCODE.NOERROR)
    assertNegative(ask(WEB, TYPE.TXT), RCODE.NOERROR)
  })

  it('chooses tagged addresses by family and falls back to the node', () => {
    const host = node('dual', '10.0.0.1', { taggedAddresses: { lan_ipv6: '2001:db8::1' } })
    const plain = [entry(host, service(host, 'web', { address: '10.9.9.9' }))]
    assert.deepEqual(printed(ask(plain, TYPE.A).response.answers), ['@ A 10.9.9.9'])
    assert.deepEqual(printed(ask(plain, TYPE.AAAA).response.answers), ['@ AAAA 2001:db8::1'])
    assert.deepEqual(printed(ask(plain, TYPE.ANY).response.answers), ['@ A 10.9.9.9'])
    const tagged = service(host, 'web', {
      address: '10.9.9.9',
      taggedAddresses: {
        lan_ipv4: { address: '10.8.8.8', port: 0 },
        lan_ipv6: { address: '2001:db8::8', port: 0 },
      },
    })
    assert.deepEqual(printed(ask([entry(host, tagged)], TYPE.A).response.answers), ['@ A 10.8.8.8'])
    assert.deepEqual(printed(ask([entry(host, tagged)], TYPE.SRV).response.answers), [
      '@ SRV 1 1 0 20010db8000000000000000000000008.addr.dc1.consul',
    ])
  })

  it('answers a host-name address with a CNAME only when no instance has an address', () => {
    const named = entry(VM_A, service(VM_A, 'web', { address: 'db.example.com.' }))
    const alone = ask([named], TYPE.A)
    assert.deepEqual(printed(alone.response.answers), ['@ CNAME db.example.com'])
    assert.deepEqual(alone.hosts, [{ host: 'db.example.com', section: 'answers', ttl: 7 }])
    assert.deepEqual(printed(ask([named, ...WEB], TYPE.A).response.answers), [
      '@ A 10.0.0.5',
      '@ A 10.0.1.6',
    ])
    const srv = ask([named], TYPE.SRV)
    assert.deepEqual(printed(srv.response.answers), ['@ SRV 1 1 0 db.example.com'])
    assert.deepEqual(srv.hosts, [{ host: 'db.example.com', section: 'additional', ttl: 7 }])
  })

  it('answers a name that is its own address with the address of the node', () => {
    const own = entry(VM_A, service(VM_A, 'web', { address: 'Web.service.consul' }))
    assert.deepEqual(printed(ask([own], TYPE.A).response.answers), ['@ A 10.0.0.5'])
  })

  it('stops at a_record_limit', () => {
    const { response } = ask(manyInstances('web', 9), TYPE.A, { config: { aRecordLimit: 2 } })
    assert.equal(response.answers.length, 2)
  })

  it('shuffles, so that every instance comes first now and then', () => {
    const entries = manyInstances('web', 5)
    const first = new Set<string>()
    for (let seed = 0; seed < 100; seed++) {
      first.add(print(ask(entries, TYPE.A, { seed }).response.answers[0] as ResourceRecord))
    }
    assert.equal(first.size, 5)
  })

  it('adds the alias of a node that is known by a host name', () => {
    const host = node('ext', 'www.example.com')
    const { response, hosts } = ask([entry(host, service(host, 'web'))], TYPE.SRV)
    assert.deepEqual(printed(response.answers), ['@ SRV 1 1 0 ext.node.dc1.consul'])
    assert.deepEqual(printed(response.additional), ['ext.node.dc1.consul CNAME www.example.com'])
    assert.deepEqual(hosts, [{ host: 'www.example.com', section: 'additional', ttl: 7 }])
  })

  it('names a target by its address when the node name does not fit DNS', () => {
    const host = node('x'.repeat(80), '10.0.0.1', { meta: { k: 'v' } })
    const { response } = ask([entry(host, service(host, 'web'))], TYPE.SRV)
    assert.deepEqual(printed(response.answers), ['@ SRV 1 1 0 0a000001.addr.dc1.consul'])
    assert.deepEqual(printed(response.additional), ['0a000001.addr.dc1.consul A 10.0.0.1'])
  })
})

describe('answerNode', () => {
  const config = dnsConfig({ nodeTtlSeconds: 3 })

  it('answers addresses, with metadata beside them', () => {
    const { response } = answerNode(VM_A, TYPE.A, config)
    assert.deepEqual(printed(response.answers), ['@ A 10.0.0.5'])
    assert.equal(response.additional.length, 3)
    assert.equal(response.answers[0]?.ttl, 3)
    const quiet = answerNode(VM_A, TYPE.A, dnsConfig({ enableAdditionalNodeMetaTxt: false }))
    assert.deepEqual(quiet.response.additional, [])
  })

  it('answers TXT and ANY with metadata, whatever the setting', () => {
    const quiet = dnsConfig({ enableAdditionalNodeMetaTxt: false })
    assert.deepEqual(printed(answerNode(VM_A, TYPE.TXT, quiet).response.answers), [
      '@ TXT consul-network-segment=',
      '@ TXT consul-version=1.21.4',
      '@ TXT rack=r7',
    ])
    assert.equal(answerNode(VM_A, TYPE.ANY, quiet).response.answers.length, 4)
  })

  it('is empty without SOA for a family it lacks', () => {
    const { response } = answerNode(VM_A, TYPE.AAAA, config)
    assert.deepEqual(
      [response.rcode, response.answers, response.authority],
      [RCODE.NOERROR, [], []],
    )
  })

  it('answers a host-name address with a CNAME to resolve', () => {
    const draft = answerNode(node('ext', 'www.example.com'), TYPE.A, config)
    assert.deepEqual(printed(draft.response.answers), ['@ CNAME www.example.com'])
    assert.equal(draft.hosts[0]?.host, 'www.example.com')
  })

  it('encodes metadata as RFC 1464', () => {
    assert.equal(metaText('a=b`c', 'v=1'), 'a`=b``c=v=1')
    assert.equal(metaText(' key ', 'v'), '` key` =v')
    assert.equal(metaText('RFC1035-owner', 'v'), 'v')
  })
})

describe('other kinds', () => {
  const options = { datacenter: 'dc1', config: dnsConfig({ nodeTtlSeconds: 9 }) }
  const record = {
    service: 'pay',
    offset: 1,
    virtualIp: '240.0.0.1',
    createIndex: 1,
    modifyIndex: 1,
  }

  it('answers virtual names with the loopback or the cluster-wide address', () => {
    const loopback = { ...options, virtualBase: LOOPBACK_BASE } as const
    const wide = { ...options, virtualBase: VIRTUAL_BASE } as const
    assert.deepEqual(printed(answerVirtual(record, TYPE.A, loopback).answers), ['@ A 127.128.0.1'])
    assert.deepEqual(printed(answerVirtual(record, TYPE.ANY, wide).answers), ['@ A 240.0.0.1'])
    for (const none of [
      answerVirtual(undefined, TYPE.A, loopback),
      answerVirtual(record, TYPE.AAAA, loopback),
    ]) {
      assert.deepEqual([none.rcode, none.answers, none.authority], [RCODE.NOERROR, [], []])
    }
  })

  it('answers literal addresses, the other family in additional', () => {
    const answer = (hex: string, type: number) => answerAddress(hex, type, options.config, SOA)
    assert.deepEqual(printed(answer('0a000005', TYPE.A).answers), ['@ A 10.0.0.5'])
    assert.equal(answer('0a000005', TYPE.A).answers[0]?.ttl, 9)
    const v6 = '20010db8000000000000000000000001'
    assert.deepEqual(printed(answer(v6, TYPE.ANY).answers), ['@ AAAA 2001:db8::1'])
    assert.deepEqual(answer('0a000005', TYPE.AAAA).answers, [])
    assert.deepEqual(printed(answer('0a000005', TYPE.AAAA).additional), ['@ A 10.0.0.5'])
    assert.equal(answer('0a0000', TYPE.A).rcode, RCODE.NXDOMAIN)
    assert.equal(answer('0a00000g', TYPE.A).rcode, RCODE.NXDOMAIN)
  })

  it('answers reverse names by node, then by service', () => {
    const web: AddressOwner = { kind: 'service', name: 'web', datacenter: 'dc1' }
    const byNode = answerReverse([web, { kind: 'node', name: 'Vm-A', datacenter: 'dc1' }], 'consul')
    assert.deepEqual(printed(byNode?.answers ?? []), ['@ PTR Vm-A.node.dc1.consul'])
    const byService = answerReverse([web, { ...web, name: 'api' }], 'consul')
    assert.deepEqual(printed(byService?.answers ?? []), ['@ PTR web.service.dc1.consul'])
    assert.equal(answerReverse([], 'consul'), null)
    assert.equal(answerReverse([{ ...web, name: 'x'.repeat(64) }], 'consul'), null)
  })

  it('answers SOA and NS with up to three healthy servers', () => {
    const names = ['S-1', 's2', 's3', 's4', 'bad_name']
    const servers = new InstanceList({ onlyPassing: false }).healthy(
      names.map((name, i) => {
        const host = node(name, `10.0.0.${i + 1}`)
        return entry(host, service(host, 'consul', { port: 8300 }))
      }),
    )
    const soa = answerSoa(servers, SOA, seededRng(1))
    assert.deepEqual(printed(soa.answers), [SOA_TEXT])
    assert.equal(soa.authority.length, 3)
    assert.equal(soa.additional.length, 3)
    const seen = new Set<string>()
    for (let seed = 0; seed < 50; seed++) {
      for (const r of answerNs(servers, SOA, seededRng(seed)).answers) seen.add(print(r))
    }
    assert.deepEqual([...seen].sort(), [
      '@ NS s-1.node.dc1.consul',
      '@ NS s2.node.dc1.consul',
      '@ NS s3.node.dc1.consul',
      '@ NS s4.node.dc1.consul',
    ])
  })
})

describe('serviceTtl', () => {
  it('takes the exact name, then the longest prefix', () => {
    const config = dnsConfig({
      serviceTtlSeconds: { '*': 5, 'db-*': 0, web: 10, 'a*b': 7, Big: 9, half: 0.9 },
    })
    const ttl = (name: string): number => serviceTtl(config, name)
    assert.deepEqual(
      [ttl('web'), ttl('db-x'), ttl('other'), ttl('axb'), ttl('big'), ttl('half')],
      [10, 0, 5, 5, 5, 0],
    )
    assert.equal(serviceTtl(dnsConfig(), 'toString'), 0)
  })
})
