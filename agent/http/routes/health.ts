/**
 * /v1/health: checks, and instances with their checks (http-api.md 12).
 */

import type { CheckRecord, HealthEntry } from '../../../core/catalog/types.ts'
import { FairleadError } from '../../../core/errors.ts'
import { HEALTH_CHECK_SCHEMA, HEALTH_ENTRY_SCHEMA } from '../../../core/filter/schemas.ts'
import type { Reads } from '../../../core/rpc/reads.ts'
import type { HttpCall } from '../call.ts'
import { filtered } from '../filter.ts'
import { goBoolean } from '../go-boolean.ts'
import { nearest } from '../near.ts'
import { type ReadParameters, readParameters } from '../query-options.ts'
import { type Answer, askWith } from '../reading.ts'
import { jsonReply, type Reply, textReply } from '../reply.ts'
import type { Route } from '../route.ts'
import { askView, askViewOnFailure } from '../view-reading.ts'
import { checkJson } from '../wire/check.ts'
import { areSameEntries, healthEntriesJson, healthEntryJson } from '../wire/health-entry.ts'
import { list } from '../wire/json.ts'

const SERVICE_QUERY = [
  'passing',
  'tag',
  'near',
  'node-meta',
  'filter',
  'cached',
  'merge-central-config',
]

export const HEALTH_ROUTES: readonly Route[] = [
  {
    path: '/v1/health/node/',
    doc: 'Checks of a node and of its services',
    blocking: true,
    query: ['filter'],
    methods: { GET: ofNode },
  },
  {
    path: '/v1/health/checks/',
    doc: 'Checks of a service',
    blocking: true,
    query: ['near', 'node-meta', 'filter'],
    methods: { GET: ofService },
  },
  {
    path: '/v1/health/state/',
    doc: 'Checks in a state: any, passing, warning or critical',
    blocking: true,
    query: ['near', 'node-meta', 'filter'],
    methods: { GET: inState },
  },
  {
    path: '/v1/health/service/',
    doc: 'Instances of a service with their nodes and checks',
    blocking: true,
    query: SERVICE_QUERY,
    methods: { GET: (call) => instances(call, false) },
  },
  {
    path: '/v1/health/connect/',
    doc: 'Instances that take mesh traffic for a service, with their nodes and checks',
    blocking: true,
    query: SERVICE_QUERY,
    methods: { GET: (call) => instances(call, true) },
  },
]

async function ofNode(call: HttpCall): Promise<Reply> {
  if (call.suffix === '') return textReply(400, 'Missing node name')
  const parameters = readParameters(call)
  return checksReply(call, await askWith(call, parameters, 'health.node', { node: call.suffix }))
}

async function ofService(call: HttpCall): Promise<Reply> {
  if (call.suffix === '') return textReply(400, 'Missing service name')
  const parameters = readParameters(call)
  const request = { service: call.suffix, ...metaPart(parameters) }
  return checksReply(call, await askWith(call, parameters, 'health.checks', request))
}

async function inState(call: HttpCall): Promise<Reply> {
  if (call.suffix === '') return textReply(400, 'Missing check state')
  const parameters = readParameters(call)
  const request = { state: call.suffix, ...metaPart(parameters) }
  return checksReply(call, await askWith(call, parameters, 'health.state', request))
}

async function checksReply(
  call: HttpCall,
  answer: Answer<'health.node' | 'health.checks' | 'health.state'>,
): Promise<Reply> {
  const { near, filter } = answer.parameters
  const checks = filtered<CheckRecord>(answer.value, filter, {
    schema: HEALTH_CHECK_SCHEMA,
    encode: checkJson,
  })
  const ordered = await nearest(call, checks, near, (check) => check.node)
  return jsonReply(list(ordered, checkJson), answer.headers)
}

async function instances(call: HttpCall, connect: boolean): Promise<Reply> {
  if (call.suffix === '') return textReply(400, 'Missing service name')
  const parameters = readParameters(call)
  const tags = call.query.all('tag')
  const request = {
    service: call.suffix,
    ...(connect ? { connect } : {}),
    ...(isPassingOnly(call) ? { passingOnly: true } : {}),
    ...(tags.length === 0 ? {} : { tags }),
    ...metaPart(parameters),
    ...(parameters.mergeCentral ? { mergeCentral: true } : {}),
  }
  const options = { cache: 'refreshed', streams: !parameters.mergeCentral } as const
  const ask = () => askWith(call, parameters, 'health.service', request, options)
  const answer =
    call.agent.views === undefined
      ? await ask()
      : ((await askView(call, parameters, request)) ??
        (await askViewOnFailure(call, parameters, request, ask)))
  const { near, filter } = parameters
  const entries = filtered<HealthEntry>(answer.value, filter, {
    schema: HEALTH_ENTRY_SCHEMA,
    encode: healthEntryJson,
  })
  const ordered =
    near === '' ? entries : await nearest(call, entries, near, (entry) => entry.node.node)
  const key = cacheKey(request, parameters)
  const body = call.agent.bodies.render(key, call.layout, ordered, {
    isSame: areSameEntries,
    encode: healthEntriesJson,
  })
  return jsonReply(body, answer.headers)
}

/** What decides the body besides the entries. */
function cacheKey(request: Reads['health.service']['request'], by: ReadParameters): string {
  const { service, connect, passingOnly, tags, nodeMeta } = request
  const isPlain = tags === undefined && nodeMeta === undefined && by.near === '' && by.filter === ''
  if (!isPlain) return JSON.stringify([request, by.near, by.filter])
  return `${connect === true ? 'c' : 's'}${passingOnly === true ? 'p' : 'a'} ${service}`
}

function metaPart(parameters: ReadParameters): {
  readonly nodeMeta?: Readonly<Record<string, string>>
} {
  return parameters.nodeMeta === undefined ? {} : { nodeMeta: parameters.nodeMeta }
}

/** Present and empty means true. @throws FairleadError BAD_REQUEST */
export function isPassingOnly(call: HttpCall): boolean {
  if (!call.query.has('passing')) return false
  const value = call.query.get('passing')
  if (value === '') return true
  const parsed = goBoolean(value)
  if (parsed === undefined) throw new FairleadError('BAD_REQUEST', 'Invalid value for ?passing')
  return parsed
}
