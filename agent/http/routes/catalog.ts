/**
 * /v1/catalog reads: nodes, services, instances (http-api.md 11.3 to 11.7).
 */

import type {
  NodeRecord,
  ServiceRecord,
  ServiceWithNode,
  StringMap,
} from '../../../core/catalog/types.ts'
import {
  CATALOG_SERVICE_SCHEMA,
  NODE_SCHEMA,
  NODE_SERVICE_SCHEMA,
} from '../../../core/filter/schemas.ts'
import type { HttpCall } from '../call.ts'
import { filtered } from '../filter.ts'
import { nearest } from '../near.ts'
import { type ReadParameters, readParameters } from '../query-options.ts'
import { askWith, cacheHeaders } from '../reading.ts'
import { jsonReply, type Reply, textReply } from '../reply.ts'
import type { Route } from '../route.ts'
import { list, map, textList } from '../wire/json.ts'
import { nodeJson } from '../wire/node.ts'
import { catalogServiceJson, serviceJson } from '../wire/service.ts'

const SERVICE_QUERY = ['tag', 'near', 'node-meta', 'filter', 'cached', 'merge-central-config']

export const CATALOG_ROUTES: readonly Route[] = [
  {
    path: '/v1/catalog/datacenters',
    doc: 'Names of the known datacentres, the own first',
    query: ['cached'],
    methods: { GET: datacenters },
  },
  {
    path: '/v1/catalog/nodes',
    doc: 'All nodes',
    blocking: true,
    query: ['near', 'node-meta', 'filter'],
    methods: { GET: nodes },
  },
  {
    path: '/v1/catalog/services',
    doc: 'Service names with the tags of their instances',
    blocking: true,
    query: ['node-meta', 'filter', 'cached'],
    methods: { GET: services },
  },
  {
    path: '/v1/catalog/service/',
    doc: 'Instances of a service, whatever their health',
    blocking: true,
    query: SERVICE_QUERY,
    methods: { GET: (call) => instances(call, false) },
  },
  {
    path: '/v1/catalog/connect/',
    doc: 'Instances that take mesh traffic for a service',
    blocking: true,
    query: SERVICE_QUERY,
    methods: { GET: (call) => instances(call, true) },
  },
  {
    path: '/v1/catalog/node/',
    doc: 'A node with its services by id',
    blocking: true,
    query: ['filter', 'merge-central-config'],
    methods: { GET: node },
  },
  {
    path: '/v1/catalog/node-services/',
    doc: 'A node with its services as a list',
    blocking: true,
    query: ['filter', 'merge-central-config'],
    methods: { GET: nodeServices },
  },
]

function datacenters(call: HttpCall): Reply {
  const isCached = readParameters(call).cached !== undefined
  // What this agent knows of itself is never fetched.
  const headers = isCached ? cacheHeaders(true, 0) : []
  return jsonReply(textList([call.agent.config.datacenter]), headers)
}

async function nodes(call: HttpCall): Promise<Reply> {
  const parameters = readParameters(call)
  const answer = await askWith(call, parameters, 'catalog.nodes', metaPart(parameters))
  const found = filtered<NodeRecord>(answer.value, parameters.filter, {
    schema: NODE_SCHEMA,
    encode: nodeJson,
  })
  const ordered = await nearest(call, found, parameters.near, (record) => record.node)
  return jsonReply(list(ordered, nodeJson), answer.headers)
}

async function services(call: HttpCall): Promise<Reply> {
  if (call.query.get('peer') !== '') {
    return textReply(500, 'listing service names imported from a peer is not supported')
  }
  const parameters = readParameters(call)
  const answer = await askWith(call, parameters, 'catalog.services', metaPart(parameters), {
    cache: 'kept',
  })
  const found = filtered<ServiceWithNode>(answer.value, parameters.filter, INSTANCE)
  return jsonReply(map(tagsByName(found), textList), answer.headers)
}

const INSTANCE = { schema: CATALOG_SERVICE_SCHEMA, encode: catalogServiceJson } as const

function tagsByName(instances: readonly ServiceWithNode[]): Record<string, readonly string[]> {
  const tags = new Map<string, Set<string>>()
  for (const { service } of instances) {
    let known = tags.get(service.service)
    if (known === undefined) {
      known = new Set()
      tags.set(service.service, known)
    }
    for (const tag of service.tags) known.add(tag)
  }
  return Object.fromEntries([...tags].map(([name, set]) => [name, [...set]]))
}

async function instances(call: HttpCall, connect: boolean): Promise<Reply> {
  if (call.suffix === '') return textReply(400, 'Missing service name')
  const parameters = readParameters(call)
  const tags = call.query.all('tag')
  const request = {
    service: call.suffix,
    ...(connect ? { connect } : {}),
    ...(tags.length === 0 ? {} : { tags }),
    ...metaPart(parameters),
    ...centralPart(parameters),
  }
  const answer = await askWith(call, parameters, 'catalog.service', request, { cache: 'kept' })
  const found = filtered<ServiceWithNode>(answer.value, parameters.filter, INSTANCE)
  const ordered = await nearest(call, found, parameters.near, (instance) => instance.node.node)
  const key = JSON.stringify(['catalog', request, parameters.near, parameters.filter])
  const body = call.agent.bodies.render(key, call.layout, ordered, {
    isSame: areSameInstances,
    encode: (records) => list(records, catalogServiceJson),
  })
  return jsonReply(body, answer.headers)
}

function areSameInstances(a: readonly ServiceWithNode[], b: readonly ServiceWithNode[]): boolean {
  if (a === b) return true
  if (a.length !== b.length) return false
  return a.every((x, i) => x.node === b[i]?.node && x.service === b[i]?.service)
}

async function node(call: HttpCall): Promise<Reply> {
  const found = await readNode(call)
  if (!('headers' in found)) return found.reply
  if (found.node === undefined) return jsonReply('null', found.headers)
  const byId = Object.fromEntries(found.services.map((service) => [service.id, service]))
  const json = `{"Node":${nodeJson(found.node)},"Services":${map(byId, serviceJson)}}`
  return jsonReply(json, found.headers)
}

async function nodeServices(call: HttpCall): Promise<Reply> {
  const found = await readNode(call)
  if (!('headers' in found)) return found.reply
  if (found.node === undefined) return jsonReply('{"Node":null,"Services":null}', found.headers)
  const json = `{"Node":${nodeJson(found.node)},"Services":${list(found.services, serviceJson)}}`
  return jsonReply(json, found.headers)
}

async function readNode(call: HttpCall): Promise<
  | {
      readonly node: NodeRecord | undefined
      readonly services: readonly ServiceRecord[]
      readonly headers: readonly string[]
    }
  | { readonly reply: Reply }
> {
  if (call.suffix === '') return { reply: textReply(400, 'Missing node name') }
  const parameters = readParameters(call)
  const request = { node: call.suffix, ...centralPart(parameters) }
  const answer = await askWith(call, parameters, 'catalog.node', request)
  const found = filtered<ServiceRecord>(answer.value?.services ?? [], parameters.filter, {
    schema: NODE_SERVICE_SCHEMA,
    encode: serviceJson,
  })
  return { node: answer.value?.node, services: found, headers: answer.headers }
}

function centralPart({ mergeCentral }: ReadParameters): { readonly mergeCentral?: true } {
  return mergeCentral ? { mergeCentral } : {}
}

function metaPart(parameters: ReadParameters): { readonly nodeMeta?: StringMap } {
  return parameters.nodeMeta === undefined ? {} : { nodeMeta: parameters.nodeMeta }
}
