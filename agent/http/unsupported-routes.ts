/**
 * The rest of Consul's routes (http-api.md section 28): known, and answered with a clear 501.
 *
 * A client then reads what is missing instead of guessing from a 404, and method checks stay exact. Routes of
 * access control answer as the reference does with ACLs off.
 */

import { FairleadError } from '../../core/errors.ts'
import type { HttpCall } from './call.ts'
import { type Reply, textReply } from './reply.ts'
import type { Handler, Method, Route } from './route.ts'

/** Path and methods, in the order of the `Allow` header. */
const UNSUPPORTED: readonly (readonly [path: string, methods: string])[] = [
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
  ['/v1/internal/acl/authorize', 'POST'],
  ['/v1/agent/token/', 'PUT'],
  ['/v1/peering/token', 'POST'],
  ['/v1/peering/establish', 'POST'],
  ['/v1/peering/', 'GET DELETE'],
  ['/v1/peerings', 'GET'],
]

/** What the reference says while access control is off, which it always is here; clients look for it. */
const ACL_OFF = textReply(401, 'ACL support disabled')
const ACL_PATHS = /^\/v1\/(?:acl|internal\/acl|agent\/token)\//

export const UNSUPPORTED_ROUTES: readonly Route[] = UNSUPPORTED.map(([path, methods]) => ({
  path,
  doc: 'Not supported by this version',
  unsupported: true,
  methods: Object.fromEntries(
    methods.split(' ').map((method): [Method, Handler] => [method as Method, handlerOf(path)]),
  ),
}))

function handlerOf(path: string): Handler {
  return ACL_PATHS.test(path) ? () => ACL_OFF : (call) => refuse(call, path)
}

function refuse(call: HttpCall, path: string): Reply {
  throw new FairleadError(
    'NOT_SUPPORTED',
    `${call.method} ${path}${call.suffix} is not supported by this version of Fairlead`,
  )
}
