/**
 * Which right each endpoint needs and who asks for it: every route and method has a row (http-api.md, the ACL columns).
 *
 * `servers`: the request goes to the servers on behalf of its token, and they decide (core/acl/). `handler`: the agent
 * decides in the handler, because that depends on the body or on what is found. A right: decided here, before the
 * handler. A route without a row is refused (and fails the test of this table).
 */

import { assertAllowed, denied } from '../../core/acl/denial.ts'
import type { Access, Resource } from '../../core/acl/rule.ts'
import { FairleadError } from '../../core/errors.ts'
import type { HttpCall } from './call.ts'
import type { Route } from './route.ts'

type Right =
  | 'open'
  | 'servers'
  | 'handler'
  /** Reads all nodes and services. */
  | 'catalog'
  | {
      readonly resource: Resource
      readonly access: Access
      /** What it is about: this node, or the last part of the path; absent for resources without names. */
      readonly on?: 'node' | 'suffix'
    }

const AGENT_READ: Right = { resource: 'agent', access: 'read', on: 'node' }
const AGENT_WRITE: Right = { resource: 'agent', access: 'write', on: 'node' }
const OPERATOR_READ: Right = { resource: 'operator', access: 'read' }
const ACL_READ: Right = { resource: 'acl', access: 'read' }

/** By path; a method of its own goes before the path alone. */
const RIGHTS: Readonly<Record<string, Right>> = {
  '/v1/status/leader': 'open',
  '/v1/status/peers': 'open',
  '/v1/agent/self': AGENT_READ,
  '/v1/agent/host': OPERATOR_READ,
  '/v1/agent/version': 'open',
  '/v1/agent/members': 'handler',
  '/v1/agent/maintenance': { resource: 'node', access: 'write', on: 'node' },
  '/v1/agent/leave': AGENT_WRITE,
  '/v1/agent/reload': AGENT_WRITE,
  '/v1/agent/services': 'handler',
  '/v1/agent/service/': 'handler',
  '/v1/agent/service/register': 'handler',
  '/v1/agent/service/deregister/': 'handler',
  '/v1/agent/service/maintenance/': 'handler',
  '/v1/agent/checks': 'handler',
  '/v1/agent/check/register': 'handler',
  '/v1/agent/check/deregister/': 'handler',
  '/v1/agent/check/pass/': 'handler',
  '/v1/agent/check/warn/': 'handler',
  '/v1/agent/check/fail/': 'handler',
  '/v1/agent/check/update/': 'handler',
  '/v1/agent/health/service/id/': 'handler',
  '/v1/agent/health/service/name/': 'handler',
  '/v1/agent/join/': AGENT_WRITE,
  '/v1/agent/force-leave/': { resource: 'operator', access: 'write' },
  '/v1/agent/metrics': AGENT_READ,
  '/v1/agent/metrics/stream': AGENT_READ,
  '/v1/agent/monitor': AGENT_READ,
  '/v1/agent/proxy/metrics': AGENT_READ,
  // It shows what users ask for, not only that they do.
  '/v1/agent/proxy/tap': AGENT_WRITE,
  '/v1/agent/token/': AGENT_WRITE,
  '/v1/catalog/datacenters': 'open',
  '/v1/catalog/nodes': 'servers',
  '/v1/catalog/services': 'servers',
  '/v1/catalog/service/': 'servers',
  '/v1/catalog/connect/': 'servers',
  '/v1/catalog/node/': 'servers',
  '/v1/catalog/node-services/': 'servers',
  '/v1/catalog/register': 'servers',
  '/v1/catalog/deregister': 'servers',
  '/v1/catalog/gateway-services/': 'servers',
  '/v1/health/node/': 'servers',
  '/v1/health/checks/': 'servers',
  '/v1/health/state/': 'servers',
  '/v1/health/service/': 'handler',
  '/v1/health/connect/': 'handler',
  '/v1/health/ingress/': 'servers',
  '/v1/coordinate/datacenters': 'servers',
  '/v1/coordinate/nodes': 'servers',
  '/v1/coordinate/node/': 'servers',
  '/v1/coordinate/update': 'servers',
  '/v1/kv/': 'servers',
  '/v1/config': 'servers',
  '/v1/config/': 'servers',
  '/v1/discovery-chain/': 'servers',
  '/v1/connect/ca/roots': 'open',
  '/v1/connect/ca/configuration': 'servers',
  '/v1/connect/ca/revocations': 'servers',
  'GET /v1/connect/ca/revocations': OPERATOR_READ,
  '/v1/connect/ca/revocations/': 'servers',
  '/v1/agent/connect/ca/roots': 'open',
  '/v1/agent/connect/ca/leaf/': 'handler',
  '/v1/agent/connect/authorize': 'handler',
  '/v1/connect/intentions': 'servers',
  '/v1/connect/intentions/exact': 'servers',
  '/v1/connect/intentions/match': 'servers',
  '/v1/connect/intentions/check': 'servers',
  '/v1/connect/intentions/': 'servers',
  '/v1/session/create': 'servers',
  '/v1/session/destroy/': 'servers',
  '/v1/session/renew/': 'servers',
  '/v1/session/info/': 'servers',
  '/v1/session/node/': 'servers',
  '/v1/session/list': 'servers',
  '/v1/txn': 'servers',
  '/v1/query': 'servers',
  '/v1/query/': 'servers',
  '/v1/query/*/execute': 'servers',
  '/v1/query/*/explain': 'servers',
  '/v1/operator/raft/configuration': 'servers',
  '/v1/operator/raft/transfer-leader': 'servers',
  '/v1/operator/raft/peer': 'servers',
  '/v1/operator/autopilot/configuration': 'servers',
  '/v1/operator/autopilot/health': 'servers',
  '/v1/operator/autopilot/state': 'servers',
  '/v1/operator/join-token': { resource: 'acl', access: 'write' },
  '/v1/operator/join-token/': 'servers',
  '/v1/operator/join-tokens': 'servers',
  '/v1/operator/usage': OPERATOR_READ,
  '/v1/operator/keyring': { resource: 'keyring', access: 'write' },
  'GET /v1/operator/keyring': { resource: 'keyring', access: 'read' },
  '/v1/event/fire/': { resource: 'event', access: 'write', on: 'suffix' },
  '/v1/event/list': 'handler',
  '/v1/snapshot': { resource: 'acl', access: 'write' },
  '/v1/exported-services': { resource: 'mesh', access: 'read' },
  '/v1/internal/federation-states': OPERATOR_READ,
  '/v1/internal/federation-states/mesh-gateways': OPERATOR_READ,
  '/v1/internal/federation-state/': OPERATOR_READ,
  '/v1/internal/service-virtual-ip': 'servers',
  '/fairlead/v1/sidecars': AGENT_READ,
  '/v1/internal/ui/nodes': 'servers',
  '/v1/internal/ui/node/': 'servers',
  '/v1/internal/ui/services': 'servers',
  '/v1/internal/ui/exported-services': 'servers',
  '/v1/internal/ui/catalog-overview': OPERATOR_READ,
  '/v1/internal/ui/gateway-services-nodes/': 'servers',
  '/v1/internal/ui/gateway-intentions/': 'servers',
  '/v1/internal/ui/service-topology/': 'servers',
  '/v1/internal/ui/metrics-proxy/': 'catalog',
  '/v1/internal/acl/authorize': 'handler',
  '/debug/pprof/': OPERATOR_READ,
  '/v1/peering/token': 'open',
  '/v1/peering/establish': 'open',
  '/v1/peering/': 'open',
  '/v1/peerings': 'open',
  '/v1/acl/bootstrap': 'open',
  '/v1/acl/login': 'open',
  '/v1/acl/logout': 'servers',
  '/v1/acl/replication': 'open',
  '/v1/acl/policies': 'servers',
  '/v1/acl/policy': 'servers',
  '/v1/acl/policy/': 'servers',
  '/v1/acl/policy/name/': 'servers',
  '/v1/acl/roles': 'servers',
  '/v1/acl/role': 'servers',
  '/v1/acl/role/': 'servers',
  '/v1/acl/role/name/': 'servers',
  '/v1/acl/binding-rules': 'servers',
  '/v1/acl/binding-rule': 'servers',
  '/v1/acl/binding-rule/': 'servers',
  '/v1/acl/auth-methods': 'servers',
  '/v1/acl/auth-method': 'servers',
  '/v1/acl/auth-method/': 'servers',
  '/v1/acl/tokens': 'servers',
  '/v1/acl/token': 'servers',
  '/v1/acl/token/': 'servers',
  '/v1/acl/token/self': 'servers',
  '/v1/acl/templated-policies': ACL_READ,
  '/v1/acl/templated-policy/name/': ACL_READ,
  '/v1/acl/templated-policy/preview/': ACL_READ,
}

const rights = new Map(Object.entries(RIGHTS))

/** @returns undefined for a route without a row */
export function rightOf(route: Pick<Route, 'path'>, method: string): Right | undefined {
  return rights.get(`${method} ${route.path}`) ?? rights.get(route.path)
}

/** @throws FairleadError PERMISSION_DENIED, or INTERNAL for a route without a row */
export async function checkRoute(call: HttpCall, route: Route): Promise<void> {
  const right = rightOf(route, call.method)
  if (right === undefined) {
    throw new FairleadError('INTERNAL', `${route.path} has no row in the table of rights`)
  }
  if (right === 'open' || right === 'servers' || right === 'handler') return
  const bearer = await call.bearer()
  if (bearer === undefined) return
  if (right === 'catalog') {
    if (!bearer.authorizer.allowsAll('node', 'read')) throw denied(bearer, 'node', 'read')
    if (!bearer.authorizer.allowsAll('service', 'read')) throw denied(bearer, 'service', 'read')
    return
  }
  const { resource, access, on } = right
  assertAllowed(bearer, resource, access, on === undefined ? undefined : nameOf(call, on))
}

function nameOf(call: HttpCall, on: 'node' | 'suffix'): string {
  return on === 'node' ? call.agent.local.nodeName : call.suffix
}
