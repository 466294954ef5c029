/**
 * /v1/operator: Raft's members, autopilot, usage (http-api.md 20).
 */

import type { ServiceWithNode } from '../../../core/catalog/types.ts'
import { FairleadError } from '../../../core/errors.ts'
import type { OperatorCalls, OperatorName } from '../../../core/rpc/operator.ts'
import type { HttpCall } from '../call.ts'
import { autopilotFromBody } from '../decode/autopilot-body.ts'
import { datacenterOf, readParameters, refuseTenancy } from '../query-options.ts'
import { askWith, metaHeaders } from '../reading.ts'
import { emptyReply, jsonReply, type Reply, textReply } from '../reply.ts'
import type { Route } from '../route.ts'
import {
  autopilotConfigJson,
  autopilotHealthJson,
  autopilotStateJson,
  raftConfigurationJson,
  type Usage,
  usageJson,
} from '../wire/operator.ts'

export const OPERATOR_ROUTES: readonly Route[] = [
  {
    path: '/v1/operator/raft/configuration',
    doc: 'Servers that take part in Raft',
    methods: { GET: configuration },
  },
  {
    path: '/v1/operator/raft/transfer-leader',
    doc: 'Hands leadership to another server',
    query: ['id'],
    methods: { POST: transferLeader },
  },
  {
    path: '/v1/operator/raft/peer',
    doc: 'Takes a server out of Raft',
    query: ['id', 'address'],
    methods: { DELETE: removePeer },
  },
  {
    path: '/v1/operator/autopilot/configuration',
    doc: 'Settings of autopilot',
    query: ['cas'],
    methods: { GET: autopilotConfig, PUT: setAutopilotConfig },
  },
  {
    path: '/v1/operator/autopilot/health',
    doc: 'Health of the servers; status 429 when the cluster is not healthy',
    methods: { GET: autopilotHealth },
  },
  {
    path: '/v1/operator/autopilot/state',
    doc: 'What autopilot knows of the servers',
    methods: { GET: autopilotState },
  },
  {
    path: '/v1/operator/usage',
    doc: 'Numbers of services, instances and nodes',
    blocking: true,
    query: ['global'],
    methods: { GET: usage },
  },
]

async function configuration(call: HttpCall): Promise<Reply> {
  const stale = readParameters(call).consistency === 'stale'
  return jsonReply(raftConfigurationJson(await operate(call, 'raft.configuration', { stale })))
}

async function transferLeader(call: HttpCall): Promise<Reply> {
  const id = call.query.get('id')
  await operate(call, 'raft.transfer-leader', id === '' ? {} : { id })
  return jsonReply('{"Success":true}')
}

async function removePeer(call: HttpCall): Promise<Reply> {
  const id = call.query.get('id')
  const address = call.query.get('address')
  if (id === '' && address === '') {
    return textReply(
      400,
      "Must specify either ?id with the server's ID or ?address with IP:port of peer to remove",
    )
  }
  if (id !== '' && address !== '') return textReply(400, 'Must specify only one of ?id or ?address')
  await operate(call, 'raft.remove-peer', id === '' ? { address } : { id })
  return emptyReply()
}

async function autopilotConfig(call: HttpCall): Promise<Reply> {
  return jsonReply(autopilotConfigJson(await operate(call, 'autopilot.config', {})))
}

async function setAutopilotConfig(call: HttpCall): Promise<Reply> {
  const config = autopilotFromBody(call.bodyText())
  const given = call.query.get('cas')
  if (!call.query.has('cas')) {
    return jsonReply(String(await operate(call, 'autopilot.config.set', { config })))
  }
  const cas = Number(given)
  if (!/^[0-9]{1,16}$/.test(given) || !Number.isSafeInteger(cas)) {
    return textReply(
      400,
      `Error parsing cas value: strconv.ParseUint: parsing ${JSON.stringify(given)}: invalid syntax`,
    )
  }
  return jsonReply(String(await operate(call, 'autopilot.config.set', { config, cas })))
}

async function autopilotHealth(call: HttpCall): Promise<Reply> {
  const state = await operate(call, 'autopilot.state', {})
  return jsonReply(autopilotHealthJson(state), [], state.isHealthy ? 200 : 429)
}

async function autopilotState(call: HttpCall): Promise<Reply> {
  return jsonReply(autopilotStateJson(await operate(call, 'autopilot.state', {})))
}

/** Blocks on the instances; nodes without any are counted as they are when those answer. */
async function usage(call: HttpCall): Promise<Reply> {
  const parameters = readParameters(call)
  const instances = await askWith(call, parameters, 'catalog.services', {})
  const nodes = await call.servers.read(
    'catalog.nodes',
    {},
    {
      consistency: parameters.consistency,
    },
  )
  const index = Math.max(instances.index, 1)
  const meta = { index, knownLeader: nodes.knownLeader, lastContactMs: nodes.lastContactMs }
  const counted = { ...countOf(instances.value), nodes: nodes.value.length }
  const consistency = parameters.consistency === 'default' ? 'leader' : parameters.consistency
  const body = usageJson(call.agent.config.datacenter, counted, { ...meta, consistency })
  return jsonReply(body, metaHeaders(meta, parameters.consistency))
}

function countOf(found: readonly ServiceWithNode[]): Omit<Usage, 'nodes'> {
  const names = new Set<string>()
  const connect: Record<string, number> = {}
  let billable = 0
  for (const { service } of found) {
    names.add(service.service.toLowerCase())
    const kind = service.connectNative ? 'connect-native' : service.kind
    if (kind !== '') connect[kind] = (connect[kind] ?? 0) + 1
    if (service.kind === '' && service.service !== 'consul') billable += 1
  }
  return { services: names.size, instances: found.length, connect, billable }
}

async function operate<N extends OperatorName>(
  call: HttpCall,
  name: N,
  request: OperatorCalls[N]['request'],
): Promise<OperatorCalls[N]['reply']> {
  refuseTenancy(call)
  if (datacenterOf(call) !== undefined) {
    throw new FairleadError('NO_PATH_TO_DATACENTER', 'No path to datacenter')
  }
  return call.servers.operate(name, request, call.signal)
}
