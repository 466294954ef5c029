/**
 * Routes taken and heads changed for them (mesh.md 7.4, 10.8).
 */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { HeaderEdits, RequestMatch, RouteSpec } from '../../../../core/mesh/proxy-snapshot.ts'
import { seededRng } from '../../../../core/rng.ts'
import { BODY_NONE, METHOD_IDEMPOTENT, RequestHead } from '../../../../proxy/http1/message.ts'
import { HeadEdits } from '../../../../proxy/routing/head-edits.ts'
import { RouteTable } from '../../../../proxy/routing/route-table.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'

const CLOCK = new ManualClock({ now: 0 })

const ANY: RequestMatch = {
  path: undefined,
  ignoreCase: false,
  headers: [],
  query: [],
  methods: [],
}

function route(match: Partial<RequestMatch>, more: Partial<RouteSpec> = {}): RouteSpec {
  return {
    match: { ...ANY, ...match },
    splits: [leg('hit')],
    prefixRewrite: '',
    requestTimeoutMs: undefined,
    retry: undefined,
    requestHeaders: undefined,
    responseHeaders: undefined,
    ...more,
  }
}

function leg(clusterId: string, weight = 1): RouteSpec['splits'][number] {
  return { weight, clusterId, failover: [], requestHeaders: undefined, responseHeaders: undefined }
}

function request(line: string, ...fields: string[]): RequestHead {
  const text = [`${line} HTTP/1.1`, 'host: a', ...fields].map((part) => `${part}\r\n`).join('')
  return new RequestHead(text, BODY_NONE, 0, METHOD_IDEMPOTENT, false)
}

/** Whether the only route takes the request. */
function takes(match: Partial<RequestMatch>, line: string, ...fields: string[]): boolean {
  const table = new RouteTable([route(match)], seededRng(1), CLOCK)
  return table.take(request(line, ...fields)) !== undefined
}

describe('a match', () => {
  test('of the path: exact, prefix, whole regular expression, without case', () => {
    const exact = { path: { kind: 'exact', value: '/a' } } as const
    assert.equal(takes(exact, 'GET /a?x=1'), true)
    assert.equal(takes(exact, 'GET /a/'), false)
    assert.equal(takes(exact, 'GET /A'), false)
    assert.equal(takes({ ...exact, ignoreCase: true }, 'GET /A'), true)
    const prefix = { path: { kind: 'prefix', value: '/a' } } as const
    assert.equal(takes(prefix, 'GET /abc'), true)
    assert.equal(takes(prefix, 'GET /b/a'), false)
    const regex = { path: { kind: 'regex', value: '/v[0-9]+|/w' } } as const
    assert.equal(takes(regex, 'GET /v12'), true)
    assert.equal(takes(regex, 'GET /w'), true)
    assert.equal(takes(regex, 'GET /v12/x'), false)
    assert.equal(takes({ ...regex, ignoreCase: true }, 'GET /V1'), true)
  })

  test('of the path looks at its normal form', () => {
    const admin = { path: { kind: 'prefix', value: '/admin' } } as const
    for (const path of ['/x/../admin', '/%61dmin', '/./admin']) {
      assert.equal(takes(admin, `GET ${path}`), true, path)
    }
  })

  test('of headers: by name in any case, absent ones only by an inverted question for presence', () => {
    const header = (
      kind: 'present' | 'exact' | 'prefix' | 'suffix' | 'regex',
      value: string,
      invert = false,
    ) => ({
      headers: [{ name: 'x-env', kind, value, invert }],
    })
    assert.equal(takes(header('present', ''), 'GET /', 'X-Env: a'), true)
    assert.equal(takes(header('present', ''), 'GET /'), false)
    assert.equal(takes(header('present', '', true), 'GET /'), true)
    assert.equal(takes(header('exact', 'prod'), 'GET /', 'x-env: prod'), true)
    assert.equal(takes(header('exact', 'prod', true), 'GET /', 'x-env: test'), true)
    assert.equal(takes(header('exact', 'prod', true), 'GET /'), false)
    assert.equal(takes(header('prefix', 'pr'), 'GET /', 'x-env: prod'), true)
    assert.equal(takes(header('suffix', 'od'), 'GET /', 'x-env: prod'), true)
    assert.equal(takes(header('regex', 'p.+d'), 'GET /', 'x-env: prod'), true)
    assert.equal(takes(header('regex', 'p'), 'GET /', 'x-env: prod'), false)
  })

  test('of query parameters, decoded', () => {
    const query = { query: [{ name: 'v', kind: 'exact', value: 'a b', invert: false }] } as const
    assert.equal(takes(query, 'GET /?u=1&v=a%20b'), true)
    assert.equal(takes(query, 'GET /?v=ab'), false)
    const present = { query: [{ name: 'v', kind: 'present', value: '', invert: false }] } as const
    assert.equal(takes(present, 'GET /?v'), true)
    assert.equal(takes(present, 'GET /v'), false)
  })

  test('of methods', () => {
    assert.equal(takes({ methods: ['PUT', 'GET'] }, 'GET /'), true)
    assert.equal(takes({ methods: ['PUT'] }, 'GET /'), false)
  })

  test('by an expression of another version that does not compile holds for nothing', () => {
    assert.equal(takes({ path: { kind: 'regex', value: 'a)|(b' } }, 'GET /'), false)
  })
})

test('the first route that matches decides', () => {
  const table = new RouteTable(
    [
      route({ path: { kind: 'prefix', value: '/a' } }, { splits: [leg('first')] }),
      route({ path: { kind: 'prefix', value: '/ab' } }, { splits: [leg('second')] }),
      route({}, { splits: [leg('rest')] }),
    ],
    seededRng(1),
    CLOCK,
  )
  assert.equal(table.take(request('GET /abc'))?.clusterId, 'first')
  assert.equal(table.take(request('GET /x'))?.clusterId, 'rest')
})

test('legs get calls by their weights, to 0.01 %', () => {
  const table = new RouteTable(
    [route({}, { splits: [leg('rare', 0.01), leg('half', 50), leg('other', 49.99)] })],
    seededRng(7),
    CLOCK,
  )
  const counts = new Map<string, number>()
  const calls = 400_000
  for (let i = 0; i < calls; i++) {
    const id = table.take(request('GET /'))?.clusterId ?? ''
    counts.set(id, (counts.get(id) ?? 0) + 1)
  }
  const share = (id: string): number => ((counts.get(id) ?? 0) / calls) * 100
  assert.ok(Math.abs(share('half') - 50) < 0.5, `${share('half')}`)
  assert.ok(share('rare') > 0.003 && share('rare') < 0.02, `${share('rare')}`)
})

describe('a rewrite', () => {
  const to = (
    prefixRewrite: string,
    path: RequestMatch['path'],
    line: string,
    ignoreCase = false,
  ): string => {
    const head = request(line)
    new RouteTable([route({ path, ignoreCase }, { prefixRewrite })], seededRng(1), CLOCK).take(head)
    return head.text
  }

  test('replaces the prefix, or the whole path of an exact match, and keeps the query', () => {
    const text = to('/', { kind: 'prefix', value: '/api/' }, 'GET /api/users?id=1')
    assert.equal(
      text,
      'GET /users?id=1 HTTP/1.1\r\nhost: a\r\nx-envoy-original-path: /api/users?id=1\r\n',
    )
    assert.match(to('/new', { kind: 'exact', value: '/old' }, 'GET /old?x'), /^GET \/new\?x HTTP/)
  })

  test('replaces a prefix that is written unusually, or in another case', () => {
    assert.match(to('/b', { kind: 'prefix', value: '/a' }, 'GET /%61/c'), /^GET \/b\/c HTTP/)
    assert.match(to('/b', { kind: 'prefix', value: '/a' }, 'GET /A/c', true), /^GET \/b\/c HTTP/)
    // What is behind the prefix cannot climb out of what replaces it.
    assert.match(to('/b', { kind: 'prefix', value: '/a' }, 'GET /a/../a/c', false), /^GET \/b\/c /)
  })
})

describe('edits of headers', () => {
  const edits = (of: Partial<HeaderEdits>): HeadEdits | undefined =>
    HeadEdits.of({ remove: [], set: [], add: [], ...of })

  test('remove, set and add, whatever the case of names', () => {
    const text = 'GET / HTTP/1.1\r\nhost: a\r\nX-One: 1\r\nx-two: 2\r\nX-ONE: 3\r\n'
    const changed = edits({
      remove: ['x-one'],
      set: [['x-two', 'two']],
      add: [['x-three', 'three']],
    })
    assert.equal(
      changed?.apply(text),
      'GET / HTTP/1.1\r\nhost: a\r\nx-two: two\r\nx-three: three\r\n',
    )
  })

  test('never touch framing, host or the next line', () => {
    const harmful = edits({
      remove: ['host', 'content-length'],
      set: [
        ['transfer-encoding', 'chunked'],
        ['x-a', 'b\r\nx-injected: 1'],
        ['bad name', 'v'],
      ],
    })
    const text = 'GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n'
    assert.equal(harmful?.apply(text) ?? text, text)
  })

  test('of the leg come before those of the route, on the way there and back', () => {
    const set = (value: string): HeaderEdits => ({ remove: [], set: [['x', value]], add: [] })
    const both: RouteSpec = route(
      {},
      {
        requestHeaders: set('route'),
        responseHeaders: set('route'),
        requestTimeoutMs: 7,
        splits: [{ ...leg('c'), requestHeaders: set('leg'), responseHeaders: set('leg') }],
      },
    )
    const head = request('GET /')
    new RouteTable([both], seededRng(1), CLOCK).take(head)
    assert.equal(head.text, 'GET / HTTP/1.1\r\nhost: a\r\nx: route\r\n')
    assert.equal(head.responseTimeoutMs, 7)
    let answer = 'HTTP/1.1 200 OK\r\n'
    for (const change of head.responseEdits ?? []) answer = change.apply(answer)
    assert.equal(answer, 'HTTP/1.1 200 OK\r\nx: route\r\n')
  })
})

test('a route for some callers is passed over by others', () => {
  const table = new RouteTable(
    [
      route({ sources: ['batch', 'night'] }, { splits: [leg('slow')] }),
      route({}, { splits: [leg('rest')] }),
    ],
    seededRng(1),
    CLOCK,
  )
  assert.equal(table.take(request('GET /'), 'night')?.clusterId, 'slow')
  assert.equal(table.take(request('GET /'), 'web')?.clusterId, 'rest')
})

test('a route with a rate marks what is one too many, until time has passed', () => {
  const clock = new ManualClock({ now: 0 })
  const limited = route({}, { rateLimit: { requestsPerSecond: 2, burst: 3 } })
  const table = new RouteTable([limited], seededRng(1), clock)
  const admitted = (): boolean => {
    const head = request('GET /')
    table.take(head)
    return !head.isTooMany
  }
  assert.deepEqual([admitted(), admitted(), admitted(), admitted()], [true, true, true, false])
  clock.advance(500)
  assert.deepEqual([admitted(), admitted()], [true, false])
})
