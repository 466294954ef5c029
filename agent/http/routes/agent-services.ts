/**
 * /v1/agent/services and /v1/agent/service: what runs on this host (http-api.md 9.6, 9.7).
 *
 * Registration is validated as a whole before anything changes; the answer comes when the registration is
 * stored and offered to the catalog.
 */

import { parseJsonText } from '../../../core/decode/body.ts'
import { FairleadError } from '../../../core/errors.ts'
import { AGENT_SERVICE_SCHEMA } from '../../../core/filter/schemas.ts'
import { serviceRegistrationFromBody } from '../../local/definitions.ts'
import type { LocalService } from '../../local/types.ts'
import type { HttpCall } from '../call.ts'
import { filtered } from '../filter.ts'
import { waitForService } from '../hash-blocking.ts'
import { assertMayOnService, assertMayRegister, shownServices } from '../local-rights.ts'
import { refuseTenancy, waitOf } from '../query-options.ts'
import { emptyReply, jsonReply, type Reply, textReply } from '../reply.ts'
import type { Route } from '../route.ts'
import { map } from '../wire/json.ts'
import { agentServiceJson } from '../wire/service.ts'
import { enableOf } from './agent-self.ts'

export const AGENT_SERVICE_ROUTES: readonly Route[] = [
  {
    path: '/v1/agent/services',
    doc: 'Services registered with this agent, by id',
    query: ['filter'],
    methods: { GET: services },
  },
  {
    path: '/v1/agent/service/',
    doc: 'One service of this agent; blocks on the hash of its definition',
    query: ['hash', 'wait'],
    methods: { GET: service },
  },
  {
    path: '/v1/agent/service/register',
    doc: 'Registers a service with its checks and sidecar',
    query: ['replace-existing-checks'],
    methods: { PUT: register },
  },
  {
    path: '/v1/agent/service/deregister/',
    doc: 'Removes a service with its checks and sidecar',
    methods: { PUT: deregister },
  },
  {
    path: '/v1/agent/service/maintenance/',
    doc: 'Puts a service into maintenance or takes it out',
    query: ['enable', 'reason'],
    methods: { PUT: maintenance },
  },
]

async function services(call: HttpCall): Promise<Reply> {
  refuseTenancy(call)
  const seen = await shownServices(call)
  const encode = (local: LocalService): string =>
    agentServiceJson(local, { datacenter: call.agent.config.datacenter, withHash: false })
  const found = filtered(seen.values, call.query.get('filter'), {
    schema: AGENT_SERVICE_SCHEMA,
    encode,
  })
  const byId = Object.fromEntries(found.map((local) => [local.service.id, local]))
  return jsonReply(map(byId, encode), seen.headers)
}

async function service(call: HttpCall): Promise<Reply> {
  refuseTenancy(call)
  const id = call.unescapedSuffix()
  await assertMayOnService(call, id, 'read')
  const hash = call.query.get('hash')
  const found = await waitForService(call, { id, hash, waitMs: waitOf(call) })
  if (found === undefined) return textReply(404, `unknown service ID: ${id}`)
  const json = agentServiceJson(found, {
    datacenter: call.agent.config.datacenter,
    withHash: true,
  })
  return jsonReply(json, ['X-Consul-Contenthash', found.contentHash])
}

async function register(call: HttpCall): Promise<Reply> {
  refuseTenancy(call)
  const registration = serviceRegistrationFromBody(parseJsonText(call.bodyText()))
  await assertMayRegister(call, registration)
  const token = registration.token === '' ? call.token() : registration.token
  await call.agent.local.registerService(
    { ...registration, token },
    { source: 'api', replaceExistingChecks: replacesChecks(call) },
  )
  return emptyReply()
}

function replacesChecks(call: HttpCall): boolean {
  const name = 'replace-existing-checks'
  const value = call.query.get(name)
  return call.query.has(name) && (value === '' || value === 'true')
}

async function deregister(call: HttpCall): Promise<Reply> {
  refuseTenancy(call)
  const id = call.unescapedSuffix()
  await assertMayOnService(call, id, 'write')
  await call.agent.local.deregisterService(id)
  return emptyReply()
}

async function maintenance(call: HttpCall): Promise<Reply> {
  refuseTenancy(call)
  const id = call.unescapedSuffix()
  if (id === '') throw new FairleadError('BAD_REQUEST', 'Missing service ID')
  const enabled = enableOf(call)
  await assertMayOnService(call, id, 'write')
  await call.agent.local.setServiceMaintenance(id, enabled, call.query.get('reason'))
  return emptyReply()
}
