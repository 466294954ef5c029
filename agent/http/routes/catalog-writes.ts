/**
 * /v1/catalog/register and deregister: nodes and services that run no agent (http-api.md 11.1, 11.2).
 */

import type { HttpCall } from '../call.ts'
import { deregisterFromBody, type ForDatacenter, registerFromBody } from '../decode/catalog-body.ts'
import { refuseTenancy } from '../query-options.ts'
import type { Reply } from '../reply.ts'
import type { Route } from '../route.ts'
import { apply, TRUE_REPLY } from '../writing.ts'

export const CATALOG_WRITE_ROUTES: readonly Route[] = [
  {
    path: '/v1/catalog/register',
    doc: 'Registers a node, a service and checks in the catalog',
    methods: { PUT: register },
  },
  {
    path: '/v1/catalog/deregister',
    doc: 'Removes a node, a service or a check from the catalog',
    methods: { PUT: deregister },
  },
]

async function register(call: HttpCall): Promise<Reply> {
  refuseTenancy(call)
  const body = registerFromBody(call.bodyText())
  await apply(call, { kind: 'register', request: body.request }, datacenterNamed(call, body))
  return TRUE_REPLY
}

async function deregister(call: HttpCall): Promise<Reply> {
  refuseTenancy(call)
  const body = deregisterFromBody(call.bodyText())
  await apply(call, { kind: 'deregister', request: body.request }, datacenterNamed(call, body))
  return TRUE_REPLY
}

/** The body's word counts; without one that of the request. */
function datacenterNamed(call: HttpCall, body: ForDatacenter<unknown>): string | undefined {
  const { datacenter } = body
  return datacenter === '' || datacenter === call.agent.config.datacenter ? undefined : datacenter
}
