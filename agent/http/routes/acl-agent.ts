/**
 * What an agent answers about access control by itself: templated policies, replication, the authorize helper, and its
 * own tokens (http-api.md 24.6 to 24.8, PUT /v1/agent/token).
 */

import {
  type Access,
  NAMED_RESOURCES,
  PLAIN_RESOURCES,
  type Resource,
} from '../../../core/acl/rule.ts'
import {
  renderTemplated,
  syntheticPolicy,
  TEMPLATED_POLICIES,
  templatedPolicy,
} from '../../../core/acl/templates.ts'
import { decodeBody } from '../../../core/decode/body.ts'
import { list as listOf, opaqueObject, string } from '../../../core/decode/decoder.ts'
import { field, object } from '../../../core/decode/object.ts'
import { FairleadError } from '../../../core/errors.ts'
import type { TokenName } from '../../acl/agent-tokens.ts'
import { aclRoute } from '../acl-route.ts'
import type { HttpCall } from '../call.ts'
import { variablesOf } from '../decode/acl-body.ts'
import { emptyReply, jsonReply, type Reply, textReply } from '../reply.ts'
import type { Route } from '../route.ts'
import { policyJson, templatedPolicyJson } from '../wire/acl.ts'
import { list, map, text } from '../wire/json.ts'

export const AUTHORIZATIONS_MAX = 64

export const ACL_AGENT_ROUTES: readonly Route[] = [
  aclRoute({
    path: '/v1/acl/replication',
    doc: 'How far tokens and policies of another datacenter have come; there is one datacenter',
    methods: { GET: () => jsonReply(NO_REPLICATION) },
  }),
  aclRoute({
    path: '/v1/acl/templated-policies',
    doc: 'The templated policies by name',
    methods: { GET: templates },
  }),
  aclRoute({
    path: '/v1/acl/templated-policy/name/',
    doc: 'One templated policy',
    methods: { GET: template },
  }),
  aclRoute({
    path: '/v1/acl/templated-policy/preview/',
    doc: 'The policy that a templated policy makes of a name',
    methods: { POST: preview },
  }),
  aclRoute({
    path: '/v1/internal/acl/authorize',
    doc: 'Whether the token of the request has the rights that are named',
    methods: { POST: authorize },
  }),
  aclRoute({
    path: '/v1/agent/token/',
    doc: 'Sets a token of this agent: default, agent, agent_recovery, replication, config_file_service_registration or dns',
    methods: { PUT: setToken },
  }),
]

const NO_REPLICATION =
  '{"Enabled":false,"Running":false,"SourceDatacenter":"","ReplicationType":"","ReplicatedIndex":0,"ReplicatedRoleIndex":0,' +
  '"ReplicatedTokenIndex":0,"LastSuccess":"0001-01-01T00:00:00Z","LastError":"0001-01-01T00:00:00Z","LastErrorMessage":""}'

function templates(): Reply {
  const byName = Object.fromEntries(TEMPLATED_POLICIES.map((each) => [each.name, each]))
  return jsonReply(map(byName, templatedPolicyJson))
}

function template({ suffix }: HttpCall): Reply {
  const found = templatedPolicy(suffix)
  if (found !== undefined) return jsonReply(templatedPolicyJson(found))
  return textReply(400, `Invalid templated policy Name: ${suffix}`)
}

function preview(call: HttpCall): Reply {
  const found = templatedPolicy(call.suffix)
  if (found === undefined) {
    return textReply(400, `templated policy ${JSON.stringify(call.suffix)} does not exist`)
  }
  const body = call.bodyText()
  const variables = variablesOf(body.trim() === '' ? {} : decodeBody(opaqueObject, body))
  const rules = renderTemplated({ templateName: found.name, variables, datacenters: [] })
  return jsonReply(policyJson(syntheticPolicy(rules, found.description, [])))
}

const AUTHORIZATION = object('ACLAuthorizationRequest', {
  resource: field('Resource', string, ''),
  access: field('Access', string, ''),
  segment: field('Segment', string, ''),
})

const RESOURCES: readonly string[] = [...PLAIN_RESOURCES, ...NAMED_RESOURCES, 'intention']
const ACCESSES: readonly string[] = ['read', 'list', 'write']

async function authorize(call: HttpCall): Promise<Reply> {
  const wanted = decodeBody(listOf(AUTHORIZATION), call.bodyText())
  if (wanted.length > AUTHORIZATIONS_MAX) {
    return textReply(
      400,
      `Refusing to process more than ${AUTHORIZATIONS_MAX} authorizations at once`,
    )
  }
  const bearer = await call.bearer()
  const judged = wanted.map(({ resource, access, segment }) => {
    if (!RESOURCES.includes(resource)) {
      throw new FairleadError(
        'BAD_REQUEST',
        `Invalid ACL resource requested: ${JSON.stringify(resource)}`,
      )
    }
    if (!ACCESSES.includes(access)) {
      throw new FairleadError(
        'BAD_REQUEST',
        `Invalid access level for ${resource} resource requested: ${JSON.stringify(access)}`,
      )
    }
    const isAllowed = bearer?.authorizer.allows(resource as Resource, access as Access, segment)
    return { resource, access, segment, isAllowed: isAllowed === true }
  })
  const encode = (each: (typeof judged)[number]): string =>
    `{"Resource":${text(each.resource)},"Access":${text(each.access)},"Segment":${text(each.segment)},"Allow":${each.isAllowed}}`
  return jsonReply(list(judged, encode))
}

const TOKEN = object('AgentToken', { token: field('Token', string, '') })

/** Old names are taken for the new ones. */
const NAMES: Readonly<Record<string, TokenName>> = {
  default: 'default',
  acl_token: 'default',
  agent: 'agent',
  acl_agent_token: 'agent',
  agent_recovery: 'agent_recovery',
  agent_master: 'agent_recovery',
  acl_agent_master_token: 'agent_recovery',
  replication: 'replication',
  acl_replication_token: 'replication',
  config_file_service_registration: 'config_file_service_registration',
  dns: 'dns',
}

async function setToken(call: HttpCall): Promise<Reply> {
  const name = Object.hasOwn(NAMES, call.suffix) ? NAMES[call.suffix] : undefined
  if (name === undefined) return textReply(404, `Token "${call.suffix}" is unknown`)
  const { token } = decodeBody(TOKEN, call.bodyText())
  await call.agent.acl?.tokens.set(name, token)
  call.agent.log.info('a token of the agent was set', { which: name })
  return emptyReply()
}
