/**
 * What gateways stand before, and what is exported to peers (http-api.md 11.8, 12, 22.6).
 */

import { compareCodePoints } from '../../../core/catalog/key-order.ts'
import type { ConfigEntryRecord, HealthEntry } from '../../../core/catalog/types.ts'
import { objectsIn, textAt } from '../../../core/config-entries/read-field.ts'
import { HEALTH_ENTRY_SCHEMA } from '../../../core/filter/schemas.ts'
import type { HttpCall } from '../call.ts'
import { filtered } from '../filter.ts'
import { plainServices, plainServicesOf, readGatewayServices } from '../gateway-reading.ts'
import { nearest } from '../near.ts'
import { type ReadParameters, readOptions, readParameters } from '../query-options.ts'
import { askWith } from '../reading.ts'
import { jsonReply, type Reply, textReply } from '../reply.ts'
import type { Route } from '../route.ts'
import { gatewayServiceJson } from '../wire/gateway.ts'
import { healthEntriesJson, healthEntryJson } from '../wire/health-entry.ts'
import { list, text, textList } from '../wire/json.ts'
import { isPassingOnly } from './health.ts'

export const GATEWAY_ROUTES: readonly Route[] = [
  {
    path: '/v1/catalog/gateway-services/',
    doc: 'Services that a gateway stands before',
    blocking: true,
    methods: { GET: servicesOfGateway },
  },
  {
    path: '/v1/health/ingress/',
    doc: 'Instances of the ingress gateways that stand before a service',
    blocking: true,
    query: ['passing', 'near', 'filter'],
    methods: { GET: ingress },
  },
  {
    path: '/v1/exported-services',
    doc: 'Services that are exported, with the peers they are exported to',
    blocking: true,
    methods: { GET: exported },
  },
]

async function servicesOfGateway(call: HttpCall): Promise<Reply> {
  if (call.suffix === '') return textReply(400, 'Missing gateway name')
  const parameters = readParameters(call)
  const instances = await askWith(call, parameters, 'catalog.services', { alsoConfig: true })
  const rows = await readGatewayServices(call, parameters, plainServices(instances.value))
  const name = call.suffix.toLowerCase()
  const found = rows.filter(({ gateway }) => gateway.toLowerCase() === name)
  return jsonReply(found.length === 0 ? 'null' : list(found, gatewayServiceJson), instances.headers)
}

async function ingress(call: HttpCall): Promise<Reply> {
  if (call.suffix === '') return textReply(400, 'Missing service name')
  const parameters = readParameters(call)
  const instances = await askWith(call, parameters, 'catalog.dump', { alsoConfig: true })
  const rows = await readGatewayServices(call, parameters, plainServicesOf(instances.value))
  const service = call.suffix.toLowerCase()
  const gateways = rows
    .filter((row) => row.gatewayKind === 'ingress-gateway' && row.service.toLowerCase() === service)
    .map(({ gateway }) => gateway)
  const entries = await entriesOf(call, parameters, [...new Set(gateways)])
  const found = filtered<HealthEntry>(entries, parameters.filter, {
    schema: HEALTH_ENTRY_SCHEMA,
    encode: healthEntryJson,
  })
  const ordered = await nearest(call, found, parameters.near, (entry) => entry.node.node)
  return jsonReply(healthEntriesJson(ordered), instances.headers)
}

async function entriesOf(
  call: HttpCall,
  parameters: ReadParameters,
  gateways: readonly string[],
): Promise<readonly HealthEntry[]> {
  const passing = isPassingOnly(call) ? { passingOnly: true } : {}
  const options = readOptions(call, { ...parameters, minIndex: 0 })
  const answers = await Promise.all(
    gateways.map((service) =>
      call.servers.read('health.service', { service, ...passing }, options),
    ),
  )
  return answers
    .flatMap(({ value }) => value)
    .filter(({ service }) => service.kind === 'ingress-gateway')
}

async function exported(call: HttpCall): Promise<Reply> {
  const parameters = readParameters(call)
  const request = { entryKind: 'exported-services' }
  const answer = await askWith(call, parameters, 'config.list', request)
  const options = readOptions(call, { ...parameters, minIndex: 0 })
  const instances = await call.servers.read('catalog.services', {}, options)
  const peers = exportedTo(answer.value, plainServices(instances.value))
  return jsonReply(list([...peers], exportedJson), answer.headers)
}

/** Peers, sorted, by the names of services, sorted; wildcards are resolved. */
export function exportedTo(
  entries: readonly ConfigEntryRecord[],
  services: readonly string[],
): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, Set<string>>()
  for (const exportedService of entries.flatMap(({ body }) => objectsIn(body, 'Services'))) {
    const name = textAt(exportedService, 'Name')
    for (const consumer of objectsIn(exportedService, 'Consumers')) {
      const peer = textAt(consumer, 'Peer') || textAt(consumer, 'PeerName')
      if (peer === '') continue
      for (const each of name === '*' ? services : [name]) {
        const peers = found.get(each) ?? new Set<string>()
        found.set(each, peers.add(peer))
      }
    }
  }
  const inOrder = [...found].sort(([a], [b]) => compareCodePoints(a, b))
  return new Map(inOrder.map(([name, peers]) => [name, [...peers].sort(compareCodePoints)]))
}

function exportedJson([service, peers]: readonly [string, readonly string[]]): string {
  return `{"Service":${text(service)},"Consumers":{"Peers":${textList(peers)}}}`
}
