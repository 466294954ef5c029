/**
 * How calls are balanced, limited and protected, as config entries say it.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { startAgent, type TestAgent } from './harness/agent.ts'
import {
  call,
  callUntil,
  meshFlags,
  type Reply,
  registerMesh,
  sharedAddress,
  startApp,
} from './harness/mesh.ts'
import { eventually } from './harness/program.ts'

async function write(agent: TestAgent, entry: object): Promise<void> {
  const response = await agent.put('/v1/config', entry)
  assert.equal(response.status, 200, await response.text())
}

const isFine = ({ status }: Reply): boolean => status === 200

describe('settings of service-defaults', () => {
  it('reach the proxy in front of the application', async () => {
    await using agent = await startAgent({ flags: meshFlags() })
    await using slow = await startApp('slow', (incoming, response) => {
      if (incoming.url === '/never') return
      response.end('soon')
    })
    await registerMesh(agent, slow)
    const address = await sharedAddress(agent, 'slow')
    await callUntil(isFine, address, slow.port)
    await write(agent, {
      Kind: 'service-defaults',
      Name: 'slow',
      Protocol: 'http',
      LocalRequestTimeoutMs: 300,
    })
    const reply = await callUntil(({ status }) => status === 504, address, slow.port, '/never')
    assert.equal(reply.body, 'upstream request timeout')
  })

  it('limit what a service has under way at an upstream', async () => {
    await using agent = await startAgent({ flags: meshFlags() })
    await using web = await startApp('web')
    const held: (() => void)[] = []
    await using api = await startApp('api', (incoming, response) => {
      if (incoming.url === '/hold') held.push(() => response.end('held'))
      else response.end('free')
    })
    for (const app of [web, api]) await registerMesh(agent, app)
    const address = await sharedAddress(agent, 'api')
    await callUntil(isFine, address, api.port)
    await write(agent, {
      Kind: 'service-defaults',
      Name: 'web',
      UpstreamConfig: { Overrides: [{ Name: 'api', Limits: { MaxConcurrentRequests: 1 } }] },
    })
    const first = call(address, api.port, '/hold')
    await eventually('the first is under way', () => held.length === 1)
    const refused = await callUntil(({ status }) => status === 503, address, api.port)
    assert.equal(refused.headers['x-envoy-overloaded'], 'true')
    for (const release of held) release()
    assert.equal((await first).body, 'held')
    await callUntil(isFine, address, api.port)
  })
})

describe('instances of a service', () => {
  it('are chosen by a hash of the request where the resolver says so', async () => {
    await using agent = await startAgent({ flags: meshFlags() })
    await using one = await startApp('api', (_, response) => response.end('one'))
    await using two = await startApp('api', (_, response) => response.end('two'))
    await registerMesh(agent, one, { id: 'api-1' })
    await registerMesh(agent, two, { id: 'api-2' })
    const address = await sharedAddress(agent, 'api')
    const port = one.port
    await callUntil(isFine, address, port)
    await write(agent, { Kind: 'service-defaults', Name: 'api', Protocol: 'http' })
    for (const Policy of ['maglev', 'ring_hash']) {
      await write(agent, {
        Kind: 'service-resolver',
        Name: 'api',
        LoadBalancer: {
          Policy,
          HashPolicies: [
            { Field: 'header', FieldValue: 'x-user', Terminal: true },
            { Field: 'cookie', FieldValue: 'seat', CookieConfig: { TTL: '1h', Path: '/' } },
          ],
        },
      })
      const asked = async (headers: Record<string, string>): Promise<string> =>
        (await call(address, port, '/', { headers })).body
      await eventually(`${Policy} sends each user to one instance, all users to both`, async () => {
        const users = Array.from({ length: 16 }, (_, i) => ({ 'x-user': `user-${i}` }))
        const seen: string[] = []
        for (const user of users) {
          const first = await asked(user)
          for (let i = 0; i < 3; i++) if ((await asked(user)) !== first) return false
          seen.push(first)
        }
        return new Set(seen).size === 2
      })
      const fresh = await call(address, port)
      const [cookie = ''] = fresh.headers['set-cookie'] ?? []
      assert.match(cookie, /^seat="[0-9a-f]{16}"; Max-Age=3600; Path=\/; HttpOnly$/)
      const headers = { cookie: cookie.slice(0, cookie.indexOf(';')) }
      for (let i = 0; i < 6; i++) assert.equal(await asked(headers), fresh.body)
    }
  })

  it('are left out while their answers fail, also where there are but two, and come back', async () => {
    await using agent = await startAgent({ flags: meshFlags() })
    await using web = await startApp('web')
    let isIll = false
    await using bad = await startApp('api', (_, response) => {
      if (isIll) response.writeHead(500).end('ill')
      else response.end('bad')
    })
    await using good = await startApp('api', (_, response) => response.end('good'))
    await registerMesh(agent, web)
    await registerMesh(agent, bad, { id: 'api-1' })
    await registerMesh(agent, good, { id: 'api-2' })
    await write(agent, { Kind: 'service-defaults', Name: 'api', Protocol: 'http' })
    await write(agent, {
      Kind: 'service-defaults',
      Name: 'web',
      UpstreamConfig: {
        Defaults: { PassiveHealthCheck: { MaxFailures: 3, BaseEjectionTime: '4s' } },
      },
    })
    const address = await sharedAddress(agent, 'api')
    const answers = async (): Promise<string[]> => {
      const bodies: string[] = []
      for (let i = 0; i < 20; i++) bodies.push((await call(address, good.port)).body)
      return bodies
    }
    await eventually('both answer', async () => {
      const bodies = await answers()
      return bodies.includes('bad') && bodies.includes('good')
    })
    isIll = true
    await eventually('only one answers', async () =>
      (await answers()).every((body) => body === 'good'),
    )
    isIll = false
    await eventually('both answer again', async () => (await answers()).includes('bad'))
  })
})

describe('requests', () => {
  it('meet the faults of their route, and no others', async () => {
    await using agent = await startAgent({ flags: meshFlags() })
    await using api = await startApp('api')
    await registerMesh(agent, api)
    const address = await sharedAddress(agent, 'api')
    await callUntil(isFine, address, api.port)
    await write(agent, { Kind: 'service-defaults', Name: 'api', Protocol: 'http' })
    await write(agent, {
      Kind: 'service-router',
      Name: 'api',
      Routes: [
        {
          Match: { HTTP: { PathPrefix: '/ill' } },
          Destination: { Fault: { Abort: { HTTPStatus: 418, Percent: 50 } } },
        },
        {
          Match: { HTTP: { PathPrefix: '/late' } },
          Destination: { Fault: { Delay: { Fixed: '400ms' } } },
        },
        {
          Match: { HTTP: { PathPrefix: '/over' } },
          Destination: {
            Fault: { Abort: { HTTPStatus: 500 }, ExpiresAt: '2020-01-01T00:00:00Z' },
          },
        },
      ],
    })
    const ill = await callUntil(({ status }) => status === 418, address, api.port, '/ill')
    assert.equal(ill.body, 'fault filter abort')
    assert.equal(ill.headers['x-fairlead-error'], 'FAULT_INJECTED')
    let faults = 0
    for (let i = 0; i < 100; i++) {
      if ((await call(address, api.port, '/ill')).status === 418) faults++
    }
    assert.ok(faults > 20 && faults < 80, `${faults} of 100`)
    const before = performance.now()
    assert.equal((await call(address, api.port, '/late')).body, 'api /late')
    assert.ok(performance.now() - before >= 399)
    for (const path of ['/over', '/else']) {
      assert.equal((await call(address, api.port, path)).status, 200)
    }
    const refused = await agent.put('/v1/config', {
      Kind: 'service-router',
      Name: 'api',
      Routes: [{ Destination: { Fault: { Abort: { HTTPStatus: 42 } } } }],
    })
    assert.match(await refused.text(), /Route\[0\] Fault.Abort.HTTPStatus must be 200 to 599/)
  })

  it('beyond the rate of a service are answered 429', async () => {
    await using agent = await startAgent({ flags: meshFlags() })
    await using api = await startApp('api')
    await registerMesh(agent, api)
    const address = await sharedAddress(agent, 'api')
    await callUntil(isFine, address, api.port)
    await write(agent, {
      Kind: 'service-defaults',
      Name: 'api',
      Protocol: 'http',
      RateLimits: {
        InstanceLevel: {
          RequestsPerSecond: 1000,
          Routes: [{ PathPrefix: '/dear', RequestsPerSecond: 0.001, RequestsMaxBurst: 3 }],
        },
      },
    })
    const refused = await callUntil(({ status }) => status === 429, address, api.port, '/dear/1')
    assert.equal(refused.body, 'local_rate_limited')
    assert.equal((await call(address, api.port, '/cheap')).status, 200)
  })

  it('get another try when one takes too long', async () => {
    await using agent = await startAgent({ flags: meshFlags() })
    let asked = 0
    await using api = await startApp('api', (incoming, response) => {
      if (incoming.url !== '/try') response.end('at once')
      else if (asked++ > 0) response.end(`try ${asked}`)
    })
    await registerMesh(agent, api)
    const address = await sharedAddress(agent, 'api')
    await callUntil(isFine, address, api.port)
    await write(agent, { Kind: 'service-defaults', Name: 'api', Protocol: 'http' })
    await write(agent, {
      Kind: 'service-router',
      Name: 'api',
      Routes: [
        {
          Match: { HTTP: { PathPrefix: '/try' } },
          Destination: { PerTryTimeout: '500ms', RetryOn: ['5xx'], NumRetries: 3 },
        },
      ],
    })
    // Nothing but the route answers here: the first try is never answered.
    const reply = await callUntil(isFine, address, api.port, '/try')
    assert.equal(reply.body, 'try 2')
  })
})
