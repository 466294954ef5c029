/**
 * /v1/coordinate: where the nodes stand in the network (http-api.md 18).
 *
 * There is one datacenter, and its servers have one coordinate each, of the pool they share with all agents: that is
 * what datacenters tells.
 */

import type { CoordinateRecord } from '../../../core/catalog/types.ts'
import { FairleadError } from '../../../core/errors.ts'
import type { HttpCall } from '../call.ts'
import { placeFromBody } from '../decode/coordinate-body.ts'
import { datacenterOf, refuseTenancy } from '../query-options.ts'
import { ask } from '../reading.ts'
import { emptyReply, jsonReply, type Reply, textReply } from '../reply.ts'
import type { Handler, Route } from '../route.ts'
import { datacenterPlacesJson, placeJson } from '../wire/coordinate.ts'
import { list } from '../wire/json.ts'

export const COORDINATE_ROUTES: readonly Route[] = [
  {
    path: '/v1/coordinate/datacenters',
    doc: 'Coordinates of the servers, by datacentre',
    methods: { GET: unlessDisabled(datacenters) },
  },
  {
    path: '/v1/coordinate/nodes',
    doc: 'Coordinates of all nodes',
    blocking: true,
    query: ['segment'],
    methods: { GET: unlessDisabled(nodes) },
  },
  {
    path: '/v1/coordinate/node/',
    doc: 'Coordinates of a node',
    blocking: true,
    query: ['segment'],
    methods: { GET: unlessDisabled(node) },
  },
  {
    path: '/v1/coordinate/update',
    doc: 'Says where a node stands; written within seconds, the last word of each node',
    methods: { PUT: unlessDisabled(update) },
  },
]

function unlessDisabled(handler: Handler): Handler {
  return (call) =>
    call.agent.config.disableCoordinates
      ? textReply(401, 'Coordinate support disabled')
      : handler(call)
}

async function datacenters(call: HttpCall): Promise<Reply> {
  const { membership, config } = call.agent
  const names = membership
    .members()
    .filter((member) => member.tags['role'] === 'consul')
    .map((member) => member.name)
  const found = await call.servers.read(
    'coordinate.some',
    { nodes: names },
    { consistency: 'stale' },
  )
  return jsonReply(`[${datacenterPlacesJson(config.datacenter, found.value)}]`)
}

async function nodes(call: HttpCall): Promise<Reply> {
  const answer = await ask(call, 'coordinate.nodes', segmentOf(call))
  return jsonReply(list<CoordinateRecord>(answer.value, placeJson), answer.headers)
}

async function node(call: HttpCall): Promise<Reply> {
  if (call.suffix === '') return textReply(400, 'Missing node name')
  const answer = await ask(call, 'coordinate.node', { node: call.suffix, ...segmentOf(call) })
  if (answer.value.length === 0) return emptyReply(404, answer.headers)
  return jsonReply(list<CoordinateRecord>(answer.value, placeJson), answer.headers)
}

async function update(call: HttpCall): Promise<Reply> {
  refuseTenancy(call)
  if (datacenterOf(call) !== undefined) {
    throw new FairleadError('NO_PATH_TO_DATACENTER', 'No path to datacenter')
  }
  await call.servers.placeNode(placeFromBody(call.bodyText()))
  return emptyReply()
}

function segmentOf({ query }: HttpCall): { readonly segment?: string } {
  return query.has('segment') ? { segment: query.get('segment') } : {}
}
