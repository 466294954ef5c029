/**
 * /v1/discovery-chain over a real server, and config entries that would break a chain (http-api.md 22.6, 23).
 */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Answer, type RunningAgent, startAgent } from './running-agent.ts'

let agent: RunningAgent

before(async () => {
  agent = await startAgent()
})

after(async () => {
  await agent[Symbol.asyncDispose]()
  assert.deepEqual(agent.errors, [])
})

async function write(entry: object): Promise<void> {
  const answer = await agent.put('/v1/config', entry)
  assert.equal(answer.status, 200, answer.text)
}

async function trustDomain(): Promise<string> {
  const roots = (await agent.get('/v1/agent/connect/ca/roots')).json() as { TrustDomain: string }
  return roots.TrustDomain
}

function post(path: string, body: unknown): Promise<Answer> {
  return agent.send('POST', path, { body: JSON.stringify(body) })
}

test('a service that nobody knows has a default chain, in exactly these words', async () => {
  const answer = await agent.get('/v1/discovery-chain/nobody')
  assert.equal(answer.status, 200, answer.text)
  const id = 'nobody.default.default.dc1'
  const sni = `nobody.default.dc1.internal.${await trustDomain()}`
  assert.deepEqual(answer.json(), {
    Chain: {
      ServiceName: 'nobody',
      Namespace: 'default',
      Partition: 'default',
      Datacenter: 'dc1',
      Default: true,
      Protocol: 'tcp',
      StartNode: `resolver:${id}`,
      Nodes: {
        [`resolver:${id}`]: {
          Type: 'resolver',
          Name: id,
          Resolver: { Default: true, ConnectTimeout: '5s', Target: id },
        },
      },
      Targets: {
        [id]: {
          ID: id,
          Service: 'nobody',
          Namespace: 'default',
          Partition: 'default',
          Datacenter: 'dc1',
          MeshGateway: {},
          Subset: {},
          TransparentProxy: {},
          ConnectTimeout: '5s',
          SNI: sni,
          Name: sni,
        },
      },
    },
  })
})

test('routes, splits, subsets and failover are compiled, and a change wakes who waits', async () => {
  await write({ Kind: 'service-defaults', Name: 'shop', Protocol: 'http', Meta: { team: 'a' } })
  await write({
    Kind: 'service-resolver',
    Name: 'shop',
    Subsets: { v1: { Filter: 'Service.Meta.version == v1' }, v2: { OnlyPassing: true } },
    Failover: { v1: { ServiceSubset: 'v2' } },
  })
  const first = await agent.get('/v1/discovery-chain/shop')
  const index = Number(first.headers['x-consul-index'])
  assert.ok(index > 1)
  const waiting = agent.get(`/v1/discovery-chain/shop?index=${index}&wait=60s`)
  await write({
    Kind: 'service-splitter',
    Name: 'shop',
    Splits: [
      { Weight: 99.5, ServiceSubset: 'v1' },
      { Weight: 0.5, ServiceSubset: 'v2' },
    ],
  })
  const { Chain } = (await waiting).json() as { Chain: Record<string, unknown> }
  assert.deepEqual(Chain['ServiceMeta'], { team: 'a' })
  assert.equal(Chain['StartNode'], 'splitter:shop.default.default')
  const nodes = Chain['Nodes'] as Record<string, Record<string, unknown>>
  assert.deepEqual(nodes['splitter:shop.default.default']?.['Splits'], [
    {
      Definition: { Weight: 99.5, ServiceSubset: 'v1' },
      Weight: 99.5,
      NextNode: 'resolver:v1.shop.default.default.dc1',
    },
    {
      Definition: { Weight: 0.5, ServiceSubset: 'v2' },
      Weight: 0.5,
      NextNode: 'resolver:v2.shop.default.default.dc1',
    },
  ])
  assert.deepEqual(nodes['resolver:v1.shop.default.default.dc1']?.['Resolver'], {
    ConnectTimeout: '5s',
    Target: 'v1.shop.default.default.dc1',
    Failover: { Targets: ['v2.shop.default.default.dc1'] },
  })
})

test('overrides come in both spellings, and are told apart by a hash', async () => {
  const answer = await post('/v1/discovery-chain/nobody', {
    override_protocol: 'HTTP',
    OverrideConnectTimeout: '7s',
    OverrideMeshGateway: { Mode: 'remote' },
  })
  assert.equal(answer.status, 200, answer.text)
  const { Chain } = answer.json() as {
    Chain: { Protocol: string; CustomizationHash: string; Targets: Record<string, object> }
  }
  assert.equal(Chain.Protocol, 'http')
  assert.match(Chain.CustomizationHash, /^[0-9a-f]{8}$/)
  const target = Chain.Targets['nobody.default.default.dc1'] as Record<string, unknown>
  assert.equal(target['ConnectTimeout'], '7s')
  assert.deepEqual(target['MeshGateway'], { Mode: 'remote' })
})

test('what cannot be compiled for is refused with its reason', async () => {
  const bad = await post('/v1/discovery-chain/x', { OverrideMeshGateway: { Mode: 'sideways' } })
  assert.deepEqual([bad.status, bad.text], [400, 'Invalid OverrideMeshGateway.Mode parameter'])
  const torn = await agent.send('POST', '/v1/discovery-chain/x', { body: '{"Over' })
  assert.equal(torn.status, 400)
  assert.match(torn.text, /^Request decoding failed: /)
  const unnamed = await agent.get('/v1/discovery-chain/')
  assert.deepEqual([unnamed.status, unnamed.text], [400, 'Missing chain name'])
})

test('an entry that would break a chain is refused, and so is taking away what a chain needs', async () => {
  await write({ Kind: 'service-defaults', Name: 'web', Protocol: 'http' })
  await write({ Kind: 'service-router', Name: 'web', Routes: [] })
  const layer4 = await agent.put('/v1/config', {
    Kind: 'service-splitter',
    Name: 'raw',
    Splits: [{ Weight: 100 }],
  })
  assert.deepEqual(
    [layer4.status, layer4.text],
    [
      500,
      'discovery chain "raw" uses a protocol "tcp" that does not permit advanced routing or splitting behavior',
    ],
  )
  const gone = await agent.send('DELETE', '/v1/config/service-defaults/web')
  assert.equal(gone.status, 500)
  assert.match(gone.text, /^discovery chain "web" uses a protocol "tcp" that does not permit/)
  assert.equal((await agent.get('/v1/config/service-defaults/web')).status, 200)
  const subset = await agent.put('/v1/config', {
    Kind: 'service-resolver',
    Name: 'raw',
    Redirect: { Service: 'api', ServiceSubset: 'v7' },
  })
  assert.equal(subset.text, 'service "api" does not have a subset named "v7"')
})

test('a chain comes from the cache where asked', async () => {
  const path = '/v1/discovery-chain/kept?cached'
  assert.equal((await agent.get(path)).headers['x-cache'], 'MISS')
  const hit = await agent.get(path)
  assert.deepEqual(
    [hit.headers['x-cache'], /^\d+$/.test(String(hit.headers['age']))],
    ['HIT', true],
  )
})

test('a fraction where an integer belongs is refused by the name of its field', async () => {
  const answer = await agent.put('/v1/config', {
    Kind: 'service-defaults',
    Name: 'web',
    MaxInboundConnections: 1.5,
  })
  assert.equal(answer.status, 400)
  assert.match(answer.text, /"MaxInboundConnections" must be an integer/)
})
