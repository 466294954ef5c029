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

/** What the reference lacks: whole paths, and methods on paths of its own. */
const OURS = new Map([
  ['/v1/agent/proxy/metrics', 'GET'],
  ['/v1/agent/proxy/tap', 'GET'],
  ['/v1/connect/ca/revocations', 'GET PUT'],
  ['/v1/connect/ca/revocations/', 'DELETE'],
  ['/v1/operator/join-token', 'PUT'],
  ['/v1/operator/join-token/', 'DELETE'],
  ['/v1/operator/join-tokens', 'GET'],
  ['/v1/query/*/execute', 'GET'],
  ['/v1/query/*/explain', 'GET'],
])
const METHODS_OF_OURS = new Map([['/v1/internal/service-virtual-ip', 'GET']])

describe('the routes of the reference', () => {
  const table = new RouteTable(ROUTES)

  it('are there with their methods', () => {
    for (const [path, methods] of CONSUL_ENDPOINTS) {
      const match = table.match(path.endsWith('/') ? `${path}x` : path)
      assert.ok(match.kind === 'route', path)
      assert.equal(match.route.path, path)
      const ours = METHODS_OF_OURS.get(path) ?? ''
      assert.equal(allowedMethods(match.route), methodsText(`${ours} ${methods}`), path)
    }
  })

  it('have no other beside them but ours', () => {
    const known = new Set(CONSUL_ENDPOINTS.map(([path]) => path))
    const others = ROUTES.filter(({ path }) => path.startsWith('/v1/') && !known.has(path))
    assert.deepEqual(
      new Map(others.map((route) => [route.path, allowedMethods(route)])),
      new Map([...OURS].map(([path, methods]) => [path, methodsText(methods)])),
    )
  })

  it('do not come back once they are gone', () => {
    for (const path of GONE) {
      const match = table.match(`/v1/acl/${path}`)
      assert.equal(match.kind, 'unknown', path)
    }
  })
})

/** As the header Allow has them. */
function methodsText(methods: string): string {
  return ['OPTIONS', ...methods.trim().split(' ')].join(',')
}
