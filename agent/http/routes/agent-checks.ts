/**
 * /v1/agent/checks and /v1/agent/check: registration of checks and reports of TTL checks (http-api.md 9.9, 9.10).
 */

import type { CheckStatus } from '../../../core/catalog/types.ts'
import { decodeBody, parseJsonText } from '../../../core/decode/body.ts'
import { string } from '../../../core/decode/decoder.ts'
import { field, object } from '../../../core/decode/object.ts'
import { FairleadError } from '../../../core/errors.ts'
import { HEALTH_CHECK_SCHEMA } from '../../../core/filter/schemas.ts'
import { isCheckStatus } from '../../local/check-definitions.ts'
import { checkRegistrationFromBody } from '../../local/definitions.ts'
import type { LocalCheck } from '../../local/types.ts'
import type { HttpCall } from '../call.ts'
import { filtered } from '../filter.ts'
import { assertMayOnCheck, assertMayRegisterCheck, shownChecks } from '../local-rights.ts'
import { refuseTenancy } from '../query-options.ts'
import { emptyReply, jsonReply, type Reply } from '../reply.ts'
import type { Handler, Route } from '../route.ts'
import { agentCheckJson } from '../wire/check.ts'
import { map } from '../wire/json.ts'

export const AGENT_CHECK_ROUTES: readonly Route[] = [
  {
    path: '/v1/agent/checks',
    doc: 'Checks registered with this agent, by id',
    query: ['filter'],
    methods: { GET: checks },
  },
  {
    path: '/v1/agent/check/register',
    doc: 'Registers a check of the node or of a service',
    methods: { PUT: register },
  },
  {
    path: '/v1/agent/check/deregister/',
    doc: 'Removes a check',
    methods: { PUT: deregister },
  },
  {
    path: '/v1/agent/check/pass/',
    doc: 'Reports a TTL check as passing',
    query: ['note'],
    methods: { PUT: report('passing') },
  },
  {
    path: '/v1/agent/check/warn/',
    doc: 'Reports a TTL check as warning',
    query: ['note'],
    methods: { PUT: report('warning') },
  },
  {
    path: '/v1/agent/check/fail/',
    doc: 'Reports a TTL check as critical',
    query: ['note'],
    methods: { PUT: report('critical') },
  },
  {
    path: '/v1/agent/check/update/',
    doc: 'Reports status and output of a TTL check',
    methods: { PUT: update },
  },
]

async function checks(call: HttpCall): Promise<Reply> {
  refuseTenancy(call)
  const seen = await shownChecks(call)
  const { local } = call.agent
  const encode = ({ check }: LocalCheck): string => agentCheckJson(check, local.nodeName)
  const found = filtered(seen.values, call.query.get('filter'), {
    schema: HEALTH_CHECK_SCHEMA,
    encode,
  })
  const byId = Object.fromEntries(found.map((entry) => [entry.check.checkId, entry]))
  return jsonReply(map(byId, encode), seen.headers)
}

async function register(call: HttpCall): Promise<Reply> {
  refuseTenancy(call)
  const { spec, token } = checkRegistrationFromBody(parseJsonText(call.bodyText()))
  await assertMayRegisterCheck(call, spec)
  await call.agent.local.registerCheck(spec, 'api', token === '' ? call.token() : token)
  return emptyReply()
}

async function deregister(call: HttpCall): Promise<Reply> {
  refuseTenancy(call)
  const id = call.unescapedSuffix()
  await assertMayOnCheck(call, id)
  await call.agent.local.deregisterCheck(id)
  return emptyReply()
}

function report(status: CheckStatus): Handler {
  return async (call) => {
    refuseTenancy(call)
    const id = call.unescapedSuffix()
    await assertMayOnCheck(call, id)
    await call.agent.local.updateTtl(id, status, call.query.get('note'))
    return emptyReply()
  }
}

const UPDATE = object('checkUpdate', {
  status: field('Status', string, ''),
  output: field('Output', string, ''),
})

async function update(call: HttpCall): Promise<Reply> {
  refuseTenancy(call)
  const { status, output } = decodeBody(UPDATE, call.bodyText())
  if (!isCheckStatus(status)) {
    throw new FairleadError('BAD_REQUEST', `Invalid check status: '${status}'`)
  }
  const id = call.unescapedSuffix()
  await assertMayOnCheck(call, id)
  await call.agent.local.updateTtl(id, status, output)
  return emptyReply()
}
