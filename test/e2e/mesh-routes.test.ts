/**
 * Calls that follow config entries: subsets, redirects, failover, routes by path and header, splits.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { startAgent, type TestAgent } from './harness/agent.ts'
import {
  type App,
  call,
  callUntil,
  keepAlive,
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

/** A sidecar is healthy once it listens, which its check notices a moment later. */
async function allAnswer(agent: TestAgent, apps: readonly App[]): Promise<void> {
  for (const app of apps) {
    const address = await sharedAddress(agent, app.name)
    await callUntil((reply) => reply.status === 200, address, app.port)
  }
}

const says =
  (text: string) =>
  (reply: Reply): boolean =>
    reply.status === 200 && reply.body.startsWith(text)

describe('calls along a discovery chain', () => {
  it('go to the subset that is the default, and to another service when it has nobody left', async () => {
    await using agent = await startAgent({ flags: meshFlags() })
    await using one = await startApp('payments', (_, response) => response.end('v1'))
    await using two = await startApp('payments', (_, response) => response.end('v2'))
    await using spare = await startApp('spare', (_, response) => response.end('spare'))
    await registerMesh(agent, one, { id: 'p1', meta: { version: '1' } })
    await registerMesh(agent, two, { id: 'p2', meta: { version: '2' } })
    await registerMesh(agent, spare)
    const address = await sharedAddress(agent, 'payments')
    await write(agent, {
      Kind: 'service-resolver',
      Name: 'payments',
      DefaultSubset: 'v2',
      Subsets: { v2: { Filter: 'Service.Meta.version == 2' } },
      Failover: { '*': { Service: 'spare' } },
    })
    await eventually('only the subset answers', async () => {
      const before = one.served()
      for (let i = 0; i < 6; i++) if (!says('v2')(await call(address, one.port))) return false
      return one.served() === before
    })
    await two[Symbol.asyncDispose]()
    await callUntil(says('spare'), address, one.port)
  })

  it('follow routes by path and header, and change what the routes say', async () => {
    await using agent = await startAgent({ flags: meshFlags() })
    await using web = await startApp('web', (incoming, response) =>
      response.end(`web ${incoming.url}`),
    )
    await using admin = await startApp('admin', (incoming, response) =>
      response.end(
        `admin ${incoming.url} ${incoming.headers['x-by']} ${incoming.headers['x-gone']}`,
      ),
    )
    await using beta = await startApp('beta', (_, response) => response.end('beta'))
    for (const app of [web, admin, beta]) await registerMesh(agent, app)
    await allAnswer(agent, [web, admin, beta])
    for (const Name of ['web', 'admin', 'beta']) {
      await write(agent, { Kind: 'service-defaults', Name, Protocol: 'http' })
    }
    await write(agent, {
      Kind: 'service-router',
      Name: 'web',
      Routes: [
        {
          Match: { HTTP: { PathPrefix: '/admin/' } },
          Destination: {
            Service: 'admin',
            PrefixRewrite: '/',
            RequestHeaders: { Set: { 'x-by': 'router' }, Remove: ['x-gone'] },
            ResponseHeaders: { Add: { 'x-route': 'admin' } },
          },
        },
        {
          Match: { HTTP: { Header: [{ Name: 'x-beta', Exact: 'yes' }] } },
          Destination: { Service: 'beta' },
        },
      ],
    })
    const base = `http://${await sharedAddress(agent, 'web')}:${web.port}`
    await eventually('the routes hold', async () => {
      const answer = await fetch(`${base}/admin/users?id=1`, { headers: { 'x-gone': 'here' } })
      const body = await answer.text()
      if (!body.startsWith('admin')) return false
      assert.equal(body, 'admin /users?id=1 router undefined')
      assert.equal(answer.headers.get('x-route'), 'admin')
      return true
    })
    const asked = async (path: string, headers = {}): Promise<string> =>
      await (await fetch(base + path, { headers })).text()
    assert.equal(await asked('/x', { 'x-beta': 'yes' }), 'beta')
    assert.equal(await asked('/x', { 'x-beta': 'no' }), 'web /x')
    assert.equal(await asked('/administrator'), 'web /administrator')
  })

  it('are tried again as the route says, with their body, and not more often', async () => {
    await using agent = await startAgent({ flags: meshFlags() })
    let refusals = 0
    const bodies: string[] = []
    await using web = await startApp('web', (incoming, response) => {
      let body = ''
      incoming.setEncoding('utf8').on('data', (text: string) => {
        body += text
      })
      incoming.on('end', () => {
        bodies.push(body)
        if (refusals-- > 0) response.writeHead(503).end('busy')
        else response.end(`took ${body.length}`)
      })
    })
    await registerMesh(agent, web)
    await write(agent, { Kind: 'service-defaults', Name: 'web', Protocol: 'http' })
    const address = await sharedAddress(agent, 'web')
    await callUntil((reply) => reply.status === 200, address, web.port)
    await write(agent, {
      Kind: 'service-router',
      Name: 'web',
      Routes: [
        {
          Match: { HTTP: { PathPrefix: '/again' } },
          Destination: { RetryOnStatusCodes: [503], NumRetries: 2, RequestTimeout: '20s' },
        },
      ],
    })
    const url = `http://${address}:${web.port}`
    const post = async (path: string, body: string, failing: number) => {
      refusals = failing
      bodies.length = 0
      const answer = await fetch(url + path, { method: 'POST', body })
      return [answer.status, await answer.text(), bodies.length] as const
    }
    await eventually('the route holds', async () => (await post('/again', 'x', 1))[0] === 200)
    const body = 'b'.repeat(30_000)
    assert.deepEqual(await post('/again', body, 2), [200, 'took 30000', 3])
    assert.deepEqual(bodies, [body, body, body])
    assert.deepEqual(await post('/again', body, 3), [503, 'busy', 3])
    assert.deepEqual(await post('/once', body, 1), [503, 'busy', 1])
    const large = 'l'.repeat(300_000)
    assert.deepEqual(await post('/again', large, 1), [503, 'busy', 1], 'too large to be kept')
    assert.deepEqual(await post('/again', 'x', 0), [200, 'took 1', 1])
  })

  it('are split by weight, and no call is lost while the weights change', async () => {
    await using agent = await startAgent({ flags: meshFlags() })
    await using blue = await startApp('blue', (_, response) => response.end('blue'))
    await using green = await startApp('green', (_, response) => response.end('green'))
    for (const app of [blue, green]) await registerMesh(agent, app)
    await allAnswer(agent, [blue, green])
    for (const Name of ['blue', 'green']) {
      await write(agent, { Kind: 'service-defaults', Name, Protocol: 'http' })
    }
    const address = await sharedAddress(agent, 'blue')
    await callUntil(says('blue'), address, blue.port)
    const split = (weight: number): Promise<void> =>
      write(agent, {
        Kind: 'service-splitter',
        Name: 'blue',
        Splits: [{ Weight: 100 - weight }, { Weight: weight, Service: 'green' }],
      })
    let stopped = false
    const failures: unknown[] = []
    const keep = keepAlive()
    const load = (async () => {
      while (!stopped) {
        const reply = await call(address, blue.port, '/', { keep }).catch((error) => error)
        if (reply.status !== 200) failures.push(reply)
      }
    })()
    // Also when something fails meanwhile: nothing else would end it.
    await using calls = new AsyncDisposableStack()
    calls.defer(async () => {
      stopped = true
      await load
      keep.destroy()
    })
    for (const weight of [10, 50, 90]) {
      await split(weight)
      const [b, g] = [blue.served(), green.served()]
      await eventually(`green gets about ${weight} %`, () => {
        const all = blue.served() - b + green.served() - g
        const share = ((green.served() - g) / all) * 100
        return all > 300 && Math.abs(share - weight) < 9
      })
    }
    await split(100)
    await callUntil(says('green'), address, blue.port)
    await eventually('blue gets no more calls', async () => {
      const before = blue.served()
      for (let i = 0; i < 20; i++) await call(address, blue.port)
      return blue.served() === before
    })
    await calls.disposeAsync()
    assert.deepEqual(failures, [])
  })
})
