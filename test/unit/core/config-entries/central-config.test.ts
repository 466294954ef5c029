/**
 * What config entries say about a proxy, under its registration (central-config.ts), and reads that carry it.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { JsonObject, ProxyConfig, Upstream } from '../../../../core/catalog/types.ts'
import {
  type CentralEntries,
  withCentralConfig,
} from '../../../../core/config-entries/central-config.ts'
import { Driver, registration, service, sidecar } from '../catalog/store-fixture.ts'

const UPSTREAM: Upstream = {
  destinationType: 'service',
  destinationName: 'db',
  datacenter: '',
  localBindAddress: '',
  localBindPort: 9000,
  localBindSocketPath: '',
  localBindSocketMode: '',
  config: null,
  meshGatewayMode: '',
}

function entries(given: Readonly<Record<string, JsonObject>>): CentralEntries {
  return (kind, name) => given[`${kind}/${name.toLowerCase()}`]
}

function mergedProxy(
  given: Readonly<Record<string, JsonObject>>,
  change: Partial<ProxyConfig> = {},
): ProxyConfig {
  const definition = sidecar('web')
  assert.ok(definition.proxy !== undefined)
  const record = {
    ...definition,
    proxy: { ...definition.proxy, ...change },
    node: 'n1',
    createIndex: 1,
    modifyIndex: 1,
  }
  const { proxy } = withCentralConfig(record, entries(given))
  assert.ok(proxy !== undefined)
  return proxy
}

describe('a proxy with central configuration', () => {
  it('has the keys of proxy-defaults, then of service-defaults, then its own', () => {
    const given = {
      'proxy-defaults/global': { Config: { protocol: 'tcp', a: 1, b: 1, c: 1 } },
      'service-defaults/web': {
        Protocol: 'http',
        MaxInboundConnections: 7,
        LocalConnectTimeoutMs: 0,
      },
    }
    assert.deepEqual(mergedProxy(given, { config: { c: 3 } }).config, {
      protocol: 'http',
      a: 1,
      b: 1,
      c: 3,
      max_inbound_connections: 7,
    })
    assert.deepEqual(mergedProxy({}).config, {})
  })

  it('takes modes and exposed paths from the nearest that says them', () => {
    const path = { Path: '/h', LocalPathPort: 1, ListenerPort: 2, Protocol: 'http' }
    const given = {
      'proxy-defaults/global': {
        Mode: 'transparent',
        MeshGateway: { Mode: 'remote' },
        Expose: { Checks: true, Paths: [{ ...path, Path: '/global' }] },
        TransparentProxy: { OutboundListenerPort: 15001 },
      },
      'service-defaults/web': {
        MeshGateway: { Mode: 'local' },
        Expose: { Paths: [path] },
        TransparentProxy: { DialedDirectly: true },
      },
    }
    const proxy = mergedProxy(given)
    assert.deepEqual(
      [proxy.mode, proxy.meshGatewayMode, proxy.exposeChecks],
      ['transparent', 'local', true],
    )
    assert.deepEqual(proxy.exposePaths, [
      { path: '/h', localPathPort: 1, listenerPort: 2, protocol: 'http' },
    ])
    assert.deepEqual(proxy.transparentProxy, { outboundListenerPort: 15001, dialedDirectly: true })
    const own = mergedProxy(given, { mode: 'direct', meshGatewayMode: 'none' })
    assert.deepEqual([own.mode, own.meshGatewayMode], ['direct', 'none'])
  })

  it('has upstreams with defaults, overrides and their own keys, the later first', () => {
    const given = {
      'proxy-defaults/global': { Config: { protocol: 'tcp' } },
      'service-defaults/db': { Protocol: 'grpc' },
      'service-defaults/web': {
        MeshGateway: { Mode: 'remote' },
        UpstreamConfig: {
          Defaults: {
            ConnectTimeoutMs: 100,
            MeshGateway: { Mode: 'local' },
            Limits: { MaxConnections: 3 },
          },
          Overrides: [{ Name: 'DB', ConnectTimeoutMs: 200 }],
        },
      },
    }
    const other = { ...UPSTREAM, destinationName: 'other', config: { connect_timeout_ms: 5 } }
    const query: Upstream = { ...UPSTREAM, destinationType: 'prepared_query' }
    const [db, second, third] = mergedProxy(given, {
      upstreams: [UPSTREAM, other, query],
    }).upstreams
    assert.deepEqual(db?.config, {
      protocol: 'grpc',
      connect_timeout_ms: 200,
      limits: { MaxConnections: 3 },
    })
    assert.deepEqual([db?.meshGatewayMode, second?.config?.['connect_timeout_ms']], ['local', 5])
    assert.equal(second?.config?.['protocol'], 'tcp')
    assert.equal(third?.config?.['protocol'], 'tcp')
    assert.deepEqual(mergedProxy({}, { upstreams: [UPSTREAM] }).upstreams, [UPSTREAM])
  })

  it('is a proxy: other services stay as they are', () => {
    const record = { ...service({ service: 'web' }), node: 'n1', createIndex: 1, modifyIndex: 1 }
    const given = entries({ 'service-defaults/web': { Protocol: 'http' } })
    assert.equal(withCentralConfig(record, given), record)
  })
})

describe('reads with central configuration', () => {
  const set = (name: string, body: JsonObject) =>
    ({ kind: 'config.set', entryKind: 'service-defaults', name, body }) as const

  it('show it on request alone, and change and wake with the entries', () => {
    const driver = new Driver()
    driver.ok({ kind: 'register', request: registration('n1', { service: sidecar('web') }) })
    driver.ok(set('web', { Protocol: 'http' }))
    const by = { service: 'web', connect: true, mergeCentral: true } as const
    const protocolsNow = (): readonly unknown[] => [
      driver.read('catalog.service', by)[0]?.service.proxy?.config?.['protocol'],
      driver.read('health.service', by)[0]?.service.proxy?.config?.['protocol'],
      driver.read('catalog.node', { node: 'n1', mergeCentral: true })?.services[0]?.proxy?.config?.[
        'protocol'
      ],
    ]
    assert.deepEqual(protocolsNow(), ['http', 'http', 'http'])
    const plain = driver.read('catalog.service', { service: 'web', connect: true })
    assert.equal(plain[0]?.service.proxy?.config, null)
    assert.equal(driver.indexOf('catalog.service', { service: 'web', connect: true }), 1)

    let woken = 0
    for (const { watch } of [
      driver.store.read('catalog.service', by),
      driver.store.read('health.service', by),
      driver.store.read('catalog.node', { node: 'n1', mergeCentral: true }),
    ]) {
      driver.store.watchOnce(watch, () => woken++)
    }
    driver.ok(set('web', { Protocol: 'grpc' }))
    assert.equal(woken, 3)
    assert.deepEqual(protocolsNow(), ['grpc', 'grpc', 'grpc'])
    assert.equal(driver.indexOf('health.service', by), 3)
  })
})
