/**
 * Overviews for user interfaces, gateways' services and exports over the real API (http-api.md 11.8, 22.6, 26).
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { type RunningAgent, startAgent } from './running-agent.ts'

let agent: RunningAgent

async function put(path: string, body: object): Promise<void> {
  const answer = await agent.put(path, body)
  assert.equal(answer.status, 200, `${path}: ${answer.text}`)
}

async function json<T>(path: string): Promise<T> {
  const answer = await agent.get(path)
  assert.equal(answer.status, 200, `${path}: ${answer.text}`)
  return answer.json() as T
}

interface Summary {
  readonly Name: string
  readonly [field: string]: unknown
}

before(async () => {
  agent = await startAgent()
  const register = (node: string, service: object, checks: readonly object[] = []): Promise<void> =>
    put('/v1/catalog/register', {
      Node: node,
      Address: `10.9.0.${node.at(-1)}`,
      Service: service,
      Checks: checks,
    })
  const check = (id: string, status: string, service = ''): object => {
    return { CheckID: id, Name: id, Status: status, ServiceID: service }
  }
  await register('ui-1', { Service: 'web', ID: 'web-1', Tags: ['v2', 'v1'], Port: 80 }, [
    check('node-1', 'warning'),
    check('web-1', 'passing', 'web-1'),
  ])
  await register(
    'ui-2',
    { Service: 'web', ID: 'web-2', Tags: ['v1'], Meta: { 'external-source': 'nomad' } },
    [check('web-2', 'critical', 'web-2')],
  )
  await register('ui-1', {
    Kind: 'connect-proxy',
    Service: 'web-sidecar-proxy',
    ID: 'web-1-proxy',
    Port: 21_000,
    Proxy: {
      DestinationServiceName: 'web',
      Upstreams: [{ DestinationName: 'db', LocalBindPort: 9191 }],
    },
  })
  await register('ui-2', { Service: 'db', ID: 'db-1', Port: 5432 })
  await register('ui-2', {
    Kind: 'connect-proxy',
    Service: 'api-sidecar-proxy',
    ID: 'api-proxy',
    Port: 21_001,
    Proxy: { DestinationServiceName: 'api', Mode: 'transparent' },
  })
  await register('ui-1', { Kind: 'ingress-gateway', Service: 'front', ID: 'front-1', Port: 8443 })
  await put('/v1/connect/intentions/exact?source=web&destination=db', {
    SourceName: 'web',
    DestinationName: 'db',
    Action: 'deny',
    Meta: { 'external-source': 'terraform' },
  })
  await put('/v1/config', { Kind: 'proxy-defaults', Name: 'global', Config: { protocol: 'http' } })
  await put('/v1/config', {
    Kind: 'ingress-gateway',
    Name: 'front',
    Listeners: [
      { Port: 8443, Protocol: 'http', Services: [{ Name: 'web', Hosts: ['web.example'] }] },
      { Port: 8080, Protocol: 'http', Services: [{ Name: '*' }] },
    ],
  })
  await put('/v1/config', {
    Kind: 'terminating-gateway',
    Name: 'back',
    Services: [{ Name: 'legacy', CAFile: '/ca.pem', SNI: 'legacy.example' }],
  })
})

after(async () => {
  await agent[Symbol.asyncDispose]()
  assert.deepEqual(agent.errors, [])
})

describe('internal/ui/nodes', () => {
  it('lists nodes with their services and checks, filtered as a client sees them', async () => {
    const nodes = await json<{ Node: string; Services: Summary[]; Checks: Summary[] }[]>(
      `/v1/internal/ui/nodes?filter=${encodeURIComponent('Node matches "^ui-"')}`,
    )
    assert.deepEqual(
      nodes.map(({ Node, Services, Checks }) => [Node, Services.length, Checks.length]),
      [
        ['ui-1', 3, 2],
        ['ui-2', 3, 1],
      ],
    )
    assert.deepEqual(Object.keys(nodes[0] ?? {}), [
      'ID',
      'Node',
      'Address',
      'TaggedAddresses',
      'Meta',
      'Services',
      'Checks',
    ])
  })

  it('shows one node, and null for one that there is not', async () => {
    const { Services } = await json<{ Services: Summary[] }>('/v1/internal/ui/node/ui-2')
    assert.equal(Services.length, 3)
    assert.equal((await agent.get('/v1/internal/ui/node/nope')).text, 'null')
    const unnamed = await agent.get('/v1/internal/ui/node/')
    assert.deepEqual([unnamed.status, unnamed.text], [400, 'Missing node name'])
  })
})

describe('internal/ui/services', () => {
  it('has one line for each name, with what bears on it counted once', async () => {
    const services = await json<Summary[]>('/v1/internal/ui/services')
    assert.deepEqual(
      services.find(({ Name }) => Name === 'web'),
      {
        Name: 'web',
        Datacenter: 'dc1',
        Tags: ['v1', 'v2'],
        Nodes: ['ui-1', 'ui-2'],
        ExternalSources: ['nomad'],
        InstanceCount: 2,
        // web-1 passes, its node warns (seen by it and by its proxy), web-2 is critical.
        ChecksPassing: 1,
        ChecksWarning: 1,
        ChecksCritical: 1,
        GatewayConfig: {},
        TransparentProxy: false,
        ConnectNative: false,
        ConnectedWithProxy: true,
        ConnectedWithGateway: true,
      },
    )
    const db = services.find(({ Name }) => Name === 'db')
    assert.deepEqual([db?.['Tags'], db?.['ExternalSources']], [null, null])
    const front = services.find(({ Name }) => Name === 'front')
    assert.deepEqual(front?.['GatewayConfig'], { AssociatedServiceCount: 2 })
    assert.equal(front?.['Kind'], 'ingress-gateway')
    // Named by a gateway only.
    assert.equal(services.find(({ Name }) => Name === 'legacy')?.['InstanceCount'], 0)
  })

  it('counts the instances that a filter lets through', async () => {
    const services = await json<Summary[]>(
      `/v1/internal/ui/services?filter=${encodeURIComponent('Service.Meta["external-source"] == nomad')}`,
    )
    assert.deepEqual(
      services.map(({ Name, InstanceCount }) => [Name, InstanceCount]),
      [['web', 1]],
    )
  })

  it('blocks until something changes', async () => {
    const first = await agent.get('/v1/internal/ui/services')
    const index = first.headers['x-consul-index']
    const blocked = agent.get(`/v1/internal/ui/services?index=${index}&wait=30s`)
    await put('/v1/catalog/register', {
      Node: 'ui-3',
      Address: '10.9.0.3',
      Service: { Service: 'late' },
    })
    assert.match((await blocked).text, /"late"/)
    await put('/v1/catalog/deregister', { Node: 'ui-3' })
  })
})

describe('internal/ui/catalog-overview', () => {
  it('counts by the worst state of what bears on each', async () => {
    const { Nodes, Services, Checks } = await json<Readonly<Record<string, Summary[]>>>(
      '/v1/internal/ui/catalog-overview',
    )
    assert.equal(Nodes?.length, 1)
    assert.equal('Name' in (Nodes?.[0] ?? {}), false)
    assert.equal(Nodes?.[0]?.['Warning'], 1)
    assert.deepEqual(
      Services?.find(({ Name }) => Name === 'web'),
      { Name: 'web', Total: 2, Passing: 0, Warning: 1, Critical: 1 },
    )
    assert.deepEqual(
      Checks?.find(({ Name }) => Name === 'web-2'),
      { Name: 'web-2', Total: 1, Passing: 0, Warning: 0, Critical: 1 },
    )
  })
})

describe('internal/ui/service-topology', () => {
  it('knows whom a service calls, who calls it, and what intentions say', async () => {
    const web = await json<Readonly<Record<string, unknown>>>(
      '/v1/internal/ui/service-topology/web?kind=',
    )
    assert.deepEqual(Object.keys(web), [
      'Protocol',
      'TransparentProxy',
      'Upstreams',
      'Downstreams',
      'FilteredByACLs',
    ])
    assert.equal(web['Protocol'], 'http')
    const [db] = web['Upstreams'] as Summary[]
    assert.equal(db?.Name, 'db')
    assert.equal(db?.['Source'], 'proxy-registration')
    assert.deepEqual(db?.['Intention'], {
      DefaultAllow: true,
      Allowed: false,
      HasPermissions: false,
      ExternalSource: 'terraform',
      HasExact: true,
    })
    // The proxy of api takes calls to anything that may be called.
    const [api] = web['Downstreams'] as Summary[]
    assert.deepEqual([api?.Name, api?.['Source']], ['api', 'default-allow'])
    const ofDb = await json<{ Downstreams: Summary[] }>('/v1/internal/ui/service-topology/db?kind=')
    assert.ok(ofDb.Downstreams.some(({ Name }) => Name === 'web'))
  })

  it('refuses what it cannot show', async () => {
    for (const [path, wanted] of [
      ['', 'Missing service name'],
      ['web', 'Missing service kind'],
      ['web?kind=mesh-gateway', 'Unsupported service kind "mesh-gateway"'],
    ] as const) {
      const answer = await agent.get(`/v1/internal/ui/service-topology/${path}`)
      assert.deepEqual([answer.status, answer.text], [400, wanted])
    }
  })
})

describe('gateways', () => {
  it('stand before the services of their entries, wildcards resolved', async () => {
    const rows = await json<{ Service: Summary; Port: number }[]>(
      '/v1/catalog/gateway-services/front',
    )
    assert.deepEqual(
      rows.map(({ Service, Port }) => [Service.Name, Port]),
      [
        ['db', 8080],
        ['web', 8080],
        ['web', 8443],
      ],
    )
    const exact = rows[2]
    assert.deepEqual(
      { ...exact, CreateIndex: 0, ModifyIndex: 0 },
      {
        Gateway: { Name: 'front' },
        Service: { Name: 'web' },
        GatewayKind: 'ingress-gateway',
        Port: 8443,
        Protocol: 'http',
        Hosts: ['web.example'],
        CreateIndex: 0,
        ModifyIndex: 0,
      },
    )
    const [legacy] = await json<Readonly<Record<string, unknown>>[]>(
      '/v1/catalog/gateway-services/back',
    )
    assert.equal(legacy?.['CAFile'], '/ca.pem')
    assert.equal(legacy?.['SNI'], 'legacy.example')
    assert.equal((await agent.get('/v1/catalog/gateway-services/nope')).text, 'null')
  })

  it('wake those who wait when an entry changes, not only when the catalog does', async () => {
    const paths = ['/v1/catalog/gateway-services/late', '/v1/health/ingress/web']
    const first = await Promise.all(paths.map((path) => agent.get(path)))
    const waiting = paths.map((path, i) =>
      agent.get(`${path}?wait=60s&index=${first[i]?.headers['x-consul-index']}`),
    )
    await put('/v1/config', {
      Kind: 'ingress-gateway',
      Name: 'late',
      Listeners: [{ Port: 8181, Services: [{ Name: 'web' }] }],
    })
    const [services] = await Promise.all(waiting)
    const found = services?.json() as { Service: { Name: string } }[]
    assert.deepEqual(
      found.map(({ Service }) => Service.Name),
      ['web'],
    )
  })

  it('are found by the services behind them', async () => {
    const entries = await json<{ Service: { Service: string } }[]>('/v1/health/ingress/web')
    assert.deepEqual(
      entries.map(({ Service }) => Service.Service),
      ['front'],
    )
    assert.equal((await agent.get('/v1/health/ingress/legacy')).text, '[]')
  })

  it('are summed up for user interfaces', async () => {
    const nodes = await json<Summary[]>('/v1/internal/ui/gateway-services-nodes/front')
    assert.deepEqual(
      nodes.map(({ Name, GatewayConfig }) => [Name, GatewayConfig]),
      [
        ['db', { Addresses: ['db.ingress.dc1.consul:8080'] }],
        ['web', { Addresses: ['web.ingress.dc1.consul:8080', 'web.example:8443'] }],
      ],
    )
    const intentions = await json<{ DestinationName: string }[]>(
      '/v1/internal/ui/gateway-intentions/front',
    )
    assert.deepEqual(
      intentions.map(({ DestinationName }) => DestinationName),
      ['db'],
    )
    assert.equal((await agent.get('/v1/internal/ui/gateway-intentions/back')).text, '[]')
  })
})

describe('what one datacentre has of many', () => {
  it('exports nothing until an entry says so', async () => {
    assert.equal((await agent.get('/v1/exported-services')).text, '[]')
    assert.equal((await agent.get('/v1/internal/ui/exported-services')).text, '[]')
    await put('/v1/config', {
      Kind: 'exported-services',
      Name: 'default',
      Services: [
        { Name: 'web', Consumers: [{ Peer: 'west' }, { Peer: 'east' }] },
        { Name: '*', Consumers: [{ Peer: 'north' }] },
      ],
    })
    assert.equal(
      (await agent.get('/v1/exported-services')).text,
      '[{"Service":"db","Consumers":{"Peers":["north"]}},' +
        '{"Service":"web","Consumers":{"Peers":["east","north","west"]}}]',
    )
    const summaries = await json<Summary[]>('/v1/internal/ui/exported-services')
    assert.deepEqual(
      summaries.map(({ Name }) => Name),
      ['db', 'web'],
    )
  })

  it('has the state of its own federation only', async () => {
    const [own, ...others] = await json<{ Datacenter: string; MeshGateways: unknown[] }[]>(
      '/v1/internal/federation-states',
    )
    assert.equal(own?.Datacenter, 'dc1')
    assert.deepEqual([own?.MeshGateways, others], [[], []])
    assert.equal((await agent.get('/v1/internal/federation-states/mesh-gateways')).text, '{}')
    const found = await json<{ State: { Datacenter: string } }>('/v1/internal/federation-state/dc1')
    assert.equal(found.State.Datacenter, 'dc1')
    assert.equal((await agent.get('/v1/internal/federation-state/dc2')).status, 404)
  })

  it('passes reads on to a metrics store, below its URL and to listed paths only', async () => {
    const seen: string[] = []
    const store = createServer((request, response) => {
      seen.push(`${request.url} ${request.headers['x-own']} ${request.headers['x-consul-token']}`)
      response.writeHead(418, { 'content-type': 'application/x-figures', 'x-secret': '1' })
      response.end('{"up":1}')
    }).listen(0, '127.0.0.1')
    const close = (): void => {
      store.closeAllConnections()
      store.close()
    }
    using cleanUp = new DisposableStack()
    cleanUp.defer(close)
    await once(store, 'listening')
    const { port } = store.address() as AddressInfo
    const metricsProxy = {
      baseUrl: `http://127.0.0.1:${port}/p`,
      headers: [['X-Own', 'own']] as const,
      pathAllowlist: ['/p/api/v1/query'],
    }
    await using other = await startAgent({ metricsProxy })
    const path = '/v1/internal/ui/metrics-proxy'
    const answer = await other.get(`${path}/api/v1/query?query=up%7B%7D`, {
      'x-consul-token': 'secret',
    })
    assert.deepEqual([answer.status, answer.text], [418, '{"up":1}'])
    assert.equal(answer.headers['content-type'], 'application/x-figures')
    assert.equal(answer.headers['x-secret'], undefined)
    assert.deepEqual(seen, ['/p/api/v1/query?query=up%7B%7D own undefined'])
    assert.equal((await other.get(`${path}/api/v1/admin`)).status, 403)
    const outside = await other.get(`${path}/%2e%2e/p/api/v1/query`)
    assert.notEqual(outside.status, 418)
    assert.equal(seen.length, 1)
    const closed = once(store, 'close')
    close()
    await closed
    assert.equal((await other.get(`${path}/api/v1/query`)).status, 502)
    assert.deepEqual(other.errors, [])
  })

  it('has no metrics store to pass requests on to unless configured', async () => {
    const answer = await agent.get('/v1/internal/ui/metrics-proxy/api/v1/query')
    assert.deepEqual([answer.status, answer.text], [404, 'Metrics proxy is not enabled'])
  })
})
