/**
 * /v1/agent/health/service: the health of a local service as a status code, for load balancers
 * (http-api.md 9.8).
 *
 * Local view only; checks of the node count too. The text form is the aggregate word alone.
 */

import type { AggregatedStatus, LocalService } from '../../local/types.ts'
import type { HttpCall } from '../call.ts'
import type { AgentContext } from '../context.ts'
import { assertMayOnService } from '../local-rights.ts'
import { refuseTenancy } from '../query-options.ts'
import { jsonReply, type Reply, textReply } from '../reply.ts'
import type { Route } from '../route.ts'
import { agentHealthCheckJson } from '../wire/check.ts'
import { list, text } from '../wire/json.ts'
import { agentServiceJson } from '../wire/service.ts'

export const AGENT_HEALTH_ROUTES: readonly Route[] = [
  {
    path: '/v1/agent/health/service/id/',
    doc: 'Health of one local instance: 200 passing, 429 warning, 503 critical, 404 unknown',
    query: ['format'],
    methods: { GET: byId },
  },
  {
    path: '/v1/agent/health/service/name/',
    doc: 'Health of the local instances of a service; the worst decides the status code',
    query: ['format'],
    methods: { GET: byName },
  },
]

const STATUS_CODE: Readonly<Record<AggregatedStatus, number>> = {
  passing: 200,
  warning: 429,
  critical: 503,
  maintenance: 503,
}

async function byId(call: HttpCall): Promise<Reply> {
  refuseTenancy(call)
  const id = call.unescapedSuffix()
  if (id === '') return textReply(500, 'Missing serviceID')
  await assertMayOnService(call, id, 'read')
  const found = call.agent.local.services().get(id)
  if (found === undefined) {
    const reason = `ServiceId ${id} not found`
    const json = '{"AggregatedStatus":"critical","Checks":null,"Service":null}'
    return wantsText(call) ? wordReply(404, reason) : jsonReply(json, reasonHeader(reason), 404)
  }
  const status = call.agent.local.aggregate(id)
  if (wantsText(call)) return wordReply(STATUS_CODE[status], status)
  const json = instanceJson(call.agent, found, status)
  return jsonReply(json, reasonHeader(status), STATUS_CODE[status])
}

async function byName(call: HttpCall): Promise<Reply> {
  refuseTenancy(call)
  const name = call.unescapedSuffix()
  if (name === '') return textReply(500, 'Missing service Name')
  await call.assertMay('service', 'read', name)
  const { local } = call.agent
  const found = [...local.services().values()].filter(({ service }) => service.service === name)
  if (found.length === 0) {
    const reason = `ServiceName ${name} Not Found`
    return wantsText(call) ? wordReply(404, reason) : jsonReply('[]', reasonHeader(reason), 404)
  }
  const judged = found.map((entry) => ({ entry, status: local.aggregate(entry.service.id) }))
  const status = worst(judged.map((instance) => instance.status))
  if (wantsText(call)) return wordReply(STATUS_CODE[status], status)
  const json = list(judged, (one) => instanceJson(call.agent, one.entry, one.status))
  return jsonReply(json, reasonHeader(status), STATUS_CODE[status])
}

function wantsText(call: HttpCall): boolean {
  const format = call.query.get('format')
  if (format !== '') return format === 'text'
  return call.header('accept')?.startsWith('text/plain') === true
}

/** Worst first. */
const ORDER: readonly AggregatedStatus[] = ['maintenance', 'critical', 'warning']

function worst(statuses: readonly AggregatedStatus[]): AggregatedStatus {
  return ORDER.find((status) => statuses.includes(status)) ?? 'passing'
}

function wordReply(status: number, word: string): Reply {
  return { status, type: 'text/plain', headers: reasonHeader(word), body: word }
}

/** A header cannot hold what an id may: what is outside ASCII is shown as a question mark. */
function reasonHeader(reason: string): readonly string[] {
  return ['X-Consul-Reason', reason.replace(/[^\x20-\x7e]/g, '?')]
}

function instanceJson(agent: AgentContext, local: LocalService, status: AggregatedStatus): string {
  const { id } = local.service
  const bearing = [...agent.local.checks().values()]
    .map(({ check }) => check)
    .filter((check) => check.serviceId === '' || check.serviceId === id)
  const service = agentServiceJson(local, {
    datacenter: agent.config.datacenter,
    withHash: false,
  })
  const checks = list(bearing, (check) => agentHealthCheckJson(check, agent.local.nodeName))
  return `{"AggregatedStatus":${text(status)},"Service":${service},"Checks":${checks}}`
}
