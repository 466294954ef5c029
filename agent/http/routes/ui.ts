/**
 * /v1/internal/ui: overviews that Consul's user interface and other dashboards read (http-api.md 26).
 *
 * All are made of one read of the whole catalog, so that what one answer says fits together. Cost: one step for
 * each instance and check in the catalog.
 */

import type { HealthEntry, IntentionRecord, NodeDump } from '../../../core/catalog/types.ts'
import { objectAt, textAt } from '../../../core/config-entries/read-field.ts'
import { HEALTH_ENTRY_SCHEMA, NODE_DUMP_SCHEMA } from '../../../core/filter/schemas.ts'
import type { GatewayService } from '../../../core/gateways/gateway-services.ts'
import { sortIntentions } from '../../../core/intentions/precedence.ts'
import { catalogOverview } from '../../../core/ui/catalog-overview.ts'
import {
  healthEntriesOf,
  type ServiceSummary,
  summarizeServices,
  unknownService,
} from '../../../core/ui/service-summary.ts'
import { serviceTopology } from '../../../core/ui/service-topology.ts'
import type { HttpCall } from '../call.ts'
import { filtered } from '../filter.ts'
import { plainServicesOf, readGatewayServices } from '../gateway-reading.ts'
import { type ReadParameters, readOptions, readParameters } from '../query-options.ts'
import { askWith } from '../reading.ts'
import { jsonReply, type Reply, textReply } from '../reply.ts'
import type { Route } from '../route.ts'
import { healthEntryJson } from '../wire/health-entry.ts'
import { intentionJson } from '../wire/intention.ts'
import { list } from '../wire/json.ts'
import {
  type GatewayFacts,
  listedSummaryJson,
  nodeDumpJson,
  overviewJson,
  summaryJson,
  topologyJson,
} from '../wire/ui.ts'
import { exportedTo } from './gateways.ts'

const UI = '/v1/internal/ui'

export const UI_ROUTES: readonly Route[] = [
  {
    path: `${UI}/nodes`,
    doc: 'All nodes with their services and checks',
    blocking: true,
    query: ['filter'],
    methods: { GET: nodes },
  },
  {
    path: `${UI}/node/`,
    doc: 'A node with its services and checks',
    blocking: true,
    methods: { GET: node },
  },
  {
    path: `${UI}/services`,
    doc: 'One line for each service: instances, health, how it is connected',
    blocking: true,
    query: ['filter'],
    methods: { GET: services },
  },
  {
    path: `${UI}/exported-services`,
    doc: 'One line for each service that is exported',
    blocking: true,
    methods: { GET: exportedServices },
  },
  {
    path: `${UI}/catalog-overview`,
    doc: 'How many nodes, services and checks are in which state',
    blocking: true,
    methods: { GET: overview },
  },
  {
    path: `${UI}/gateway-services-nodes/`,
    doc: 'One line for each service behind a gateway',
    blocking: true,
    methods: { GET: gatewayServicesNodes },
  },
  {
    path: `${UI}/gateway-intentions/`,
    doc: 'Intentions that can decide for services behind a gateway',
    methods: { GET: gatewayIntentions },
  },
  {
    path: `${UI}/service-topology/`,
    doc: 'Who calls a service and whom it calls',
    blocking: true,
    query: ['kind'],
    methods: { GET: topology },
  },
]

interface Dump {
  readonly dump: readonly NodeDump[]
  readonly parameters: ReadParameters
  readonly headers: readonly string[]
}

async function readDump(call: HttpCall): Promise<Dump> {
  const parameters = readParameters(call)
  const { value, headers } = await askWith(call, parameters, 'catalog.dump', { alsoConfig: true })
  return { dump: value, parameters, headers }
}

async function nodes(call: HttpCall): Promise<Reply> {
  const { dump, parameters, headers } = await readDump(call)
  const found = filtered<NodeDump>(dump, parameters.filter, {
    schema: NODE_DUMP_SCHEMA,
    encode: nodeDumpJson,
  })
  return jsonReply(list(found, nodeDumpJson), headers)
}

async function node(call: HttpCall): Promise<Reply> {
  if (call.suffix === '') return textReply(400, 'Missing node name')
  const parameters = readParameters(call)
  const answer = await askWith(call, parameters, 'catalog.node', { node: call.suffix })
  return jsonReply(answer.value === null ? 'null' : nodeDumpJson(answer.value), answer.headers)
}

async function services(call: HttpCall): Promise<Reply> {
  const { dump, parameters, headers } = await readDump(call)
  const found = parameters.filter === '' ? dump : instancesThat(dump, parameters.filter)
  const rows = await readGatewayServices(call, parameters, plainServicesOf(dump))
  const summaries = withGateways(summarizeServices(found, call.agent.config.datacenter), rows, call)
  return jsonReply(
    list(summaries, (summary) =>
      listedSummaryJson(summary, {
        ...gatewayFacts(summary, rows),
        isBehindGateway: rows.some((row) => isSameName(row.service, summary.name)),
      }),
    ),
    headers,
  )
}

/** Each with its node and checks, as the expression sees them. */
function instancesThat(dump: readonly NodeDump[], filter: string): readonly NodeDump[] {
  return dump.map((each) => {
    const found = filtered<HealthEntry>(healthEntriesOf(each), filter, {
      schema: HEALTH_ENTRY_SCHEMA,
      encode: healthEntryJson,
    })
    return { ...each, services: found.map(({ service }) => service) }
  })
}

/** What only a gateway's entry names is listed too. */
function withGateways(
  summaries: readonly ServiceSummary[],
  rows: readonly GatewayService[],
  { agent, query }: HttpCall,
): readonly ServiceSummary[] {
  if (query.get('filter') !== '') return summaries
  const known = new Set(summaries.map(({ name }) => name.toLowerCase()))
  const missing = new Set(
    rows.map(({ service }) => service).filter((name) => !known.has(name.toLowerCase())),
  )
  const { datacenter } = agent.config
  return [...summaries, ...[...missing].map((name) => unknownService(name, datacenter))]
}

/** Of a gateway itself: before how many services it stands. */
function gatewayFacts({ name }: ServiceSummary, rows: readonly GatewayService[]): GatewayFacts {
  const behind = new Set(
    rows.filter((row) => isSameName(row.gateway, name)).map(({ service }) => service),
  )
  return { associatedServiceCount: behind.size, addresses: [] }
}

async function exportedServices(call: HttpCall): Promise<Reply> {
  const { dump, parameters, headers } = await readDump(call)
  const options = readOptions(call, { ...parameters, minIndex: 0 })
  const request = { entryKind: 'exported-services' }
  const { value } = await call.servers.read('config.list', request, options)
  const exported = exportedTo(value, plainServicesOf(dump))
  const found = summarizeServices(dump, call.agent.config.datacenter).filter(({ name }) =>
    exported.has(name),
  )
  return jsonReply(
    list(found, (summary) => summaryJson(summary)),
    headers,
  )
}

async function overview(call: HttpCall): Promise<Reply> {
  const { dump, headers } = await readDump(call)
  return jsonReply(overviewJson(catalogOverview(dump)), headers)
}

async function gatewayServicesNodes(call: HttpCall): Promise<Reply> {
  if (call.suffix === '') return textReply(400, 'Missing gateway name')
  const { dump, parameters, headers } = await readDump(call)
  const rows = await rowsOfGateway(call, parameters, dump)
  const { datacenter } = call.agent.config
  const known = summarizeServices(dump, datacenter)
  const names = [...new Set(rows.map(({ service }) => service))]
  const json = names.map((name) => {
    const summary = known.find((each) => isSameName(each.name, name))
    const addresses = rows
      .filter((row) => row.service === name)
      .flatMap((row) => addressesOf(call, row))
    return summaryJson(summary ?? unknownService(name, datacenter), {
      associatedServiceCount: 0,
      addresses,
    })
  })
  return jsonReply(`[${json.join(',')}]`, headers)
}

/** Where an ingress gateway answers for the service. */
function addressesOf({ agent }: HttpCall, row: GatewayService): readonly string[] {
  if (row.gatewayKind !== 'ingress-gateway') return []
  const { datacenter, domain } = agent.config
  const hosts =
    row.hosts.length > 0 ? row.hosts : [`${row.service}.ingress.${datacenter}.${domain}`]
  return hosts.map((host) => `${host}:${row.port}`)
}

async function gatewayIntentions(call: HttpCall): Promise<Reply> {
  if (call.suffix === '') return textReply(400, 'Missing gateway name')
  const { dump, parameters, headers } = await readDump(call)
  const rows = await rowsOfGateway(call, parameters, dump)
  const intentions = await readIntentions(call, parameters)
  const names = new Set(rows.map(({ service }) => service.toLowerCase()))
  const found = intentions.filter(({ destinationName }) => {
    return names.size > 0 && (destinationName === '*' || names.has(destinationName.toLowerCase()))
  })
  return jsonReply(list(sortIntentions(found), intentionJson), headers)
}

async function rowsOfGateway(
  call: HttpCall,
  parameters: ReadParameters,
  dump: readonly NodeDump[],
): Promise<readonly GatewayService[]> {
  const rows = await readGatewayServices(call, parameters, plainServicesOf(dump))
  return rows.filter(({ gateway }) => isSameName(gateway, call.suffix))
}

async function readIntentions(
  call: HttpCall,
  parameters: ReadParameters,
): Promise<readonly IntentionRecord[]> {
  const options = readOptions(call, { ...parameters, minIndex: 0 })
  return (await call.servers.read('intention.list', {}, options)).value
}

async function topology(call: HttpCall): Promise<Reply> {
  if (call.suffix === '') return textReply(400, 'Missing service name')
  if (!call.query.has('kind')) return textReply(400, 'Missing service kind')
  const kind = call.query.get('kind')
  if (kind !== '' && kind !== 'ingress-gateway') {
    return textReply(400, `Unsupported service kind ${JSON.stringify(kind)}`)
  }
  const { dump, parameters, headers } = await readDump(call)
  const { datacenter, defaultIntentionPolicy } = call.agent.config
  const found = serviceTopology({
    service: call.suffix,
    datacenter,
    dump,
    intentions: await readIntentions(call, parameters),
    defaultAction: defaultIntentionPolicy,
  })
  return jsonReply(topologyJson(found, await protocolOf(call, parameters)), headers)
}

/** Of the service's own defaults, or those of all proxies. */
async function protocolOf(call: HttpCall, parameters: ReadParameters): Promise<string> {
  const options = readOptions(call, { ...parameters, minIndex: 0 })
  const own = { entryKind: 'service-defaults', name: call.suffix }
  const all = { entryKind: 'proxy-defaults', name: 'global' }
  const [service, proxies] = await Promise.all([
    call.servers.read('config.get', own, options),
    call.servers.read('config.get', all, options),
  ])
  const configured = textAt(service.value?.body, 'Protocol')
  if (configured !== '') return configured
  return textAt(objectAt(proxies.value?.body, 'Config'), 'protocol') || 'tcp'
}

function isSameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase()
}
