/**
 * The table of routes and methods of the reference, whole (http-api.md section 28): clients find each path with the
 * methods they know, and no other.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { allowedMethods, RouteTable } from '../../../../agent/http/route.ts'
import { ROUTES } from '../../../../agent/http/routes.ts'

/** A path that ends in a slash takes a name. */
const REFERENCE: readonly (readonly [path: string, methods: string])[] = [
  ['/v1/acl/bootstrap', 'PUT'],
  ['/v1/acl/login', 'POST'],
  ['/v1/acl/logout', 'POST'],
  ['/v1/acl/replication', 'GET'],
  ['/v1/acl/policies', 'GET'],
  ['/v1/acl/policy', 'PUT'],
  ['/v1/acl/policy/', 'GET PUT DELETE'],
  ['/v1/acl/policy/name/', 'GET'],
  ['/v1/acl/roles', 'GET'],
  ['/v1/acl/role', 'PUT'],
  ['/v1/acl/role/name/', 'GET'],
  ['/v1/acl/role/', 'GET PUT DELETE'],
  ['/v1/acl/binding-rules', 'GET'],
  ['/v1/acl/binding-rule', 'PUT'],
  ['/v1/acl/binding-rule/', 'GET PUT DELETE'],
  ['/v1/acl/auth-methods', 'GET'],
  ['/v1/acl/auth-method', 'PUT'],
  ['/v1/acl/auth-method/', 'GET PUT DELETE'],
  ['/v1/acl/tokens', 'GET'],
  ['/v1/acl/token', 'PUT'],
  ['/v1/acl/token/self', 'GET'],
  ['/v1/acl/token/', 'GET PUT DELETE'],
  ['/v1/acl/templated-policies', 'GET'],
  ['/v1/acl/templated-policy/name/', 'GET'],
  ['/v1/acl/templated-policy/preview/', 'POST'],
  ['/v1/agent/token/', 'PUT'],
  ['/v1/agent/self', 'GET'],
  ['/v1/agent/host', 'GET'],
  ['/v1/agent/version', 'GET'],
  ['/v1/agent/maintenance', 'PUT'],
  ['/v1/agent/reload', 'PUT'],
  ['/v1/agent/monitor', 'GET'],
  ['/v1/agent/metrics', 'GET'],
  ['/v1/agent/metrics/stream', 'GET'],
  ['/v1/agent/services', 'GET'],
  ['/v1/agent/service/', 'GET'],
  ['/v1/agent/checks', 'GET'],
  ['/v1/agent/members', 'GET'],
  ['/v1/agent/join/', 'PUT'],
  ['/v1/agent/leave', 'PUT'],
  ['/v1/agent/force-leave/', 'PUT'],
  ['/v1/agent/health/service/id/', 'GET'],
  ['/v1/agent/health/service/name/', 'GET'],
  ['/v1/agent/check/register', 'PUT'],
  ['/v1/agent/check/deregister/', 'PUT'],
  ['/v1/agent/check/pass/', 'PUT'],
  ['/v1/agent/check/warn/', 'PUT'],
  ['/v1/agent/check/fail/', 'PUT'],
  ['/v1/agent/check/update/', 'PUT'],
  ['/v1/agent/connect/authorize', 'POST'],
  ['/v1/agent/connect/ca/roots', 'GET'],
  ['/v1/agent/connect/ca/leaf/', 'GET'],
  ['/v1/agent/service/register', 'PUT'],
  ['/v1/agent/service/deregister/', 'PUT'],
  ['/v1/agent/service/maintenance/', 'PUT'],
  ['/v1/catalog/register', 'PUT'],
  ['/v1/catalog/connect/', 'GET'],
  ['/v1/catalog/deregister', 'PUT'],
  ['/v1/catalog/datacenters', 'GET'],
  ['/v1/catalog/nodes', 'GET'],
  ['/v1/catalog/services', 'GET'],
  ['/v1/catalog/service/', 'GET'],
  ['/v1/catalog/node/', 'GET'],
  ['/v1/catalog/node-services/', 'GET'],
  ['/v1/catalog/gateway-services/', 'GET'],
  ['/v1/config/', 'GET DELETE'],
  ['/v1/config', 'PUT'],
  ['/v1/connect/ca/configuration', 'GET PUT'],
  ['/v1/connect/ca/roots', 'GET'],
  ['/v1/connect/intentions', 'GET POST'],
  ['/v1/connect/intentions/match', 'GET'],
  ['/v1/connect/intentions/check', 'GET'],
  ['/v1/connect/intentions/exact', 'GET PUT DELETE'],
  ['/v1/connect/intentions/', 'GET PUT DELETE'],
  ['/v1/coordinate/datacenters', 'GET'],
  ['/v1/coordinate/nodes', 'GET'],
  ['/v1/coordinate/node/', 'GET'],
  ['/v1/coordinate/update', 'PUT'],
  ['/v1/internal/federation-states', 'GET'],
  ['/v1/internal/federation-states/mesh-gateways', 'GET'],
  ['/v1/internal/federation-state/', 'GET'],
  ['/v1/discovery-chain/', 'GET POST'],
  ['/v1/exported-services', 'GET'],
  ['/v1/event/fire/', 'PUT'],
  ['/v1/event/list', 'GET'],
  ['/v1/health/node/', 'GET'],
  ['/v1/health/checks/', 'GET'],
  ['/v1/health/state/', 'GET'],
  ['/v1/health/service/', 'GET'],
  ['/v1/health/connect/', 'GET'],
  ['/v1/health/ingress/', 'GET'],
  ['/v1/internal/ui/metrics-proxy/', 'GET'],
  ['/v1/internal/ui/nodes', 'GET'],
  ['/v1/internal/ui/node/', 'GET'],
  ['/v1/internal/ui/services', 'GET'],
  ['/v1/internal/ui/exported-services', 'GET'],
  ['/v1/internal/ui/catalog-overview', 'GET'],
  ['/v1/internal/ui/gateway-services-nodes/', 'GET'],
  ['/v1/internal/ui/gateway-intentions/', 'GET'],
  ['/v1/internal/ui/service-topology/', 'GET'],
  ['/v1/internal/acl/authorize', 'POST'],
  ['/v1/internal/service-virtual-ip', 'PUT'],
  ['/v1/kv/', 'GET PUT DELETE'],
  ['/v1/operator/raft/configuration', 'GET'],
  ['/v1/operator/raft/transfer-leader', 'POST'],
  ['/v1/operator/raft/peer', 'DELETE'],
  ['/v1/operator/keyring', 'GET POST PUT DELETE'],
  ['/v1/operator/usage', 'GET'],
  ['/v1/operator/autopilot/configuration', 'GET PUT'],
  ['/v1/operator/autopilot/health', 'GET'],
  ['/v1/operator/autopilot/state', 'GET'],
  ['/v1/peering/token', 'POST'],
  ['/v1/peering/establish', 'POST'],
  ['/v1/peering/', 'GET DELETE'],
  ['/v1/peerings', 'GET'],
  ['/v1/query', 'GET POST'],
  ['/v1/query/', 'GET PUT DELETE'],
  ['/v1/session/create', 'PUT'],
  ['/v1/session/destroy/', 'PUT'],
  ['/v1/session/renew/', 'PUT'],
  ['/v1/session/info/', 'GET'],
  ['/v1/session/node/', 'GET'],
  ['/v1/session/list', 'GET'],
  ['/v1/status/leader', 'GET'],
  ['/v1/status/peers', 'GET'],
  ['/v1/snapshot', 'GET PUT'],
  ['/v1/txn', 'PUT'],
]

/** Gone from the reference, so that clients of old times are told. */
const GONE = ['create', 'update', 'destroy/x', 'info/x', 'clone/x', 'list', 'rules/translate']

describe('the routes of the reference', () => {
  const table = new RouteTable(ROUTES)

  it('are there with their methods', () => {
    for (const [path, methods] of REFERENCE) {
      const match = table.match(path.endsWith('/') ? `${path}x` : path)
      assert.ok(match.kind === 'route', path)
      assert.equal(match.route.path, path)
      assert.equal(allowedMethods(match.route), ['OPTIONS', ...methods.split(' ')].join(','), path)
    }
  })

  it('have no other beside them but for parts of a query', () => {
    const known = new Set(REFERENCE.map(([path]) => path))
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
