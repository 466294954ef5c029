/**
 * /v1/acl/token, bootstrap, login and logout (http-api.md 24.1, 24.2, 24.5).
 *
 * Secrets are made here and told once; the servers get their digests (docs/decisions/0039).
 */

import type { PolicyRecord, RoleRecord, TokenRecord } from '../../../core/acl/records.ts'
import { hashSecret } from '../../../core/acl/secret.ts'
import { isUuid } from '../../../core/config/uuid.ts'
import { decodeBody } from '../../../core/decode/body.ts'
import { string } from '../../../core/decode/decoder.ts'
import { field, object } from '../../../core/decode/object.ts'
import { FairleadError, toFairleadError } from '../../../core/errors.ts'
import type { TokenIdentity } from '../../../core/rpc/operator.ts'
import { newUuid } from '../../../runtime/random/system-random.ts'
import { aclRoute } from '../acl-route.ts'
import type { HttpCall } from '../call.ts'
import { loginFromBody, type TokenBody, tokenFromBody } from '../decode/acl-body.ts'
import { ask } from '../reading.ts'
import { jsonReply, type Reply, textReply } from '../reply.ts'
import type { Route } from '../route.ts'
import { HIDDEN_SECRET, policyJson, roleJson, tokenFields, tokenJson } from '../wire/acl.ts'
import { list, text } from '../wire/json.ts'
import { apply, nowOf } from '../writing.ts'

export const ACL_TOKEN_ROUTES: readonly Route[] = [
  aclRoute({
    path: '/v1/acl/bootstrap',
    doc: 'Makes the first token, with all rights; once',
    methods: { PUT: bootstrap },
  }),
  aclRoute({
    path: '/v1/acl/login',
    doc: 'Changes a bearer token of an auth method for a token of this cluster',
    methods: { POST: login },
  }),
  aclRoute({
    path: '/v1/acl/logout',
    doc: 'Deletes the token of the request, which came from a login',
    methods: { POST: logout },
  }),
  aclRoute({
    path: '/v1/acl/tokens',
    doc: 'All tokens, without their secrets',
    blocking: true,
    query: ['policy', 'role', 'servicename', 'authmethod'],
    methods: { GET: all },
  }),
  aclRoute({
    path: '/v1/acl/token',
    doc: 'Makes a token; its secret is told in this answer alone',
    methods: { PUT: create },
  }),
  aclRoute({
    path: '/v1/acl/token/self',
    doc: 'The token of the request',
    blocking: true,
    methods: { GET: self },
  }),
  aclRoute({
    path: '/v1/acl/token/',
    doc: 'One token by its accessor: shows, changes, deletes it; PUT on its /clone makes another like it',
    blocking: true,
    query: ['expanded'],
    methods: { GET: one, PUT: change, DELETE: remove },
  }),
]

const BOOTSTRAP = object('ACLBootstrapRequest', {
  bootstrapSecret: field('BootstrapSecret', string, ''),
})

async function bootstrap(call: HttpCall): Promise<Reply> {
  const body = call.bodyText()
  const given = body.trim() === '' ? '' : decodeBody(BOOTSTRAP, body).bootstrapSecret
  if (given !== '' && !isUuid(given)) {
    throw new FairleadError('BAD_REQUEST', 'Invalid BootstrapSecret: it must be a UUID')
  }
  const secret = given === '' ? newUuid() : given
  const token = await call.servers.operate('acl.bootstrap', identityOf(secret))
  return jsonReply(`{"ID":${text(secret)},${tokenFields(token, secret)}}`)
}

async function login(call: HttpCall): Promise<Reply> {
  if (call.token() !== '') {
    throw new FairleadError('REJECTED', 'do not provide a token when logging in')
  }
  const { authMethod, bearerToken, meta } = loginFromBody(call.bodyText())
  if (authMethod === '' || bearerToken === '') {
    throw new FairleadError('REJECTED', 'Invalid Login request: Missing auth parameters')
  }
  const secret = newUuid()
  const request = { ...identityOf(secret), authMethod, bearerToken, meta }
  // A login needs no token, and the agent's must not stand for it.
  const token = await call.agent.servers.as(() => '').operate('acl.login', request)
  return jsonReply(tokenJson(token, secret))
}

async function logout(call: HttpCall): Promise<Reply> {
  if (call.token() === '') return textReply(401, 'Supplied token does not exist')
  await call.servers.operate('acl.logout', {})
  return jsonReply('true')
}

async function all(call: HttpCall): Promise<Reply> {
  const { query } = call
  const wanted = {
    ...(query.get('policy') === '' ? {} : { policy: query.get('policy') }),
    ...(query.get('role') === '' ? {} : { role: query.get('role') }),
    ...(query.get('servicename') === '' ? {} : { serviceName: query.get('servicename') }),
    ...(query.get('authmethod') === '' ? {} : { authMethod: query.get('authmethod') }),
  }
  const { value, headers } = await ask(call, 'acl.token.list', wanted)
  return jsonReply(
    list(value, (token) => tokenJson(token, HIDDEN_SECRET)),
    headers,
  )
}

async function create(call: HttpCall): Promise<Reply> {
  const given = tokenFromBody(call.bodyText())
  return make(call, given)
}

async function make(call: HttpCall, given: TokenBody): Promise<Reply> {
  const accessorId = given.accessorId === '' ? newUuid() : given.accessorId
  const { secretId } = given
  if (secretId !== '' && !isUuid(secretId)) {
    throw new FairleadError('BAD_REQUEST', 'Invalid Token: SecretID is not a valid UUID')
  }
  const secret = secretId === '' ? newUuid() : secretId
  const { ttlMs, description, roles, local, authMethod, ...granted } = given
  if (authMethod !== '') {
    throw new FairleadError('REJECTED', 'AuthMethod field is disallowed outside of Login')
  }
  await apply(call, {
    kind: 'acl.token.set',
    mode: 'create',
    token: {
      policies: granted.policies,
      serviceIdentities: granted.serviceIdentities,
      nodeIdentities: granted.nodeIdentities,
      templatedPolicies: granted.templatedPolicies,
      accessorId,
      secretHash: hashSecret(secret),
      description,
      roles,
      local,
      authMethod: '',
      ttlMs,
    },
    now: nowOf(call),
  })
  return jsonReply(tokenJson(await tokenOf(call, accessorId), secret))
}

async function self(call: HttpCall): Promise<Reply> {
  const { value, headers } = await ask(call, 'acl.token.self', {})
  if (value === null) throw noSuchToken()
  const secret = call.secret === '' ? 'anonymous' : call.secret
  return jsonReply(tokenJson(value, secret), headers)
}

async function one(call: HttpCall): Promise<Reply> {
  const accessorId = accessorOf(call)
  const { value, headers } = await ask(call, 'acl.token.get', { accessorId })
  if (value === null) throw noSuchToken()
  if (!call.query.has('expanded')) return jsonReply(tokenJson(value, HIDDEN_SECRET), headers)
  return jsonReply(
    `{${tokenFields(value, HIDDEN_SECRET)},${await expansion(call, value)}}`,
    headers,
  )
}

async function change(call: HttpCall): Promise<Reply> {
  if (call.suffix.endsWith('/clone')) return clone(call)
  const accessorId = accessorOf(call)
  const given = tokenFromBody(call.bodyText())
  if (given.accessorId !== '' && given.accessorId !== accessorId) {
    return textReply(400, 'Token Accessor ID in URL and payload do not match')
  }
  const { secretId, ttlMs: _, ...fields } = given
  const isSaid = secretId !== '' && secretId !== HIDDEN_SECRET
  await apply(call, {
    kind: 'acl.token.set',
    mode: 'update',
    token: { ...fields, accessorId, secretHash: isSaid ? hashSecret(secretId) : '', ttlMs: 0 },
    now: nowOf(call),
  })
  return jsonReply(tokenJson(await tokenOf(call, accessorId), isSaid ? secretId : HIDDEN_SECRET))
}

async function clone(call: HttpCall): Promise<Reply> {
  const accessorId = call.suffix.slice(0, -'/clone'.length)
  const body = call.bodyText()
  const given = body.trim() === '' ? undefined : tokenFromBody(body)
  const { value } = await call.servers.read('acl.token.get', { accessorId })
  if (value === null) throw noSuchToken()
  if (value.authMethod !== '') {
    throw new FairleadError('REJECTED', 'Cannot clone a token created from an auth method')
  }
  const description = given?.description || value.description
  return make(call, { ...value, accessorId: '', secretId: '', description, ttlMs: 0 })
}

async function remove(call: HttpCall): Promise<Reply> {
  await apply(call, { kind: 'acl.token.delete', accessorId: accessorOf(call) })
  return jsonReply('true')
}

/** What roles and policies of a token say, and by what this agent goes. */
async function expansion(call: HttpCall, token: TokenRecord): Promise<string> {
  const { servers, agent } = call
  const roles: RoleRecord[] = []
  for (const { id } of token.roles) {
    const { value } = await servers.read('acl.role.get', { id })
    if (value !== null) roles.push(value)
  }
  const ids = new Set([token, ...roles].flatMap(({ policies }) => policies.map(({ id }) => id)))
  const policies: PolicyRecord[] = []
  for (const id of ids) {
    const { value } = await servers.read('acl.policy.get', { id })
    if (value !== null) policies.push(value)
  }
  const { defaultPolicy, downPolicy } = agent.config.acl
  return (
    `"ExpandedPolicies":${list(policies, policyJson)},"ExpandedRoles":${list(roles, roleJson)},` +
    '"NamespaceDefaultPolicyIDs":null,"NamespaceDefaultRoleIDs":null,' +
    `"AgentACLDefaultPolicy":${text(defaultPolicy)},"AgentACLDownPolicy":${text(downPolicy)},` +
    `"ResolvedByAgent":${text(agent.local.nodeName)}`
  )
}

async function tokenOf(call: HttpCall, accessorId: string): Promise<TokenRecord> {
  try {
    const { value } = await call.servers.read('acl.token.get', { accessorId })
    if (value !== null) return value
  } catch (thrown) {
    // Who took away his own rights was heard nevertheless.
    if (toFairleadError(thrown).code !== 'PERMISSION_DENIED') throw thrown
  }
  throw new FairleadError('OUTCOME_UNKNOWN', 'The token was written and cannot be read back')
}

function identityOf(secret: string): TokenIdentity {
  return { accessorId: newUuid(), secretHash: hashSecret(secret) }
}

function accessorOf({ suffix }: HttpCall): string {
  if (suffix !== '') return suffix
  throw new FairleadError('BAD_REQUEST', 'Missing token AccessorID')
}

function noSuchToken(): FairleadError {
  return new FairleadError('PERMISSION_DENIED', 'token does not exist: ACL not found')
}
