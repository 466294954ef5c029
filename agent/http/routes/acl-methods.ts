/**
 * /v1/acl/auth-method and /v1/acl/binding-rule (http-api.md 24.4).
 */

import { FairleadError } from '../../../core/errors.ts'
import { newUuid } from '../../../runtime/random/system-random.ts'
import { aclRoute } from '../acl-route.ts'
import type { HttpCall } from '../call.ts'
import { authMethodFromBody, bindingRuleFromBody } from '../decode/acl-body.ts'
import { ask } from '../reading.ts'
import { jsonReply, type Reply, textReply } from '../reply.ts'
import type { Route } from '../route.ts'
import { authMethodJson, authMethodStubJson, bindingRuleJson } from '../wire/acl.ts'
import { list } from '../wire/json.ts'
import { apply } from '../writing.ts'

export const ACL_METHOD_ROUTES: readonly Route[] = [
  aclRoute({
    path: '/v1/acl/auth-methods',
    doc: 'All auth methods, without their settings',
    blocking: true,
    methods: { GET: methods },
  }),
  aclRoute({
    path: '/v1/acl/auth-method',
    doc: 'Makes an auth method',
    methods: { PUT: createMethod },
  }),
  aclRoute({
    path: '/v1/acl/auth-method/',
    doc: 'One auth method: shows, changes it; deletes it with its rules and tokens',
    blocking: true,
    methods: { GET: method, PUT: changeMethod, DELETE: removeMethod },
  }),
  aclRoute({
    path: '/v1/acl/binding-rules',
    doc: 'All binding rules',
    blocking: true,
    query: ['authmethod'],
    methods: { GET: rules },
  }),
  aclRoute({
    path: '/v1/acl/binding-rule',
    doc: 'Makes a binding rule',
    methods: { PUT: createRule },
  }),
  aclRoute({
    path: '/v1/acl/binding-rule/',
    doc: 'One binding rule by its id: shows, changes, deletes it',
    blocking: true,
    methods: { GET: rule, PUT: changeRule, DELETE: removeRule },
  }),
]

async function methods(call: HttpCall): Promise<Reply> {
  const { value, headers } = await ask(call, 'acl.auth-method.list', {})
  return jsonReply(list(value, authMethodStubJson), headers)
}

async function method(call: HttpCall): Promise<Reply> {
  const name = required(call, 'Missing auth method name')
  const { value, headers } = await ask(call, 'acl.auth-method.get', { name })
  if (value === null) throw unknown('auth method')
  return jsonReply(authMethodJson(value), headers)
}

async function createMethod(call: HttpCall): Promise<Reply> {
  const given = authMethodFromBody(call.bodyText())
  await apply(call, { kind: 'acl.auth-method.set', mode: 'create', method: given })
  return writtenMethod(call, given.name)
}

async function changeMethod(call: HttpCall): Promise<Reply> {
  const name = required(call, 'Missing auth method name')
  const given = authMethodFromBody(call.bodyText())
  if (given.name !== '' && given.name !== name) {
    return textReply(400, 'Auth method name in URL and payload do not match')
  }
  await apply(call, { kind: 'acl.auth-method.set', mode: 'update', method: { ...given, name } })
  return writtenMethod(call, name)
}

async function writtenMethod(call: HttpCall, name: string): Promise<Reply> {
  const { value } = await call.servers.read('acl.auth-method.get', { name })
  if (value === null) throw unknown('auth method')
  return jsonReply(authMethodJson(value))
}

async function removeMethod(call: HttpCall): Promise<Reply> {
  const name = required(call, 'Missing auth method name')
  await apply(call, { kind: 'acl.auth-method.delete', name })
  return jsonReply('true')
}

async function rules(call: HttpCall): Promise<Reply> {
  const authMethod = call.query.get('authmethod')
  const wanted = authMethod === '' ? {} : { authMethod }
  const { value, headers } = await ask(call, 'acl.binding-rule.list', wanted)
  return jsonReply(list(value, bindingRuleJson), headers)
}

async function rule(call: HttpCall): Promise<Reply> {
  const id = required(call, 'Missing binding rule ID')
  const { value, headers } = await ask(call, 'acl.binding-rule.get', { id })
  if (value === null) throw unknown('binding rule')
  return jsonReply(bindingRuleJson(value), headers)
}

async function createRule(call: HttpCall): Promise<Reply> {
  const given = bindingRuleFromBody(call.bodyText())
  if (given.id !== '') {
    return textReply(400, 'Cannot specify the ID when creating a new binding rule')
  }
  const id = newUuid()
  await apply(call, { kind: 'acl.binding-rule.set', mode: 'create', rule: { ...given, id } })
  return writtenRule(call, id)
}

async function changeRule(call: HttpCall): Promise<Reply> {
  const id = required(call, 'Missing binding rule ID')
  const given = bindingRuleFromBody(call.bodyText())
  if (given.id !== '' && given.id !== id) {
    return textReply(400, 'Binding rule ID in URL and payload do not match')
  }
  await apply(call, { kind: 'acl.binding-rule.set', mode: 'update', rule: { ...given, id } })
  return writtenRule(call, id)
}

async function writtenRule(call: HttpCall, id: string): Promise<Reply> {
  const { value } = await call.servers.read('acl.binding-rule.get', { id })
  if (value === null) throw unknown('binding rule')
  return jsonReply(bindingRuleJson(value))
}

async function removeRule(call: HttpCall): Promise<Reply> {
  const id = required(call, 'Missing binding rule ID')
  await apply(call, { kind: 'acl.binding-rule.delete', id })
  return jsonReply('true')
}

function required({ suffix }: HttpCall, message: string): string {
  if (suffix !== '') return suffix
  throw new FairleadError('BAD_REQUEST', message)
}

function unknown(what: string): FairleadError {
  return new FairleadError('NOT_FOUND', `Requested ${what} does not exist: ACL not found`)
}
