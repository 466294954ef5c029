/**
 * What Envoy is told of a sidecar: the shapes of mesh.md 14.4 to 14.7, each encoded as the published messages.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { JsonObject } from '../../../../core/catalog/types.ts'
import type {
  Cluster,
  OutboundListener,
  RouteSpec,
  SplitSpec,
} from '../../../../core/mesh/proxy-snapshot.ts'
import type { SidecarConfiguration } from '../../../../core/mesh/sidecar-configuration.ts'
import { XDS_KINDS, type XdsResources } from '../../../../core/xds/resource-types.ts'
import { xdsResources } from '../../../../core/xds/resources.ts'
import { encodeResource } from '../../../../runtime/rpc/envoy-codec.ts'

const API = 'api.default.dc1.internal.c1.consul'
const SPARE = 'spare.default.dc1.internal.c1.consul'

function cluster(id: string, name: string): Cluster {
  return {
    id,
    serviceName: name,
    sni: id,
    spiffeUris: [`spiffe://c1.consul/ns/default/dc/dc1/svc/${name}`],
    endpoints: [
      { id: 'vm/a', address: '10.0.0.2', port: 21_000, weight: 5, healthy: true },
      { id: 'vm/b', address: '10.0.0.3', port: 21_000, weight: 1, healthy: false },
    ],
    connectTimeoutMs: 5000,
    protocol: 'http',
  }
}

function upstream(change: Partial<OutboundListener> = {}): OutboundListener {
  return {
    id: 'upstream:web-sidecar-proxy:api',
    bind: { address: '127.0.0.1', port: 9191 },
    clusterId: API,
    protocol: 'http',
    source: { kind: 'identity', identityId: 'svc/web' },
    ...change,
  }
}

function sidecar(change: Partial<SidecarConfiguration> = {}): SidecarConfiguration {
  return {
    datacenter: 'dc1',
    nodeName: 'vm',
    trustDomain: 'c1.consul',
    rootsPem: ['ROOT'],
    revokedUris: [],
    identity: { id: 'svc/web', spiffeUri: 'x', certPem: 'LEAF', keyPem: 'KEY', notAfter: 1 },
    inbound: {
      id: 'web-sidecar-proxy',
      serviceName: 'web',
      serviceId: 'web',
      bind: { address: '0.0.0.0', port: 21_000 },
      identityId: 'svc/web',
      protocol: 'http',
      target: { address: '127.0.0.1', port: 8080 },
      connectTimeoutMs: 5000,
      maxConnections: 0,
      intentions: [],
      defaultAction: 'deny',
    },
    outbound: [{ name: 'api', listener: upstream() }],
    clusters: [cluster(API, 'api'), cluster(SPARE, 'spare')],
    ...change,
  }
}

function split(change: Partial<SplitSpec>): SplitSpec {
  const edits = { requestHeaders: undefined, responseHeaders: undefined }
  return { weight: 1, clusterId: API, failover: [], ...edits, ...change }
}

function route(change: Partial<RouteSpec>): RouteSpec {
  return {
    match: { path: undefined, ignoreCase: false, headers: [], query: [], methods: [] },
    splits: [split({})],
    prefixRewrite: '',
    requestTimeoutMs: undefined,
    retry: undefined,
    requestHeaders: undefined,
    responseHeaders: undefined,
    ...change,
  }
}

function withRoutes(routes: readonly RouteSpec[]): SidecarConfiguration {
  return sidecar({ outbound: [{ name: 'api', listener: upstream({ routes }) }] })
}

/** Follows names and positions. */
function at(body: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<string, unknown>)[key], body)
}

function encodeAll(resources: XdsResources): Map<string, string> {
  return new Map(
    XDS_KINDS.flatMap((kind) =>
      [...resources[kind]].map(
        ([name, body]) => [`${kind} ${name}`, encodeResource(body).version] as const,
      ),
    ),
  )
}

function filtersOf(listener: JsonObject | undefined): unknown[] {
  return at(listener, 'filterChains', 0, 'filters') as unknown[]
}

describe('what Envoy is told', () => {
  it('is a public listener that wants a certificate and judges by the intentions', () => {
    const { listener } = xdsResources(sidecar())
    const body = listener.get('public_listener:0.0.0.0:21000')
    assert.equal(at(body, 'trafficDirection'), 'INBOUND')
    const tls = at(body, 'filterChains', 0, 'transportSocket', 'typedConfig')
    assert.equal(at(tls, 'requireClientCertificate'), true)
    assert.deepEqual(at(tls, 'commonTlsContext', 'alpnProtocols'), ['http/1.1'])
    assert.equal(
      at(tls, 'commonTlsContext', 'tlsCertificateSdsSecretConfigs', 0, 'name'),
      'leaf:web',
    )
    const manager = at(filtersOf(body)[0], 'typedConfig')
    assert.equal(at(manager, 'normalizePath'), true)
    assert.equal(at(manager, 'forwardClientCertDetails'), 'APPEND_FORWARD')
    assert.equal(
      at(manager, 'routeConfig', 'virtualHosts', 0, 'routes', 0, 'route', 'cluster'),
      'local_app',
    )
    assert.deepEqual(
      (at(manager, 'httpFilters') as JsonObject[]).map((filter) => filter['name']),
      ['envoy.filters.http.rbac', 'envoy.filters.http.router'],
    )
    assert.deepEqual(at(manager, 'httpFilters', 0, 'typedConfig', 'rules'), {
      action: 'ALLOW',
      policies: {},
    })
  })

  it('is bytes to and from a service of no or another protocol, judged as a whole', () => {
    const inbound = { ...sidecar().inbound, protocol: 'tcp' as const, maxConnections: 7 }
    const outbound = [{ name: 'api', listener: upstream({ protocol: 'auto' }) }]
    const resources = xdsResources(sidecar({ inbound, outbound }))
    const names = (name: string): unknown[] =>
      filtersOf(resources.listener.get(name)).map((filter) => at(filter, 'name'))
    assert.deepEqual(names('public_listener:0.0.0.0:21000'), [
      'envoy.filters.network.connection_limit',
      'envoy.filters.network.rbac',
      'envoy.filters.network.tcp_proxy',
    ])
    assert.deepEqual(names('api:127.0.0.1:9191'), ['envoy.filters.network.tcp_proxy'])
    encodeAll(resources)
  })

  it('lets nobody in whose identity was revoked, before anything else', () => {
    const uri = 'spiffe://c1.consul/ns/default/dc/dc1/svc/api'
    const resources = xdsResources(sidecar({ revokedUris: [uri] }))
    const [first] = filtersOf(resources.listener.get('public_listener:0.0.0.0:21000'))
    assert.deepEqual(at(first, 'typedConfig', 'rules'), {
      action: 'DENY',
      policies: {
        revoked: {
          permissions: [{ any: true }],
          principals: [{ authenticated: { principalName: { exact: uri } } }],
        },
      },
    })
    encodeAll(resources)
  })

  it('is a cluster for each destination, whose server must prove its one name', () => {
    const resources = xdsResources(sidecar())
    assert.deepEqual([...resources.cluster.keys()], ['local_app', API])
    const body = resources.cluster.get(API)
    assert.equal(at(body, 'type'), 'EDS')
    assert.deepEqual(at(body, 'commonLbConfig'), { healthyPanicThreshold: { value: 0 } })
    const tls = at(body, 'transportSocket', 'typedConfig')
    assert.equal(at(tls, 'sni'), API)
    const validation = at(tls, 'commonTlsContext', 'combinedValidationContext')
    assert.deepEqual(at(validation, 'defaultValidationContext', 'matchTypedSubjectAltNames'), [
      { sanType: 'URI', matcher: { exact: 'spiffe://c1.consul/ns/default/dc/dc1/svc/api' } },
    ])
    assert.deepEqual(at(resources.endpoints.get(API), 'endpoints', 0, 'lbEndpoints'), [
      {
        endpoint: { address: { socketAddress: { address: '10.0.0.2', portValue: 21_000 } } },
        healthStatus: 'HEALTHY',
        loadBalancingWeight: 5,
      },
      {
        endpoint: { address: { socketAddress: { address: '10.0.0.3', portValue: 21_000 } } },
        healthStatus: 'UNHEALTHY',
        loadBalancingWeight: 1,
      },
    ])
  })

  it('is a cluster of clusters where calls fail over', () => {
    const outbound = [{ name: 'api', listener: upstream({ failover: [SPARE] }) }]
    const resources = xdsResources(sidecar({ outbound }))
    const [first, second] = [`failover-target~0~${API}`, `failover-target~1~${API}`]
    assert.deepEqual([...resources.cluster.keys()], ['local_app', first, second, API])
    assert.deepEqual([...resources.endpoints.keys()], [first, second])
    const body = resources.cluster.get(API)
    assert.deepEqual(at(body, 'clusterType', 'typedConfig', 'clusters'), [first, second])
    assert.equal(at(resources.cluster.get(second), 'transportSocket', 'typedConfig', 'sni'), SPARE)
    encodeAll(resources)
  })

  it('is routes of their own resource, with splits, retries and time limits', () => {
    const edits = { remove: ['x-gone'], set: [['x-by', '50%'] as const], add: [] }
    const resources = xdsResources(
      withRoutes([
        route({
          match: {
            path: { kind: 'prefix', value: '/admin/' },
            ignoreCase: true,
            headers: [{ kind: 'present', name: 'x-a', value: '', invert: true }],
            query: [{ kind: 'exact', name: 'v', value: '2', invert: false }],
            methods: ['GET', 'PUT'],
          },
          prefixRewrite: '/',
          requestTimeoutMs: 0,
          retry: { retriesMax: 3, conditions: ['reset'], statusCodes: [503] },
          requestHeaders: edits,
        }),
        route({
          splits: [split({ weight: 99.99 }), split({ weight: 0.01, clusterId: SPARE })],
        }),
      ]),
    )
    const listener = resources.listener.get('api:127.0.0.1:9191')
    const manager = at(filtersOf(listener)[0], 'typedConfig')
    assert.equal(at(manager, 'rds', 'routeConfigName'), 'api')
    const routes = at(resources.routes.get('api'), 'virtualHosts', 0, 'routes')
    assert.deepEqual(routes, [
      {
        match: {
          prefix: '/admin/',
          caseSensitive: false,
          headers: [
            { name: 'x-a', invertMatch: true, presentMatch: true },
            { name: ':method', stringMatch: { safeRegex: { regex: 'GET|PUT' } } },
          ],
          queryParameters: [{ name: 'v', stringMatch: { exact: '2' } }],
        },
        route: {
          cluster: API,
          prefixRewrite: '/',
          timeout: '0s',
          retryPolicy: {
            retryOn: 'reset,retriable-status-codes',
            numRetries: 3,
            retriableStatusCodes: [503],
          },
        },
        requestHeadersToAdd: [
          {
            header: { key: 'x-by', value: '50%%' },
            appendAction: 'OVERWRITE_IF_EXISTS_OR_ADD',
          },
        ],
        requestHeadersToRemove: ['x-gone'],
      },
      {
        match: { prefix: '/' },
        route: {
          weightedClusters: {
            clusters: [
              { name: API, weight: 9999 },
              { name: SPARE, weight: 1 },
            ],
          },
        },
      },
    ])
    encodeAll(resources)
  })

  it('changes only in its secrets when a certificate is renewed or the roots change', () => {
    const before = encodeAll(xdsResources(sidecar()))
    const identity = { ...sidecar().identity, certPem: 'NEXT', keyPem: 'NEXT KEY' }
    const renewed = encodeAll(xdsResources(sidecar({ identity })))
    const rooted = encodeAll(xdsResources(sidecar({ rootsPem: ['ROOT', 'ROOT 2'] })))
    const changed = (after: Map<string, string>): string[] =>
      [...after].filter(([name, version]) => before.get(name) !== version).map(([name]) => name)
    assert.deepEqual(changed(renewed), ['secret leaf:web'])
    assert.deepEqual(changed(rooted), ['secret roots'])
  })

  it('changes only in its endpoints or routes when instances or splits do', () => {
    const before = encodeAll(xdsResources(withRoutes([route({})])))
    const moved = { ...cluster(API, 'api'), endpoints: [] }
    const routes = [route({ splits: [split({}), split({ clusterId: SPARE })] })]
    const changed = (after: SidecarConfiguration): string[] =>
      [...encodeAll(xdsResources(after))]
        .filter(([name, version]) => before.get(name) !== version)
        .map(([name]) => name)
    assert.deepEqual(changed({ ...withRoutes([route({})]), clusters: [moved] }), [
      `endpoints ${API}`,
    ])
    assert.deepEqual(changed(withRoutes(routes)), [
      `cluster ${SPARE}`,
      `endpoints ${SPARE}`,
      'routes api',
    ])
  })

  it('is refused when a field is none of the published messages', () => {
    const [body] = xdsResources(sidecar()).cluster.values()
    assert.throws(() => encodeResource({ ...body, conectTimeout: '5s' }), { code: 'INTERNAL' })
  })
})
