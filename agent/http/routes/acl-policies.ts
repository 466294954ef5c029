/**
 * /v1/acl/policy and /v1/acl/role (http-api.md 24.3, 24.4).
 */

import { FairleadError } from '../../../core/errors.ts'
import { newUuid } from '../../../runtime/random/system-random.ts'
import { aclRoute } from '../acl-route.ts'
import type { HttpCall } from '../call.ts'
import { policyFromBody, roleFromBody } from '../decode/acl-body.ts'
import { ask } from '../reading.ts'
import { jsonReply, type Reply, textReply } from '../reply.ts'
import type { Route } from '../route.ts'
import { policyJson, policyStubJson, roleJson } from '../wire/acl.ts'
import { list } from '../wire/json.ts'
import { apply } from '../writing.ts'

export const ACL_POLICY_ROUTES: readonly Route[] = [
  aclRoute({
    path: '/v1/acl/policies',
    doc: 'All policies, without their rules',
    blocking: true,
    methods: { GET: policies },
  }),
  aclRoute({
    path: '/v1/acl/policy',
    doc: 'Makes a policy',
    methods: { PUT: createPolicy },
  }),
  aclRoute({
    path: '/v1/acl/policy/',
    doc: 'One policy by its id: shows, changes, deletes it',
    blocking: true,
    methods: { GET: policyById, PUT: changePolicy, DELETE: removePolicy },
  }),
  aclRoute({
    path: '/v1/acl/policy/name/',
    doc: 'One policy by its name',
    blocking: true,
    methods: { GET: policyByName },
  }),
  aclRoute({
    path: '/v1/acl/roles',
    doc: 'All roles',
    blocking: true,
    query: ['policy'],
    methods: { GET: roles },
  }),
  aclRoute({ path: '/v1/acl/role', doc: 'Makes a role', methods: { PUT: createRole } }),
  aclRoute({
    path: '/v1/acl/role/',
    doc: 'One role by its id: shows, changes, deletes it',
    blocking: true,
    methods: { GET: roleById, PUT: changeRole, DELETE: removeRole },
  }),
  aclRoute({
    path: '/v1/acl/role/name/',
    doc: 'One role by its name',
    blocking: true,
    methods: { GET: roleByName },
  }),
]

async function policies(call: HttpCall): Promise<Reply> {
  const { value, headers } = await ask(call, 'acl.policy.list', {})
  return jsonReply(list(value, policyStubJson), headers)
}

async function policyById(call: HttpCall): Promise<Reply> {
  return policyReply(call, { id: required(call, 'Missing policy ID') })
}

async function policyByName(call: HttpCall): Promise<Reply> {
  return policyReply(call, { name: required(call, 'Missing policy Name') })
}

async function policyReply(
  call: HttpCall,
  by: { readonly id: string } | { readonly name: string },
): Promise<Reply> {
  const { value, headers } = await ask(call, 'acl.policy.get', by)
  if (value === null) throw unknown('policy')
  return jsonReply(policyJson(value), headers)
}

async function createPolicy(call: HttpCall): Promise<Reply> {
  const policy = policyFromBody(call.bodyText())
  if (policy.id !== '') return textReply(400, 'Cannot specify the ID when creating a new policy')
  const id = newUuid()
  await apply(call, { kind: 'acl.policy.set', mode: 'create', policy: { ...policy, id } })
  return writtenPolicy(call, id)
}

async function changePolicy(call: HttpCall): Promise<Reply> {
  const id = required(call, 'Missing policy ID')
  const policy = policyFromBody(call.bodyText())
  if (policy.id !== '' && policy.id !== id) {
    return textReply(400, 'Policy ID in URL and payload do not match')
  }
  await apply(call, { kind: 'acl.policy.set', mode: 'update', policy: { ...policy, id } })
  return writtenPolicy(call, id)
}

async function writtenPolicy(call: HttpCall, id: string): Promise<Reply> {
  const { value } = await call.servers.read('acl.policy.get', { id })
  if (value === null) throw unknown('policy')
  return jsonReply(policyJson(value))
}

async function removePolicy(call: HttpCall): Promise<Reply> {
  await apply(call, { kind: 'acl.policy.delete', id: required(call, 'Missing policy ID') })
  return jsonReply('true')
}

async function roles(call: HttpCall): Promise<Reply> {
  const policy = call.query.get('policy')
  const { value, headers } = await ask(call, 'acl.role.list', policy === '' ? {} : { policy })
  return jsonReply(list(value, roleJson), headers)
}

async function roleById(call: HttpCall): Promise<Reply> {
  return roleReply(call, { id: required(call, 'Missing role ID') })
}

async function roleByName(call: HttpCall): Promise<Reply> {
  return roleReply(call, { name: required(call, 'Missing role Name') })
}

async function roleReply(
  call: HttpCall,
  by: { readonly id: string } | { readonly name: string },
): Promise<Reply> {
  const { value, headers } = await ask(call, 'acl.role.get', by)
  if (value === null) throw unknown('role')
  return jsonReply(roleJson(value), headers)
}

async function createRole(call: HttpCall): Promise<Reply> {
  const role = roleFromBody(call.bodyText())
  if (role.id !== '') return textReply(400, 'Cannot specify the ID when creating a new role')
  const id = newUuid()
  await apply(call, { kind: 'acl.role.set', mode: 'create', role: { ...role, id } })
  return writtenRole(call, id)
}

async function changeRole(call: HttpCall): Promise<Reply> {
  const id = required(call, 'Missing role ID')
  const role = roleFromBody(call.bodyText())
  if (role.id !== '' && role.id !== id) {
    return textReply(400, 'Role ID in URL and payload do not match')
  }
  await apply(call, { kind: 'acl.role.set', mode: 'update', role: { ...role, id } })
  return writtenRole(call, id)
}

async function writtenRole(call: HttpCall, id: string): Promise<Reply> {
  const { value } = await call.servers.read('acl.role.get', { id })
  if (value === null) throw unknown('role')
  return jsonReply(roleJson(value))
}

async function removeRole(call: HttpCall): Promise<Reply> {
  await apply(call, { kind: 'acl.role.delete', id: required(call, 'Missing role ID') })
  return jsonReply('true')
}

function required({ suffix }: HttpCall, message: string): string {
  if (suffix !== '') return suffix
  throw new FairleadError('BAD_REQUEST', message)
}

function unknown(what: string): FairleadError {
  return new FairleadError('NOT_FOUND', `Requested ${what} does not exist: ACL not found`)
}
