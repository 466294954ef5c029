/**
 * The name grammar of dns.md 2 and the choice of zone.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { TYPE } from '../../../../core/dns/protocol.ts'
import { type Lookup, matchZone, parseLookup, zoneLabels } from '../../../../core/dns/question.ts'

function look(name: string, type: number = TYPE.A): Lookup {
  return parseLookup(name.split('.'), type)
}

const OWN = { datacenter: undefined, peer: undefined }
const DC2 = { datacenter: 'dc2', peer: undefined }
const EAST = { datacenter: undefined, peer: 'east' }

describe('parseLookup', () => {
  it('reads every form of the grammar', () => {
    const cases: readonly (readonly [string, Lookup])[] = [
      ['web.service', { kind: 'service', service: 'web', tag: '', locality: OWN }],
      ['v2.web.service', { kind: 'service', service: 'web', tag: 'v2', locality: OWN }],
      ['a.b.web.service', { kind: 'service', service: 'web', tag: 'a.b', locality: OWN }],
      ['web.service.dc2', { kind: 'service', service: 'web', tag: '', locality: DC2 }],
      ['web.service.dc2.dc', { kind: 'service', service: 'web', tag: '', locality: DC2 }],
      ['web.service.east.peer', { kind: 'service', service: 'web', tag: '', locality: EAST }],
      ['_web._tcp.service', { kind: 'service', service: 'web', tag: '', locality: OWN }],
      ['_web._udp.service', { kind: 'service', service: 'web', tag: 'udp', locality: OWN }],
      ['_web._v2.service.dc2', { kind: 'service', service: 'web', tag: 'v2', locality: DC2 }],
      ['web.connect', { kind: 'connect', service: 'web', locality: OWN }],
      ['x.web.connect.dc2', { kind: 'connect', service: 'web', locality: DC2 }],
      ['web.ingress', { kind: 'ingress', service: 'web', locality: OWN }],
      ['web.virtual', { kind: 'virtual', service: 'web', locality: OWN }],
      ['web.virtual.east', { kind: 'virtual', service: 'web', locality: EAST }],
      ['vm-a.node', { kind: 'node', node: 'vm-a', locality: OWN }],
      ['a.b.c.node.dc2', { kind: 'node', node: 'a.b.c', locality: DC2 }],
      ['service.node', { kind: 'node', node: 'service', locality: OWN }],
      ['my.q.query', { kind: 'query', query: 'my.q', locality: OWN }],
      ['_q._tcp.query.dc2', { kind: 'query', query: 'q', locality: DC2 }],
      ['0a000005.addr.dc1.whatever', { kind: 'address', hex: '0a000005' }],
    ]
    for (const [name, expected] of cases) assert.deepEqual(look(name), expected, name)
  })

  it('lets the service label of an RFC 2782 name be left out for SRV only', () => {
    const expected: Lookup = { kind: 'service', service: 'web', tag: '', locality: OWN }
    assert.deepEqual(look('_web._tcp', TYPE.SRV), expected)
    assert.deepEqual(look('_web._tcp.dc2', TYPE.SRV), { ...expected, locality: DC2 })
    assert.equal(look('_web._tcp').kind, 'invalid')
  })

  it('calls everything else invalid', () => {
    const names = [
      '',
      'web',
      'service',
      'node',
      'service.dc1',
      'web.service.a.b',
      'web.service.x.dc.y.peer',
      'web.service.x.ns',
      'web.connect.east.peer',
      'web.query.x.dc',
      'addr',
      'a.b.addr',
    ]
    for (const name of names) assert.equal(look(name).kind, 'invalid', name)
  })

  it('never throws', () => {
    const label = fc.oneof(
      fc.constantFrom('service', 'node', 'addr', 'query', 'virtual', 'dc', 'peer', '_x', 'consul'),
      fc.string(),
    )
    fc.assert(
      fc.property(fc.array(label), fc.constantFrom<number>(TYPE.A, TYPE.SRV), (labels, type) => {
        assert.ok(parseLookup(labels, type).kind !== undefined)
      }),
    )
  })
})

describe('matchZone', () => {
  const zones = { domain: zoneLabels('Consul.'), altDomain: zoneLabels('eu.consul') }

  it('takes the zone with the longest suffix', () => {
    assert.deepEqual(matchZone(['web', 'service', 'consul'], zones), {
      kind: 'own',
      zone: 'consul',
      labels: ['web', 'service'],
    })
    assert.deepEqual(matchZone(['web', 'service', 'eu', 'consul'], zones), {
      kind: 'own',
      zone: 'eu.consul',
      labels: ['web', 'service'],
    })
    assert.deepEqual(matchZone(['consul'], zones), { kind: 'own', zone: 'consul', labels: [] })
  })

  it('knows reverse and foreign names', () => {
    assert.deepEqual(matchZone(['1', 'in-addr', 'arpa'], zones), {
      kind: 'reverse',
      labels: ['1', 'in-addr'],
    })
    assert.equal(matchZone(['consul', 'example', 'com'], zones).kind, 'foreign')
    assert.equal(matchZone([], zones).kind, 'foreign')
    const noAlt = { domain: ['consul'], altDomain: [] }
    assert.equal(matchZone(['example'], noAlt).kind, 'foreign')
  })
})
