/**
 * Copies of requests, second attempts and what else bears with instances that are slow or new, as config entries say it.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { startAgent, type TestAgent } from './harness/agent.ts'
import {
  call,
  callUntil,
  meshFlags,
  registerMesh,
  sharedAddress,
  startApp,
} from './harness/mesh.ts'

async function write(agent: TestAgent, entry: object): Promise<void> {
  const response = await agent.put('/v1/config', entry)
  assert.equal(response.status, 200, await response.text())
}

async function refusal(agent: TestAgent, destination: object): Promise<string> {
  const response = await agent.put('/v1/config', {
    Kind: 'service-router',
    Name: 'api',
    Routes: [{ Destination: destination }],
  })
  assert.notEqual(response.status, 200)
  return await response.text()
}

describe('a mirror of a route', () => {
  it('gets copies of its requests, and answers nobody', async () => {
    await using agent = await startAgent({ flags: meshFlags() })
    const copies: string[] = []
    await using api = await startApp('api')
    await using next = await startApp('next', (incoming, response) => {
      copies.push(`${incoming.headers.host} ${incoming.url}`)
      response.statusCode = 500
      response.end('not for you')
    })
    for (const app of [api, next]) await registerMesh(agent, app)
    const address = await sharedAddress(agent, 'api')
    await callUntil(({ status }) => status === 200, address, api.port)
    for (const Name of ['api', 'next']) {
      await write(agent, { Kind: 'service-defaults', Name, Protocol: 'http' })
    }
    await write(agent, {
      Kind: 'service-router',
      Name: 'api',
      Routes: [
        {
          Match: { HTTP: { PathPrefix: '/copied' } },
          Destination: { Mirror: [{ Service: 'next' }] },
        },
      ],
    })
    // The first copies may find their destination not known here yet.
    await callUntil(() => copies.length > 0, address, api.port, '/copied/1')
    assert.match(copies[0] as string, /-shadow(:\d+)? \/copied\/1$/)
    const reply = await call(address, api.port, '/copied/2')
    assert.equal(reply.body, 'api /copied/2')
    const before = copies.length
    assert.equal((await call(address, api.port, '/other')).body, 'api /other')
    assert.deepEqual(
      copies.slice(before).filter((copy) => copy.endsWith('/other')),
      [],
    )
  })

  it('is refused where it says too little or too much', async () => {
    await using agent = await startAgent({ flags: meshFlags() })
    await write(agent, { Kind: 'service-defaults', Name: 'api', Protocol: 'http' })
    assert.match(
      await refusal(agent, { Mirror: [{ Percent: 5 }] }),
      /Route\[0\] Mirror\[0\] needs a Service, a ServiceSubset or both/,
    )
    assert.match(
      await refusal(agent, { Mirror: [{ Service: 'api', Percent: 101 }] }),
      /Route\[0\] Mirror\[0\]\.Percent must be 0 to 100/,
    )
  })
})

describe('a second attempt beside the first', () => {
  it('answers for an instance that hangs', async () => {
    await using agent = await startAgent({ flags: meshFlags() })
    await using hung = await startApp('api', (incoming, response) => {
      if (incoming.url !== '/hang') response.end('hung')
    })
    await using quick = await startApp('api', (_, response) => response.end('quick'))
    await write(agent, { Kind: 'service-defaults', Name: 'api', Protocol: 'http' })
    await write(agent, {
      Kind: 'service-resolver',
      Name: 'api',
      LoadBalancer: { Policy: 'round_robin' },
    })
    await write(agent, {
      Kind: 'service-router',
      Name: 'api',
      Routes: [{ Destination: { HedgeOnPerTryTimeout: true, PerTryTimeout: '100ms' } }],
    })
    // After the entries, so that no call is made without them.
    await registerMesh(agent, hung, { id: 'api-1' })
    await registerMesh(agent, quick, { id: 'api-2' })
    const address = await sharedAddress(agent, 'api')
    await callUntil(({ status }) => status === 200, address, hung.port)
    for (let i = 0; i < 8; i++) {
      assert.equal((await call(address, hung.port, '/hang')).body, 'quick')
    }
    assert.match(
      await refusal(agent, { HedgeOnPerTryTimeout: true }),
      /HedgeOnPerTryTimeout needs a PerTryTimeout/,
    )
  })
})

describe('instances of several zones', () => {
  it('are called by who is in their zone, and by others when there is nobody else', async () => {
    await using agent = await startAgent({ flags: meshFlags() })
    await using near = await startApp('api', (_, response) => response.end('near'))
    await using far = await startApp('api', (_, response) => response.end('far'))
    const Locality = { Region: 'eu', Zone: 'one' }
    await write(agent, { Kind: 'service-defaults', Name: 'api', Protocol: 'http' })
    await write(agent, {
      Kind: 'service-resolver',
      Name: 'api',
      PrioritizeByLocality: { Mode: 'failover' },
      LoadBalancer: { Policy: 'ring_hash', RingHashConfig: { MinimumRingSize: 2048 } },
    })
    await registerMesh(agent, near, { id: 'api-1', sidecar: { Locality } })
    await registerMesh(agent, far, {
      id: 'api-2',
      sidecar: { Locality: { ...Locality, Zone: 'two' } },
    })
    const address = await sharedAddress(agent, 'api')
    await callUntil(({ body }) => body === 'near', address, near.port)
    for (let i = 0; i < 30; i++) {
      assert.equal((await call(address, near.port)).body, 'near')
    }
    const gone = await agent.put('/v1/agent/service/maintenance/api-1-sidecar-proxy?enable=true')
    assert.equal(gone.status, 200, await gone.text())
    await callUntil(({ body }) => body === 'far', address, near.port)
  })
})

describe('an adaptive limit', () => {
  it('stands in front of the application when its service-defaults ask for it', async () => {
    await using agent = await startAgent({ flags: meshFlags() })
    await using api = await startApp('api')
    const refused = await agent.put('/v1/config', {
      Kind: 'service-defaults',
      Name: 'api',
      AdaptiveConcurrency: { Enabled: true, MinConcurrency: 50, MaxConcurrency: 10 },
    })
    assert.match(
      await refused.text(),
      /AdaptiveConcurrency\.MinConcurrency \(50\) must not be above MaxConcurrency \(10\)/,
    )
    await write(agent, {
      Kind: 'service-defaults',
      Name: 'api',
      Protocol: 'http',
      AdaptiveConcurrency: { Enabled: true, MaxConcurrency: 7 },
      MaxResponseBytes: 5,
    })
    await registerMesh(agent, api)
    const address = await sharedAddress(agent, 'api')
    // The answer is `api /`, which is just not too long.
    await callUntil(({ status }) => status === 200, address, api.port)
    assert.equal((await call(address, api.port, '/longer')).status, 502)
    const figures = await (await agent.get('/v1/agent/proxy/metrics')).text()
    assert.match(figures, /gradient_controller_concurrency_limit\{[^}]*\} 7\n/)
  })
})

describe('a route with a rate', () => {
  it('answers 429 beyond it, and only the callers that it is for', async () => {
    await using agent = await startAgent({ flags: meshFlags() })
    await using web = await startApp('web')
    await using api = await startApp('api')
    for (const app of [web, api]) await registerMesh(agent, app)
    const address = await sharedAddress(agent, 'api')
    await callUntil(({ status }) => status === 200, address, api.port)
    await write(agent, { Kind: 'service-defaults', Name: 'api', Protocol: 'http' })
    const RateLimit = { RequestsPerSecond: 0.001, RequestsMaxBurst: 1 }
    const to = (path: string, SourceService: string): object => ({
      Match: { HTTP: { PathPrefix: path, SourceService: [SourceService] } },
      Destination: { RateLimit },
    })
    await write(agent, {
      Kind: 'service-router',
      Name: 'api',
      Routes: [to('/web', 'web'), to('/other', 'somebody-else')],
    })
    const refused = await callUntil(({ status }) => status === 429, address, api.port, '/web')
    assert.equal(refused.body, 'local_rate_limited')
    for (let i = 0; i < 5; i++) {
      assert.equal((await call(address, api.port, '/other')).status, 200)
    }
    assert.match(
      await refusal(agent, { RateLimit: { RequestsMaxBurst: 5 } }),
      /Route\[0\] RateLimit\.RequestsPerSecond must be greater than 0/,
    )
  })
})
