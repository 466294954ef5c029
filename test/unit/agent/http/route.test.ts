/**
 * Matching of paths against the route table.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { emptyReply } from '../../../../agent/http/reply.ts'
import { allowedMethods, handlerOf, type Route, RouteTable } from '../../../../agent/http/route.ts'
import { ROUTES } from '../../../../agent/http/routes.ts'

const handler = () => emptyReply()

function route(path: string): Route {
  return { path, doc: path, methods: { GET: handler, DELETE: handler } }
}

const table = new RouteTable(
  ['/v1/a/b', '/v1/a/', '/v1/a/b/', '/v1/kv/', '/v1/config', '/v1/config/'].map(route),
)

function found(path: string): readonly string[] {
  const match = table.match(path)
  return match.kind === 'route' ? [match.route.path, match.suffix] : [match.kind]
}

describe('RouteTable', () => {
  it('prefers the exact path, then the longest prefix', () => {
    assert.deepEqual(found('/v1/a/b'), ['/v1/a/b', ''])
    assert.deepEqual(found('/v1/a/c'), ['/v1/a/', 'c'])
    assert.deepEqual(found('/v1/a/b/c/d'), ['/v1/a/b/', 'c/d'])
    assert.deepEqual(found('/v1/a/'), ['/v1/a/', ''])
    assert.deepEqual(found('/v1/config'), ['/v1/config', ''])
    assert.deepEqual(found('/v1/config/k/n'), ['/v1/config/', 'k/n'])
  })

  it('decodes the rest of the path once, after matching', () => {
    assert.deepEqual(found('/v1/kv/a%2Fb%2525'), ['/v1/kv/', 'a/b%25'])
    assert.deepEqual(found('/v1/kv/%zz'), ['invalid'])
  })

  it('redirects to the prefix, and knows nothing else', () => {
    assert.deepEqual(table.match('/v1/kv'), { kind: 'redirect', path: '/v1/kv/' })
    assert.deepEqual(found('/v1/kvx'), ['unknown'])
    assert.deepEqual(found('/v1'), ['unknown'])
    assert.deepEqual(found(''), ['unknown'])
  })

  it('takes a name in the middle of a path, and leaves the prefix what has none', () => {
    const starred = new RouteTable(['/v1/q', '/v1/q/', '/v1/q/*/run', '/v1/q/*/look'].map(route))
    const foundIn = (path: string): readonly string[] => {
      const match = starred.match(path)
      return match.kind === 'route' ? [match.route.path, match.suffix] : [match.kind]
    }
    assert.deepEqual(foundIn('/v1/q/a/run'), ['/v1/q/*/run', 'a'])
    assert.deepEqual(foundIn('/v1/q/a%2Fb/c/look'), ['/v1/q/*/look', 'a/b/c'])
    assert.deepEqual(foundIn('/v1/q/run/run'), ['/v1/q/*/run', 'run'])
    assert.deepEqual(foundIn('/v1/q/run'), ['/v1/q/', 'run'])
    assert.deepEqual(foundIn('/v1/q/%zz/run'), ['invalid'])
    assert.deepEqual(foundIn('/v1/q/a/runs'), ['/v1/q/', 'a/runs'])
  })

  it('refuses two routes of one path', () => {
    assert.throws(() => new RouteTable([route('/v1/x'), route('/v1/x')]), /twice/)
  })

  it('describes every route of the API in a sentence', () => {
    for (const { doc, path } of ROUTES) assert.ok(doc.length > 5 && !doc.endsWith('.'), path)
  })
})

describe('methods', () => {
  it('are those listed and no name of the prototype', () => {
    const given = route('/v1/x')
    assert.equal(handlerOf(given, 'GET'), handler)
    for (const method of ['HEAD', 'PUT', 'toString', '__proto__', '']) {
      assert.equal(handlerOf(given, method), undefined)
    }
    assert.equal(allowedMethods(given), 'OPTIONS,GET,DELETE')
  })
})
