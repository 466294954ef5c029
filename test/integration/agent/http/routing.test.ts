/**
 * Every route of the table over real HTTP: methods, redirects, unknown paths, standing headers.
 */

import assert from 'node:assert/strict'
import { METHODS } from 'node:http'
import { after, before, describe, it } from 'node:test'
import { allowedMethods, type Route } from '../../../../agent/http/route.ts'
import { ROUTES } from '../../../../agent/http/routes.ts'
import { type RunningAgent, startAgent } from './running-agent.ts'

let agent: RunningAgent

before(async () => {
  agent = await startAgent({ httpResponseHeaders: { 'X-Extra': 'yes' } })
})

after(async () => {
  await agent[Symbol.asyncDispose]()
  assert.deepEqual(agent.errors, [])
})

function pathOf(route: Route): string {
  return route.path.endsWith('/') ? `${route.path}x` : route.path
}

/** All that the parser knows, but for CONNECT, which is a tunnel and never a request. */
const TRIED = METHODS.filter((method) => method !== 'CONNECT' && method !== 'OPTIONS')

describe('methods', () => {
  it('answers 405 with Allow to every method that a route does not list', async () => {
    for (const route of ROUTES) {
      const wrong = TRIED.find((method) => !(method in route.methods) && method !== 'HEAD') ?? ''
      for (const method of [wrong, 'HEAD']) {
        const answer = await agent.send(method, pathOf(route))
        assert.equal(answer.status, 405, `${method} ${route.path}`)
        assert.equal(answer.headers['allow'], allowedMethods(route))
        assert.equal(answer.text, method === 'HEAD' ? '' : `method ${method} not allowed`)
      }
    }
  })

  it('answers 405 to every method there is, on one route', async () => {
    for (const method of TRIED) {
      if (method === 'PUT') continue
      assert.equal((await agent.send(method, '/v1/txn')).status, 405, method)
    }
  })

  it('answers OPTIONS with the methods of each route', async () => {
    for (const route of ROUTES) {
      const answer = await agent.send('OPTIONS', pathOf(route))
      assert.equal(answer.status, 200, route.path)
      assert.equal(answer.headers['allow'], allowedMethods(route))
      assert.equal(answer.text, '')
    }
    assert.equal(
      (await agent.send('OPTIONS', '/v1/kv/a')).headers['allow'],
      'OPTIONS,GET,PUT,DELETE',
    )
  })
})

describe('routes that this version does not have', () => {
  it('say so with 501 for every method they list', async () => {
    const isAcl = /^\/v1\/(acl|internal\/acl|agent\/token)\//
    const unsupported = ROUTES.filter((route) => route.unsupported && !isAcl.test(route.path))
    assert.ok(unsupported.length > 0)
    for (const route of unsupported) {
      for (const method of Object.keys(route.methods)) {
        const answer = await agent.send(method, pathOf(route))
        assert.equal(answer.status, 501, `${method} ${route.path}`)
        assert.equal(
          answer.text,
          `${method} ${pathOf(route)} is not supported by this version of Fairlead`,
        )
        assert.equal(answer.headers['content-type'], 'text/plain; charset=utf-8')
        assert.equal(answer.headers['x-fairlead-error'], 'NOT_SUPPORTED')
      }
    }
  })
})

describe('unknown paths', () => {
  it('answer 404 with the exact text', async () => {
    const known = 'Invalid URL path: not a recognized HTTP API endpoint\n'
    for (const path of ['/v1/nope', '/v1/kvx', '/v1/acl/create', '/x/v1/kv/a', '/v1/']) {
      const answer = await agent.get(path)
      assert.equal(answer.status, 404, path)
      assert.equal(answer.text, known)
    }
    const answer = await agent.get('/nope')
    assert.equal(answer.status, 404)
    assert.equal(
      answer.text,
      "Invalid URL path: if attempting to use the HTTP API, ensure the path starts with '/v1/'\n",
    )
  })

  it('are cleaned by redirect, with the query kept', async () => {
    for (const [from, to] of [
      ['/v1//kv/a?raw', '/v1/kv/a?raw'],
      ['/v1/kv', '/v1/kv/'],
      ['/v1/kv?keys', '/v1/kv/?keys'],
      ['/v1/./agent/../agent/self', '/v1/agent/self'],
    ] as const) {
      const answer = await agent.get(from)
      assert.equal(answer.status, 301, from)
      assert.equal(answer.headers['location'], to)
    }
  })

  it('with bad escapes, control characters or bytes that are no UTF-8 answer 400', async () => {
    for (const path of ['/v1/kv/%zz', '/v1/kv/a%0Ab', '/v1/kv/%ff', '/v1/kv/%00']) {
      assert.equal((await agent.get(path)).status, 400, path)
    }
  })

  it('answer at the root with a word about the API', async () => {
    const answer = await agent.get('/')
    assert.equal(answer.status, 200)
    assert.match(answer.text, /\/v1\//)
  })
})

describe('query strings', () => {
  it('that are malformed answer 500 without a body', async () => {
    for (const query of ['a=%', 'a=%zz', 'a;b']) {
      const answer = await agent.get(`/v1/catalog/nodes?${query}`)
      assert.equal(answer.status, 500)
      assert.equal(answer.text, '')
      assert.equal(answer.headers['content-type'], 'text/plain; charset=utf-8')
    }
  })
})

describe('headers', () => {
  it('carry the standing ones and those configured, in the known spelling', async () => {
    const answer = await agent.get('/v1/catalog/nodes')
    const names = answer.rawHeaders.filter((_, i) => i % 2 === 0)
    for (const name of [
      'Vary',
      'X-Consul-Default-Acl-Policy',
      'X-Extra',
      'X-Consul-Index',
      'X-Consul-Knownleader',
      'X-Consul-Lastcontact',
      'X-Consul-Query-Backend',
      'X-Consul-Effective-Consistency',
      'Content-Type',
      'Content-Length',
    ]) {
      assert.ok(names.includes(name), name)
    }
    assert.equal(answer.headers['x-consul-default-acl-policy'], 'allow')
    assert.equal(answer.headers['x-consul-knownleader'], 'true')
    assert.equal(answer.headers['x-consul-lastcontact'], '0')
    assert.equal(answer.headers['x-consul-effective-consistency'], 'leader')
    assert.equal(answer.headers['x-consul-query-backend'], 'blocking-query')
    assert.equal(answer.headers['content-type'], 'application/json')
    assert.match(String(answer.headers['x-consul-index']), /^[1-9][0-9]*$/)
  })
})
