/**
 * The proxy's configuration as a function of the catalog: listeners, clusters, identities, what is left out.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CheckStatus, HealthEntry, VirtualIpRecord } from '../../../../core/catalog/types.ts'
import { compileChain, NO_OVERRIDES } from '../../../../core/chain/compile.ts'
import { type CompiledChain, isProblem } from '../../../../core/chain/types.ts'
import { buildProxySnapshot, type MeshInputs } from '../../../../core/mesh/build-snapshot.ts'
import { ClusterMemo } from '../../../../core/mesh/cluster-memo.ts'
import { meshDemand, VIRTUAL_SERVICES_MAX } from '../../../../core/mesh/demand.ts'
import { type Written, written } from '../chain/written-entries.ts'
import { sidecarOf, upstreamTo } from './sidecars.ts'

const TD = 'c1.consul'

function instance(service: string, id: string, status: CheckStatus, warning = 1): HealthEntry {
  const indexes = { createIndex: 1, modifyIndex: 1 }
  return {
    node: {
      id: '',
      node: 'vm-b',
      address: '10.0.0.2',
      datacenter: 'dc1',
      taggedAddresses: null,
      meta: null,
      ...indexes,
    },
    service: {
      ...sidecarOf(service, 21000),
      id,
      node: 'vm-b',
      weights: { passing: 5, warning },
      ...indexes,
    },
    checks: [
      {
        node: 'vm-b',
        checkId: 'c',
        name: 'c',
        status,
        notes: '',
        output: '',
        serviceId: id,
        serviceName: service,
        serviceTags: [],
        type: '',
        interval: '',
        timeout: '',
        exposedPort: 0,
        definition: {},
        ...indexes,
      },
    ],
  }
}

function virtual(service: string, offset: number): VirtualIpRecord {
  return {
    service,
    offset,
    virtualIp: `240.0.0.${offset}`,
    createIndex: 1,
    modifyIndex: 1,
  }
}

/** Chains of payments and of what it leads to, compiled from entries written down. */
function chains(entries: Written): Map<string, CompiledChain> {
  const chain = compileChain(
    {
      serviceName: 'payments',
      datacenter: 'dc1',
      trustDomain: TD,
      overrides: NO_OVERRIDES,
      layer7OnLayer4: 'refused',
    },
    written(entries),
  )
  if (isProblem(chain)) assert.fail(chain.problem)
  return new Map([['payments', chain]])
}

function inputs(overrides: Partial<MeshInputs> = {}): MeshInputs {
  const names = ['svc/cart', 'svc/payments', 'svc/web', 'agent/vm-a']
  return {
    version: 1,
    datacenter: 'dc1',
    nodeName: 'vm-a',
    trustDomain: TD,
    rootsPem: ['root'],
    services: [sidecarOf('cart', 21000, [upstreamTo('payments', 7000)])],
    servedElsewhere: new Set(),
    virtualIps: [],
    loopbackBase: '127.128.0.0',
    virtualPorts: [80],
    identities: new Map(
      names.map((id) => [id, { id, spiffeUri: id, certPem: 'cert', keyPem: 'key', notAfter: 1 }]),
    ),
    instances: new Map([['payments', [instance('payments', 'p1', 'passing')]]]),
    intentions: new Map([['cart', []]]),
    chains: chains({}),
    protocolOf: () => undefined,
    serviceDefaultsOf: () => undefined,
    matching: (entries) => entries,
    defaultAction: 'allow',
    bindAddress: '127.0.0.1',
    ...overrides,
  }
}

test('gives a sidecar its inbound listener and each upstream its local one', () => {
  const snapshot = buildProxySnapshot(inputs())
  assert.deepEqual(
    snapshot.inbound.map((l) => [l.serviceName, l.bind, l.target, l.protocol]),
    [['cart', { address: '127.0.0.1', port: 21000 }, { address: '127.0.0.1', port: 9000 }, 'auto']],
  )
  assert.deepEqual(snapshot.outbound, [
    {
      id: 'upstream:cart-sidecar-proxy:payments',
      bind: { address: '127.0.0.1', port: 7000 },
      clusterId: `payments.default.dc1.internal.${TD}`,
      protocol: 'auto',
      source: { kind: 'identity', identityId: 'svc/cart' },
    },
  ])
  assert.deepEqual(snapshot.clusters[0]?.spiffeUris, [
    `spiffe://${TD}/ns/default/dc/dc1/svc/payments`,
  ])
})

test('keeps a protected service closed until its rules are known', () => {
  assert.equal(buildProxySnapshot(inputs({ intentions: new Map() })).inbound.length, 0)
})

test('opens no listener without its certificate', () => {
  const snapshot = buildProxySnapshot(inputs({ identities: new Map() }))
  assert.deepEqual([snapshot.inbound, snapshot.outbound], [[], []])
})

test('opens no listener towards a destination that is not known yet', () => {
  assert.deepEqual(buildProxySnapshot(inputs({ instances: new Map() })).outbound, [])
})

test('marks critical instances and weight 0 unhealthy, and weighs warnings', () => {
  const entries = [
    instance('payments', 'a', 'critical'),
    instance('payments', 'b', 'warning', 3),
    instance('payments', 'c', 'warning', 0),
    instance('payments', 'd', 'passing'),
  ]
  const snapshot = buildProxySnapshot(inputs({ instances: new Map([['payments', entries]]) }))
  assert.deepEqual(
    snapshot.clusters[0]?.endpoints.map((e) => [e.id, e.healthy, e.weight]),
    [
      ['vm-b/a', false, 5],
      ['vm-b/b', true, 3],
      ['vm-b/c', false, 1],
      ['vm-b/d', true, 5],
    ],
  )
})

test('listens on the shared address of a service, on 80 and on the port of the service', () => {
  const snapshot = buildProxySnapshot(inputs({ virtualIps: [virtual('payments', 1)] }))
  const shared = snapshot.outbound.filter((l) => l.id.startsWith('virtual:'))
  assert.deepEqual(
    shared.map((l) => [l.bind, l.protocol]),
    [
      [{ address: '127.128.0.1', port: 80 }, 'http'],
      [{ address: '127.128.0.1', port: 9000 }, 'auto'],
    ],
  )
})

test('an unknown caller speaks as the only other service of the host', () => {
  const snapshot = buildProxySnapshot(inputs({ virtualIps: [virtual('payments', 1)] }))
  const source = snapshot.outbound.find((l) => l.id === 'virtual:payments:80')?.source
  assert.deepEqual(source, { kind: 'caller', fallbackIdentityId: 'svc/cart' })
})

test('an unknown caller speaks as the host where several services could be meant', () => {
  const services = [sidecarOf('cart', 21000), sidecarOf('web', 21001)]
  const virtualIps = [virtual('payments', 1)]
  const snapshot = buildProxySnapshot(inputs({ services, virtualIps }))
  const source = snapshot.outbound.find((l) => l.id === 'virtual:payments:80')?.source
  assert.deepEqual(source, { kind: 'caller', fallbackIdentityId: 'agent/vm-a' })
})

test('a transparent sidecar listens for every mesh service, as itself', () => {
  const [cart] = inputs().services
  const { proxy } = cart ?? {}
  assert.ok(cart !== undefined && proxy !== undefined)
  const listeners = (changes: Partial<typeof proxy>) =>
    buildProxySnapshot(
      inputs({
        services: [{ ...cart, proxy: { ...proxy, ...changes } }],
        virtualIps: [virtual('payments', 1)],
      }),
    ).outbound.filter((one) => one.id.startsWith('transparent:'))
  assert.deepEqual(listeners({ mode: 'direct' }), [])
  assert.deepEqual(listeners({ mode: 'transparent' }), [
    {
      id: 'transparent:cart-sidecar-proxy:payments',
      bind: { address: '127.128.0.1', port: 15_001 },
      clusterId: `payments.default.dc1.internal.${TD}`,
      protocol: 'auto',
      source: { kind: 'identity', identityId: 'svc/cart' },
    },
  ])
  const transparentProxy = { outboundListenerPort: 16_000, dialedDirectly: false }
  assert.deepEqual(
    listeners({ mode: 'transparent', transparentProxy }).map(({ bind }) => bind),
    [{ address: '127.128.0.1', port: 16_000 }],
  )
})

test('leaves out upstreams of other datacentres', () => {
  const services = [sidecarOf('cart', 21000, [upstreamTo('payments', 7000, 'dc2')])]
  assert.deepEqual(buildProxySnapshot(inputs({ services })).outbound, [])
})

test('follows the protocol of service-defaults', () => {
  const snapshot = buildProxySnapshot(
    inputs({ protocolOf: (service) => (service === 'payments' ? 'grpc' : undefined) }),
  )
  assert.equal(snapshot.outbound[0]?.protocol, 'grpc')
})

test('fails over from a subset to another service, each with the name it must prove', () => {
  const entries = {
    'service-resolver/payments': {
      DefaultSubset: 'v1',
      Subsets: { v1: { Filter: 'x', OnlyPassing: true } },
      Failover: { '*': { Targets: [{ Service: 'backup' }, { Datacenter: 'dc2' }] } },
    },
  }
  const snapshot = buildProxySnapshot(
    inputs({
      chains: chains(entries),
      instances: new Map([
        [
          'payments',
          [instance('payments', 'p1', 'passing'), instance('payments', 'p2', 'warning')],
        ],
        ['backup', [instance('backup', 'b1', 'passing')]],
      ]),
      matching: (found, filter) => (filter === 'x' ? found : []),
    }),
  )
  const sni = (name: string, dc = 'dc1'): string => `${name}.default.${dc}.internal.${TD}`
  const [listener] = snapshot.outbound
  assert.equal(listener?.clusterId, sni('v1.payments'))
  assert.deepEqual(listener?.failover, [sni('backup'), sni('v1.payments', 'dc2')])
  assert.deepEqual(
    snapshot.clusters.map((c) => [c.id, c.spiffeUris, c.endpoints.map((e) => e.healthy)]),
    [
      [sni('backup'), [`spiffe://${TD}/ns/default/dc/dc1/svc/backup`], [true]],
      [sni('v1.payments'), [`spiffe://${TD}/ns/default/dc/dc1/svc/payments`], [true, false]],
      [sni('v1.payments', 'dc2'), [`spiffe://${TD}/ns/default/dc/dc2/svc/payments`], []],
    ],
  )
})

test('a resolver limits the time of requests only where the chain begins with it', () => {
  const resolver = { 'service-resolver/payments': { RequestTimeout: '3s' } }
  const [own] = buildProxySnapshot(inputs({ chains: chains(resolver) })).outbound
  assert.deepEqual(
    own?.routes?.map((route) => [route.match.path, route.requestTimeoutMs]),
    [[undefined, 3000]],
  )
  const routed = {
    ...resolver,
    'service-defaults/payments': { Protocol: 'http' },
    'service-router/payments': { Routes: [] },
  }
  const [through] = buildProxySnapshot(inputs({ chains: chains(routed) })).outbound
  assert.deepEqual(
    through?.routes?.map((route) => route.requestTimeoutMs),
    [undefined],
  )
})

test('the time that the service itself is given is the sidecar registration to say', () => {
  const sidecar = sidecarOf('cart', 21000)
  const config = { local_request_timeout_ms: 60_000 }
  const services = [{ ...sidecar, proxy: sidecar.proxy && { ...sidecar.proxy, config } }]
  const [inbound] = buildProxySnapshot(inputs({ services: services as never })).inbound
  assert.equal(inbound?.requestTimeoutMs, 60_000)
})

test('opens no listener towards a service whose chain is not known', () => {
  assert.deepEqual(buildProxySnapshot(inputs({ chains: new Map() })).outbound, [])
})

test('needs no proxy where nothing of the mesh is', () => {
  const plain = { ...sidecarOf('web', 80), kind: '' as const }
  assert.equal(meshDemand([plain], [], 'vm-a').needsProxy, false)
  assert.equal(meshDemand([], [virtual('payments', 1)], 'vm-a').needsProxy, true)
})

test('bounds the shared addresses of a host', () => {
  const many = Array.from({ length: VIRTUAL_SERVICES_MAX + 5 }, (_, i) => virtual(`s${i}`, i + 1))
  assert.equal(meshDemand([], many, 'vm-a').destinations.size, VIRTUAL_SERVICES_MAX)
})

test('clusters that are made of the same things are the same objects, others are made anew', () => {
  const memo = new ClusterMemo()
  const subset: Written = {
    'service-resolver/payments': {
      DefaultSubset: 'v1',
      Subsets: { v1: { Filter: 'Service.Meta.v == 1' } },
    },
  }
  const entries = [instance('payments', 'p1', 'passing')]
  const passes: Partial<MeshInputs>[] = [
    { instances: new Map([['payments', entries]]) },
    { instances: new Map([['payments', [instance('payments', 'p1', 'critical')]]]) },
    { instances: new Map([['payments', entries]]), trustDomain: 'other.consul' },
    { instances: new Map([['payments', entries]]), chains: chains(subset) },
    { chains: new Map() },
    { instances: new Map([['payments', entries]]) },
  ]
  for (const pass of passes) {
    const fresh = buildProxySnapshot(inputs(pass))
    const remembered = buildProxySnapshot(inputs(pass), memo)
    assert.deepEqual(remembered, fresh)
    // Chains are compiled anew for whatever reason; what they say is what counts.
    const again = buildProxySnapshot(
      inputs({ ...pass, chains: structuredClone(inputs(pass).chains) as MeshInputs['chains'] }),
      memo,
    )
    assert.equal(again.clusters.length, fresh.clusters.length)
    for (const [i, cluster] of again.clusters.entries()) {
      if (pass.instances !== undefined) assert.equal(cluster, remembered.clusters[i])
    }
  }
})

test('instances are told how far away they are, where that is asked for and the host says where it is', () => {
  const at = (id: string, region: string, zone: string): HealthEntry => {
    const entry = instance('payments', id, 'passing')
    return { ...entry, service: { ...entry.service, locality: { region, zone } } }
  }
  const entries = [
    at('far', 'us', 'a'),
    at('near', 'eu', 'a'),
    instance('payments', 'nowhere', 'passing'),
    at('region', 'eu', 'b'),
  ]
  const cart = sidecarOf('cart', 21000, [upstreamTo('payments', 7000)])
  const asked: Written = {
    'service-resolver/payments': { PrioritizeByLocality: { Mode: 'failover' } },
  }
  const distances = (services: MeshInputs['services'], written: Written): unknown[] => {
    const instances = new Map([['payments', entries]])
    const snapshot = buildProxySnapshot(inputs({ services, instances, chains: chains(written) }))
    return snapshot.clusters[0]?.endpoints.map(({ distance }) => distance) ?? []
  }
  const here = [{ ...cart, locality: { region: 'eu', zone: 'a' } }]
  assert.deepEqual(distances(here, asked), [2, undefined, 2, 1])
  const alike = [undefined, undefined, undefined, undefined]
  assert.deepEqual(distances(here, {}), alike)
  assert.deepEqual(distances([cart], asked), alike)
})
