/**
 * The table of routes and methods of the reference, whole (http-api.md section 28): clients find each path with the
 * methods they know, and no other.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { allowedMethods, RouteTable } from '../../../../agent/http/route.ts'
import { ROUTES } from '../../../../agent/http/routes.ts'
import { CONSUL_ENDPOINTS } from '../../../../scripts/docs/consul/endpoints.ts'

/** Gone from the reference, so that clients of old times are told. */
const GONE = ['create', 'update', 'destroy/x', 'info/x', 'clone/x', 'list', 'rules/translate']

describe('the routes of the reference', () => {
  const table = new RouteTable(ROUTES)

  it('are there with their methods', () => {
    for (const [path, methods] of CONSUL_ENDPOINTS) {
      const match = table.match(path.endsWith('/') ? `${path}x` : path)
      assert.ok(match.kind === 'route', path)
      assert.equal(match.route.path, path)
      assert.equal(allowedMethods(match.route), ['OPTIONS', ...methods.split(' ')].join(','), path)
    }
  })

  it('have no other beside them but for parts of a query', () => {
    const known = new Set(CONSUL_ENDPOINTS.map(([path]) => path))
    const others = ROUTES.map(({ path }) => path).filter(
      (path) => path.startsWith('/v1/') && !known.has(path),
    )
    assert.deepEqual(others, ['/v1/query/*/execute', '/v1/query/*/explain'])
  })

  it('do not come back once they are gone', () => {
    for (const path of GONE) {
      const match = table.match(`/v1/acl/${path}`)
      assert.equal(match.kind, 'unknown', path)
    }
  })
})
