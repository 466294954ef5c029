/**
 * Exact bytes of every object of the API (http-api.md 3, 9, 11 to 17, 22).
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { caConfigJson, caRootsJson, leafJson } from '../../../../../agent/http/wire/ca.ts'
import {
  agentCheckJson,
  agentHealthCheckJson,
  checkJson,
} from '../../../../../agent/http/wire/check.ts'
import { healthEntriesJson } from '../../../../../agent/http/wire/health-entry.ts'
import { intentionJson } from '../../../../../agent/http/wire/intention.ts'
import { kvJson, kvWithoutValueJson } from '../../../../../agent/http/wire/kv.ts'
import { memberJson } from '../../../../../agent/http/wire/member.ts'
import { nodeJson } from '../../../../../agent/http/wire/node.ts'
import { queryMetaFields } from '../../../../../agent/http/wire/query-meta.ts'
import {
  agentServiceJson,
  catalogServiceJson,
  serviceJson,
} from '../../../../../agent/http/wire/service.ts'
import { sessionJson } from '../../../../../agent/http/wire/session.ts'
import { txnErrorsJson, txnResultsJson } from '../../../../../agent/http/wire/txn.ts'
import type { IntentionRecord, KvEntry } from '../../../../../core/catalog/types.ts'
import { check, node, PROXY, service } from './records.ts'

const NODE =
  '{"ID":"6f1a4c0e-51d6-7f5b-2a44-0d6a0b6f2b11","Node":"vm-a","Address":"10.0.0.5","Datacenter":"dc1",' +
  '"TaggedAddresses":{"lan":"10.0.0.5","wan":"1.2.3.4"},"Meta":{"rack":"r7"},"CreateIndex":12,"ModifyIndex":14}'

const SERVICE =
  '{"ID":"web-1","Service":"web","Tags":["v2"],"Address":"10.0.0.5",' +
  '"TaggedAddresses":{"lan_ipv4":{"Address":"10.0.0.5","Port":8080}},"Meta":{"owner":"ops"},"Port":8080,' +
  '"Weights":{"Passing":1,"Warning":1},"EnableTagOverride":false,' +
  '"Proxy":{"Mode":"","MeshGateway":{},"Expose":{}},"Connect":{},"PeerName":"","CreateIndex":31,"ModifyIndex":31}'

const CHECK =
  '{"Node":"vm-a","CheckID":"service:web-1","Name":"Service \'web\' check","Status":"passing","Notes":"",' +
  '"Output":"ok","ServiceID":"web-1","ServiceName":"web","ServiceTags":["v2"],"Type":"http","Interval":"10s",' +
  '"Timeout":"1s","ExposedPort":0,"Definition":{},"CreateIndex":32,"ModifyIndex":40}'

describe('node', () => {
  it('prints every field', () => assert.equal(nodeJson(node()), NODE))

  it('prints what was not registered as null, and a locality where there is one', () => {
    const bare = node({ taggedAddresses: null, meta: null })
    assert.match(nodeJson(bare), /"TaggedAddresses":null,"Meta":null,"CreateIndex"/)
    const placed = node({ locality: { region: 'eu', zone: 'a' } })
    assert.match(nodeJson(placed), /"Locality":\{"Region":"eu","Zone":"a"\},"CreateIndex"/)
  })
})

describe('service on its node', () => {
  it('prints every field', () => assert.equal(serviceJson(service()), SERVICE))

  it('leaves out what is empty and keeps lists', () => {
    const bare = service({ tags: [], address: '', port: 0, taggedAddresses: {}, meta: null })
    assert.equal(
      serviceJson(bare),
      '{"ID":"web-1","Service":"web","Tags":[],"Address":"","Meta":null,' +
        '"Weights":{"Passing":1,"Warning":1},"EnableTagOverride":false,' +
        '"Proxy":{"Mode":"","MeshGateway":{},"Expose":{}},"Connect":{},"PeerName":"","CreateIndex":31,"ModifyIndex":31}',
    )
  })

  it('prints kind, proxy and native mode', () => {
    const proxy = serviceJson(service({ kind: 'connect-proxy', proxy: PROXY }))
    assert.ok(proxy.startsWith('{"Kind":"connect-proxy","ID":'))
    assert.ok(
      proxy.includes(
        '"Proxy":{"DestinationServiceName":"web","DestinationServiceID":"web-1","LocalServiceAddress":"127.0.0.1",' +
          '"LocalServicePort":8080,"Mode":"","Config":{"a":{"c":"\\u003c"},"b":1},"Upstreams":[{"DestinationType":' +
          '"service","DestinationName":"db","Datacenter":"","LocalBindPort":5000,"Config":null,"MeshGateway":{}}],' +
          '"MeshGateway":{"Mode":"local"},"Expose":{"Checks":true,"Paths":[{"ListenerPort":21500,"Path":"/health",' +
          '"LocalPathPort":8080,"Protocol":"http"}]},"TransparentProxy":{"OutboundListenerPort":15001,' +
          '"DialedDirectly":true}}',
      ),
      proxy,
    )
    assert.ok(serviceJson(service({ connectNative: true })).includes('"Connect":{"Native":true}'))
  })
})

describe('service in the catalog list', () => {
  it('prints every field, node first', () => {
    assert.equal(
      catalogServiceJson({ node: node(), service: service() }),
      '{"ID":"6f1a4c0e-51d6-7f5b-2a44-0d6a0b6f2b11","Node":"vm-a","Address":"10.0.0.5","Datacenter":"dc1",' +
        '"TaggedAddresses":{"lan":"10.0.0.5","wan":"1.2.3.4"},"NodeMeta":{"rack":"r7"},"ServiceKind":"",' +
        '"ServiceID":"web-1","ServiceName":"web","ServiceTags":["v2"],"ServiceAddress":"10.0.0.5",' +
        '"ServiceTaggedAddresses":{"lan_ipv4":{"Address":"10.0.0.5","Port":8080}},' +
        '"ServiceWeights":{"Passing":1,"Warning":1},"ServiceMeta":{"owner":"ops"},"ServicePort":8080,' +
        '"ServiceSocketPath":"","ServiceEnableTagOverride":false,' +
        '"ServiceProxy":{"Mode":"","MeshGateway":{},"Expose":{}},"ServiceConnect":{},"ServiceLocality":null,' +
        '"CreateIndex":31,"ModifyIndex":31}',
    )
  })
})

describe('service of the agent', () => {
  const local = { isSidecar: false, source: 'api', contentHash: '0123456789abcdef' } as const

  it('prints every field', () => {
    assert.equal(
      agentServiceJson({ ...local, service: service() }, { datacenter: 'dc1', withHash: false }),
      '{"ID":"web-1","Service":"web","Tags":["v2"],"Meta":{"owner":"ops"},"Port":8080,"Address":"10.0.0.5",' +
        '"TaggedAddresses":{"lan_ipv4":{"Address":"10.0.0.5","Port":8080}},' +
        '"Weights":{"Passing":1,"Warning":1},"EnableTagOverride":false,"Datacenter":"dc1"}',
    )
  })

  it('prints the hash, a proxy without its empty fields, and metadata that is never null', () => {
    const proxy = { ...service({ kind: 'connect-proxy', meta: null }), proxy: PROXY }
    const json = agentServiceJson(
      { ...local, service: proxy },
      { datacenter: 'dc1', withHash: true },
    )
    assert.ok(json.includes('"ContentHash":"0123456789abcdef"'))
    assert.ok(json.includes('"Meta":{}'))
    assert.ok(
      json.includes(
        '"Upstreams":[{"DestinationType":"service","DestinationName":"db","LocalBindPort":5000,"MeshGateway":{}}]',
      ),
    )
    assert.ok(!json.includes('"Mode":""'))
  })
})

describe('check', () => {
  it('prints every field', () => assert.equal(checkJson(check()), CHECK))

  it('prints the stored definition', () => {
    const external = check({ definition: { TTL: 1000, HTTP: 'http://x', Interval: '10s' } })
    assert.match(
      checkJson(external),
      /"Definition":\{"HTTP":"http:\/\/x","Interval":"10s","TTL":1000\}/,
    )
  })

  it('has no indexes on the agent, and less in agent health', () => {
    const given = check({ definition: { HTTP: 'x' } })
    assert.equal(
      agentCheckJson(given, 'vm-a'),
      CHECK.replace('"CreateIndex":32,"ModifyIndex":40', '"CreateIndex":0,"ModifyIndex":0'),
    )
    assert.equal(
      agentHealthCheckJson(given, 'vm-a'),
      CHECK.replace(
        '"Interval":"10s","Timeout":"1s","ExposedPort":0,"Definition":{},"CreateIndex":32,"ModifyIndex":40',
        '"Definition":{},"CreateIndex":0,"ModifyIndex":0',
      ),
    )
  })
})

describe('health entry', () => {
  it('is node, service and checks', () => {
    const entries = [
      { node: node(), service: service(), checks: [check()] },
      { node: node(), service: service(), checks: [] },
    ]
    assert.equal(
      healthEntriesJson(entries),
      `[{"Node":${NODE},"Service":${SERVICE},"Checks":[${CHECK}]},{"Node":${NODE},"Service":${SERVICE},"Checks":[]}]`,
    )
    assert.equal(healthEntriesJson([]), '[]')
  })
})

const KV: KvEntry = {
  key: 'app/<cfg>',
  value: Buffer.from('hello'),
  flags: 18_446_744_073_709_551_615n,
  lockIndex: 2,
  session: '',
  createIndex: 40,
  modifyIndex: 44,
}

describe('key', () => {
  it('keeps 64 bits of flags and names the holder of the lock', () => {
    const json =
      '{"LockIndex":2,"Key":"app/\\u003ccfg\\u003e","Flags":18446744073709551615,"Value":"aGVsbG8=",' +
      '"CreateIndex":40,"ModifyIndex":44}'
    assert.equal(kvJson(KV), json)
    assert.equal(
      kvJson({ ...KV, session: 'adf4238a' }),
      json.replace('"CreateIndex"', '"Session":"adf4238a","CreateIndex"'),
    )
    assert.equal(kvWithoutValueJson(KV), json.replace('"aGVsbG8="', 'null'))
    assert.match(kvJson({ ...KV, value: new Uint8Array(0) }), /"Value":null/)
  })
})

describe('session', () => {
  it('prints the lock delay in nanoseconds', () => {
    const session = {
      id: 'adf4238a',
      name: 'lock-a',
      node: 'vm-a',
      lockDelayMs: 15_000,
      behavior: 'release',
      ttlMs: 30_000,
      ttl: '30s',
      nodeChecks: ['serfHealth'],
      serviceChecks: null,
      createIndex: 50,
      modifyIndex: 50,
    } as const
    const json =
      '{"ID":"adf4238a","Name":"lock-a","Node":"vm-a","LockDelay":15000000000,"Behavior":"release","TTL":"30s",' +
      '"NodeChecks":["serfHealth"],"ServiceChecks":null,"CreateIndex":50,"ModifyIndex":50}'
    assert.equal(sessionJson(session), json)
    const bound = { ...session, serviceChecks: [{ id: 'web', namespace: '' }] }
    assert.match(sessionJson(bound), /"ServiceChecks":\[\{"ID":"web","Namespace":""\}\]/)
  })
})

describe('transaction', () => {
  it('prints results by type, written values as null', () => {
    assert.equal(
      txnResultsJson([
        { type: 'kv', entry: KV, withValue: false },
        { type: 'node', node: node() },
        { type: 'service', service: service() },
        { type: 'check', check: check() },
      ]),
      `{"Results":[{"KV":${kvWithoutValueJson(KV)}},{"Node":${NODE}},{"Service":${SERVICE}},{"Check":${CHECK}}],"Errors":null}`,
    )
  })

  it('prints errors with their position', () => {
    assert.equal(
      txnErrorsJson([{ opIndex: 0, what: 'failed to set key "a", index is stale' }]),
      '{"Results":null,"Errors":[{"OpIndex":0,"What":"failed to set key \\"a\\", index is stale"}]}',
    )
  })
})

const INTENTION: IntentionRecord = {
  id: '',
  description: '',
  sourceName: 'web',
  destinationName: 'db',
  action: 'allow',
  permissions: [],
  meta: {},
  precedence: 9,
  createdAt: 1_767_225_600_000,
  updatedAt: 1_767_225_600_500,
  createIndex: 9,
  modifyIndex: 10,
}

describe('intention', () => {
  it('leaves out what is empty', () => {
    assert.equal(
      intentionJson(INTENTION).replace(/"Hash":"[A-Za-z0-9+/]{43}="/, '"Hash":"…"'),
      '{"SourceNS":"default","SourceName":"web","DestinationNS":"default","DestinationName":"db",' +
        '"SourcePartition":"default","DestinationPartition":"default","SourceType":"consul","Action":"allow",' +
        '"Precedence":9,"CreatedAt":"2026-01-01T00:00:00Z","UpdatedAt":"2026-01-01T00:00:00.5Z","Hash":"…",' +
        '"CreateIndex":9,"ModifyIndex":10}',
    )
  })

  it('prints id, description, permissions and metadata where given', () => {
    const full: IntentionRecord = {
      ...INTENTION,
      id: 'abc',
      description: 'why',
      action: '',
      meta: { k: 'v' },
      permissions: [
        {
          action: 'deny',
          http: { pathPrefix: '/admin', methods: ['GET'], header: [{ name: 'x', present: true }] },
        },
      ],
    }
    const json = intentionJson(full)
    assert.ok(json.startsWith('{"ID":"abc","Description":"why","SourceNS"'))
    assert.ok(
      json.includes(
        '"SourceType":"consul","Permissions":[{"Action":"deny","HTTP":{"PathPrefix":"/admin",' +
          '"Header":[{"Name":"x","Present":true}],"Methods":["GET"]}}],"Meta":{"k":"v"},"Precedence":9',
      ),
      json,
    )
  })
})

describe('certificates', () => {
  it('prints roots with the metadata of the read behind', () => {
    const root = {
      id: '73:96',
      name: 'Consul CA Primary Cert',
      serialNumber: 7,
      signingKeyId: '2d:09',
      externalTrustDomain: '1111',
      notBefore: 1_767_225_600_000,
      notAfter: 1_767_225_601_000,
      rootCertPem: 'PEM\n',
      intermediateCertsPem: [],
      active: true,
      privateKeyType: 'ec',
      privateKeyBits: 256,
      createIndex: 8,
      modifyIndex: 8,
    } as const
    const meta = queryMetaFields({ index: 8, knownLeader: true, lastContactMs: 0 })
    assert.equal(
      caRootsJson({ activeRootId: '73:96', trustDomain: '1111.consul', roots: [root] }, meta),
      '{"ActiveRootID":"73:96","TrustDomain":"1111.consul","Roots":[{"ID":"73:96","Name":"Consul CA Primary Cert",' +
        '"SerialNumber":7,"SigningKeyID":"2d:09","ExternalTrustDomain":"1111","NotBefore":"2026-01-01T00:00:00Z",' +
        '"NotAfter":"2026-01-01T00:00:01Z","RootCert":"PEM\\n","IntermediateCerts":null,"Active":true,' +
        '"PrivateKeyType":"ec","PrivateKeyBits":256,"CreateIndex":8,"ModifyIndex":8}],"Index":8,"LastContact":0,' +
        '"KnownLeader":true,"ConsistencyLevel":"","NotModified":false,"Backend":0,"ResultsFilteredByACLs":false}',
    )
  })

  it("never prints an operator's private key", () => {
    const config = { LeafCertTTL: '72h', PrivateKey: 'SECRET' }
    const json = caConfigJson({
      clusterId: 'x',
      provider: 'consul',
      config,
      createIndex: 5,
      modifyIndex: 6,
    })
    assert.equal(
      json,
      '{"Provider":"consul","Config":{"LeafCertTTL":"72h","PrivateKey":"hidden"},"State":null,' +
        '"ForceWithoutCrossSigning":false,"CreateIndex":5,"ModifyIndex":6}',
    )
  })

  it('prints a leaf', () => {
    const leaf = {
      certPem: 'C',
      privateKeyPem: 'K',
      serialNumber: '3c:4f',
      uri: 'spiffe://x',
      validAfter: 1_767_225_600_000,
      validBefore: 1_767_225_601_000,
      index: 90,
    }
    assert.equal(
      leafJson(leaf, 'web'),
      '{"SerialNumber":"3c:4f","CertPEM":"C","PrivateKeyPEM":"K","Service":"web","ServiceURI":"spiffe://x",' +
        '"ValidAfter":"2026-01-01T00:00:00Z","ValidBefore":"2026-01-01T00:00:01Z","CreateIndex":90,"ModifyIndex":90}',
    )
  })
})

describe('member', () => {
  it('prints the status as a number', () => {
    const member = { name: 'vm-a', address: '10.0.0.5', port: 8301, tags: { role: 'consul' } }
    assert.equal(
      memberJson({ ...member, status: 'failed' }),
      '{"Name":"vm-a","Addr":"10.0.0.5","Port":8301,"Tags":{"role":"consul"},"Status":4,"ProtocolMin":1,' +
        '"ProtocolMax":5,"ProtocolCur":2,"DelegateMin":2,"DelegateMax":5,"DelegateCur":4}',
    )
  })
})
