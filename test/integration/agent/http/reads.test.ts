/**
 * Reads of catalog, health, KV: parameters, empty results, layout, errors (http-api.md 1.5, 3, 7, 11 to 13).
 */

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { type RunningAgent, startAgent } from './running-agent.ts'

let agent: RunningAgent

before(async () => {
  agent = await startAgent()
  for (const [i, tags] of [['v1'], ['v1', 'Blue'], []].entries()) {
    const answer = await agent.put('/v1/catalog/register', {
      Node: `ext-${i}`,
      Address: `10.1.0.${i}`,
      NodeMeta: { rack: `r${i % 2}` },
      Service: { Service: 'db', ID: `db-${i}`, Tags: tags, Port: 5432, Meta: { n: String(i) } },
      Checks: [{ CheckID: `db-${i}`, Name: 'db', ServiceID: `db-${i}`, Status: STATES[i] }],
    })
    assert.equal(answer.text, 'true')
  }
})

const STATES = ['passing', 'warning', 'critical']

after(async () => {
  await agent[Symbol.asyncDispose]()
  assert.deepEqual(agent.errors, [])
})

async function nodesOf(path: string): Promise<readonly string[]> {
  const answer = await agent.get(path)
  assert.equal(answer.status, 200, answer.text)
  const entries = answer.json() as { Node: string | { Node: string } }[]
  return entries.map(({ Node }) => (typeof Node === 'string' ? Node : Node.Node)).toSorted()
}

describe('empty results', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['/v1/catalog/service/nope', '[]'],
    ['/v1/catalog/connect/nope', '[]'],
    ['/v1/catalog/node/nope', 'null'],
    ['/v1/catalog/node-services/nope', '{"Node":null,"Services":null}'],
    ['/v1/catalog/nodes?node-meta=rack:r9', '[]'],
    ['/v1/catalog/services?node-meta=rack:r9', '{}'],
    ['/v1/health/service/nope', '[]'],
    ['/v1/health/connect/nope', '[]'],
    ['/v1/health/checks/nope', '[]'],
    ['/v1/health/node/nope', '[]'],
    ['/v1/health/state/nope', '[]'],
    ['/v1/kv/?keys', '[]'],
    ['/v1/session/list', '[]'],
    ['/v1/session/node/nope', '[]'],
    ['/v1/session/info/nope', '[]'],
    ['/v1/connect/intentions', 'null'],
    ['/v1/config/service-defaults', '[]'],
    ['/v1/agent/services', '{}'],
    ['/v1/agent/checks', '{}'],
    ['/v1/catalog/datacenters', '["dc1"]'],
  ]
  for (const [path, body] of cases) {
    it(`${path} is ${body}`, async () => {
      const answer = await agent.get(path)
      assert.equal(answer.status, 200)
      assert.equal(answer.text, body)
    })
  }

  it('of KV are 404 without a body, with the index', async () => {
    for (const path of [
      '/v1/kv/nope',
      '/v1/kv/nope?recurse',
      '/v1/kv/nope?keys',
      '/v1/kv/?recurse',
    ]) {
      const answer = await agent.get(path)
      assert.equal(answer.status, 404, path)
      assert.equal(answer.text, '')
      assert.match(String(answer.headers['x-consul-index']), /^[1-9]/)
    }
  })
})

describe('narrowing', () => {
  it('by tag, passing, node metadata and filter', async () => {
    assert.deepEqual(await nodesOf('/v1/health/service/db'), ['ext-0', 'ext-1', 'ext-2'])
    assert.deepEqual(await nodesOf('/v1/health/service/db?passing'), ['ext-0'])
    assert.deepEqual(await nodesOf('/v1/health/service/db?passing=true'), ['ext-0'])
    assert.equal((await nodesOf('/v1/health/service/db?passing=false')).length, 3)
    assert.deepEqual(await nodesOf('/v1/health/service/DB?tag=V1&tag=blue'), ['ext-1'])
    assert.deepEqual(await nodesOf('/v1/catalog/service/db?tag=v1'), ['ext-0', 'ext-1'])
    assert.deepEqual(await nodesOf('/v1/catalog/nodes?node-meta=rack:r1'), ['ext-1'])
    assert.deepEqual(await nodesOf('/v1/health/service/db?node-meta=rack:r0'), ['ext-0', 'ext-2'])
    const filter = encodeURIComponent('Service.Meta.n == "2" or Checks.Status == warning')
    assert.deepEqual(await nodesOf(`/v1/health/service/db?filter=${filter}`), ['ext-1', 'ext-2'])
    const flat = encodeURIComponent('ServiceMeta.n == "0" and NodeMeta.rack == r0')
    assert.deepEqual(await nodesOf(`/v1/catalog/service/db?filter=${flat}`), ['ext-0'])
    const state = encodeURIComponent('Status == critical')
    assert.deepEqual(await nodesOf(`/v1/health/state/any?filter=${state}`), ['ext-2'])
    const services = encodeURIComponent('ServicePort == 5432')
    const names = (await agent.get(`/v1/catalog/services?filter=${services}`)).json()
    assert.deepEqual(Object.keys(names as object), ['db'])
  })

  it('puts the near node first', async () => {
    const answer = await agent.get('/v1/catalog/nodes?near=ext-2')
    assert.equal((answer.json() as { Node: string }[])[0]?.Node, 'ext-2')
    const own = await agent.get('/v1/catalog/nodes?near=_agent')
    assert.equal((own.json() as { Node: string }[])[0]?.Node, 'n1')
  })

  it('gives the services of a node by id and as a list', async () => {
    const byId = (await agent.get('/v1/catalog/node/ext-1')).json() as { Services: object }
    assert.deepEqual(Object.keys(byId.Services), ['db-1'])
    const listed = (await agent.get('/v1/catalog/node-services/ext-1')).json()
    assert.equal((listed as { Services: { ID: string }[] }).Services[0]?.ID, 'db-1')
    const none = await agent.get('/v1/catalog/node-services/ext-1?filter=Port==1')
    assert.match(none.text, /"Services":\[\]/)
  })
})

describe('layout', () => {
  it('is indented with a final newline when asked', async () => {
    const answer = await agent.get('/v1/catalog/datacenters?pretty')
    assert.equal(answer.text, '[\n    "dc1"\n]\n')
    assert.equal((await agent.get('/v1/catalog/datacenters?pretty=false')).text, answer.text)
  })

  it('is indented without one by an agent in dev mode', async () => {
    await using dev = await startAgent({ devMode: true })
    assert.equal((await dev.get('/v1/catalog/datacenters')).text, '[\n    "dc1"\n]')
    assert.equal((await dev.get('/v1/catalog/datacenters?pretty')).text, '[\n    "dc1"\n]\n')
    const health = await dev.get('/v1/health/service/consul')
    assert.match(health.text, /^\[\n {4}\{\n {8}"Node": \{/)
  })

  it('stays the same, whichever way a body was made', async () => {
    const compact = await agent.get('/v1/health/service/db')
    for (let i = 0; i < 3; i++) {
      assert.equal((await agent.get('/v1/health/service/db')).text, compact.text)
    }
    const pretty = await agent.get('/v1/health/service/db?pretty')
    assert.deepEqual(pretty.json(), compact.json())
    assert.equal((await agent.get('/v1/health/service/db')).text, compact.text)
  })

  it('is compressed from 1400 bytes on for who accepts it', async () => {
    const plain = await agent.get('/v1/health/service/db')
    assert.ok(plain.bytes.length >= 1400)
    for (const accept of ['gzip', 'deflate, gzip;q=0.5, *;q=0']) {
      const small = await agent.get('/v1/health/service/db', { 'accept-encoding': accept })
      assert.equal(small.headers['content-encoding'], 'gzip')
      assert.equal(gunzipSync(small.bytes).toString(), plain.text)
    }
    const refused = await agent.get('/v1/health/service/db', { 'accept-encoding': 'gzip;q=0' })
    assert.equal(refused.headers['content-encoding'], undefined)
    const short = await agent.get('/v1/catalog/datacenters', { 'accept-encoding': 'gzip' })
    assert.equal(short.headers['content-encoding'], undefined)
  })
})

describe('consistency', () => {
  it('is told in the headers', async () => {
    for (const [query, word] of [
      ['', 'leader'],
      ['?stale', 'stale'],
      ['?consistent=', 'consistent'],
      ['?max_stale=10s', 'stale'],
      ['?leader', 'leader'],
    ]) {
      const answer = await agent.get(`/v1/catalog/nodes${query}`)
      assert.equal(answer.headers['x-consul-effective-consistency'], word)
    }
  })

  it('is stale for catalog and health where the configuration allows it', async () => {
    await using lax = await startAgent({ discoveryMaxStaleMs: 10_000 })
    for (const [path, word] of [
      ['/v1/catalog/nodes', 'stale'],
      ['/v1/health/service/web?passing', 'stale'],
      ['/v1/catalog/nodes?leader', 'leader'],
      ['/v1/health/state/any?consistent', 'consistent'],
      ['/v1/kv/none', 'leader'],
    ] as const) {
      assert.equal((await lax.get(path)).headers['x-consul-effective-consistency'], word, path)
    }
  })

  it('through the agent cache tells hits, misses and age', async () => {
    const first = await agent.get('/v1/health/service/db?cached')
    assert.equal(first.headers['x-cache'], 'MISS')
    assert.equal(first.headers['x-consul-query-backend'], 'streaming')
    const second = await agent.get('/v1/health/service/db?cached')
    assert.equal(second.headers['x-cache'], 'HIT')
    assert.equal(second.headers['age'], '0')
    assert.equal(second.text, first.text)
    const again = await agent.get('/v1/health/service/db?cached', {
      'cache-control': 'must-revalidate',
    })
    assert.equal(again.headers['x-cache'], 'MISS')
    const names = await agent.get('/v1/catalog/services?cached')
    assert.equal(names.headers['x-cache'], 'MISS')
    const kept = await agent.get('/v1/catalog/services?cached', { 'cache-control': 'max-age=60' })
    assert.equal(kept.headers['x-cache'], 'HIT')
    assert.equal((await agent.get('/v1/catalog/nodes?cached')).headers['x-cache'], undefined)
  })
})

describe('central configuration', () => {
  it('is laid under proxies on request, by every path that shows them', async () => {
    await agent.put('/v1/catalog/register', {
      Node: 'central',
      Address: '10.9.9.9',
      Service: {
        Service: 'pay-sidecar-proxy',
        Kind: 'connect-proxy',
        Port: 21000,
        Proxy: { DestinationServiceName: 'pay', Config: { own: 1 } },
      },
    })
    await agent.put('/v1/config', { Kind: 'proxy-defaults', Name: 'global', Config: { all: 2 } })
    await agent.put('/v1/config', {
      Kind: 'service-defaults',
      Name: 'pay',
      Protocol: 'http',
      MeshGateway: { Mode: 'local' },
    })
    const merged = /"Config":\{"all":2,"own":1,"protocol":"http"\},"MeshGateway":\{"Mode":"local"\}/
    for (const path of [
      '/v1/catalog/connect/pay',
      '/v1/catalog/service/pay-sidecar-proxy',
      '/v1/catalog/node/central',
      '/v1/catalog/node-services/central',
      '/v1/health/connect/pay',
      '/v1/health/service/pay-sidecar-proxy',
    ]) {
      assert.match((await agent.get(`${path}?merge-central-config`)).text, merged, path)
      assert.match((await agent.get(path)).text, /"Config":\{"own":1\},"MeshGateway":\{\}/, path)
    }
    const path = '/v1/health/connect/pay?merge-central-config'
    const index = String((await agent.get(path)).headers['x-consul-index'])
    const waiting = agent.get(`${path}&index=${index}&wait=60s`)
    await agent.put('/v1/config', { Kind: 'service-defaults', Name: 'pay', Protocol: 'grpc' })
    assert.match((await waiting).text, /"protocol":"grpc"/)
    await agent.send('DELETE', '/v1/config/service-defaults/pay')
    await agent.send('DELETE', '/v1/config/proxy-defaults/global')
    await agent.put('/v1/catalog/deregister', { Node: 'central' })
  })
})

describe('errors of parameters', () => {
  const cases: readonly (readonly [string, number, string])[] = [
    ['/v1/catalog/nodes?index=x', 400, 'Invalid index'],
    ['/v1/catalog/nodes?index=-1', 400, 'Invalid index'],
    ['/v1/catalog/nodes?wait=x', 400, 'Invalid wait time'],
    ['/v1/catalog/nodes?wait=10', 400, 'Invalid wait time'],
    [
      '/v1/catalog/nodes?stale&consistent',
      400,
      'Cannot specify ?stale with ?consistent, conflicting semantics.',
    ],
    [
      '/v1/catalog/nodes?cached&consistent',
      400,
      'Cannot specify ?cached with ?consistent, conflicting semantics.',
    ],
    ['/v1/catalog/nodes?max_stale=x', 400, 'Invalid max_stale value "x"'],
    [
      '/v1/catalog/nodes?ns=team',
      400,
      'Invalid query parameter: "ns" - Namespaces are a Consul Enterprise feature',
    ],
    [
      '/v1/kv/a?partition=team',
      400,
      'Invalid query parameter: "partition" - Partitions are a Consul Enterprise feature',
    ],
    ['/v1/catalog/nodes?dc=nowhere', 500, 'No path to datacenter'],
    ['/v1/status/leader?dc=nowhere', 500, 'No path to datacenter'],
    ['/v1/catalog/service/', 400, 'Missing service name'],
    ['/v1/catalog/connect/', 400, 'Missing service name'],
    ['/v1/catalog/node/', 400, 'Missing node name'],
    ['/v1/catalog/node-services/', 400, 'Missing node name'],
    ['/v1/health/service/', 400, 'Missing service name'],
    ['/v1/health/connect/', 400, 'Missing service name'],
    ['/v1/health/checks/', 400, 'Missing service name'],
    ['/v1/health/node/', 400, 'Missing node name'],
    ['/v1/health/state/', 400, 'Missing check state'],
    ['/v1/health/service/db?passing=maybe', 400, 'Invalid value for ?passing'],
    ['/v1/kv/', 400, 'Missing key name'],
    [
      '/v1/catalog/services?peer=x',
      500,
      'listing service names imported from a peer is not supported',
    ],
    [
      '/v1/health/service/db?peer=x',
      501,
      'Cluster peering is not supported by this version of Fairlead',
    ],
    [
      '/v1/health/service/db?peer=x&sg=y',
      400,
      'peer-name and sameness-group are mutually exclusive',
    ],
    ['/v1/agent/members?wan=1&segment=a', 400, 'Cannot provide a segment with wan=true'],
  ]
  for (const [path, status, text] of cases) {
    it(`${path} says ${text}`, async () => {
      const answer = await agent.get(path)
      assert.equal(answer.text, text)
      assert.equal(answer.status, status)
      assert.equal(answer.headers['content-type'], 'text/plain; charset=utf-8')
    })
  }

  it('in a filter answer 500', async () => {
    for (const path of ['catalog/nodes', 'health/service/db', 'agent/services', 'agent/members']) {
      for (const filter of ['Nope==1', '(']) {
        const answer = await agent.get(`/v1/${path}?filter=${encodeURIComponent(filter)}`)
        assert.equal(answer.status, 500)
        assert.match(answer.text, /^Failed to create boolean expression evaluator: /)
      }
    }
  })

  it('in headers answer 400, and default is fine', async () => {
    const wrong = await agent.get('/v1/catalog/nodes', { 'x-consul-namespace': 'team' })
    assert.equal(wrong.status, 400)
    assert.equal(
      wrong.text,
      'Invalid header: "X-Consul-Namespace" - Namespaces are a Consul Enterprise feature',
    )
    const right = await agent.get('/v1/catalog/nodes?ns=default', {
      'x-consul-partition': 'default',
    })
    assert.equal(right.status, 200)
    const cache = await agent.get('/v1/health/service/db?cached', { 'cache-control': 'max-age=x' })
    assert.equal(cache.text, 'Invalid Cache-Control header.')
    assert.equal(cache.status, 400)
  })
})
