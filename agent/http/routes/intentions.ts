/**
 * /v1/connect/intentions: who may call whom (http-api.md 22.5, mesh.md 6).
 */

import type { IntentionWrite } from '../../../core/catalog/commands.ts'
import type { IntentionRecord } from '../../../core/catalog/types.ts'
import { FairleadError } from '../../../core/errors.ts'
import { INTENTION_SCHEMA } from '../../../core/filter/schemas.ts'
import { decideConnection } from '../../../core/intentions/decide.ts'
import { sortIntentions } from '../../../core/intentions/precedence.ts'
import { newUuid } from '../../../runtime/random/system-random.ts'
import type { HttpCall } from '../call.ts'
import { intentionFromBody, serviceNameOf } from '../decode/intention-body.ts'
import { filtered } from '../filter.ts'
import { readParameters, refuseTenancy } from '../query-options.ts'
import { ask, askWith } from '../reading.ts'
import { jsonReply, type Reply, textReply } from '../reply.ts'
import type { Route } from '../route.ts'
import { intentionJson } from '../wire/intention.ts'
import { list, map, text } from '../wire/json.ts'
import { apply, nowOf, TRUE_REPLY } from '../writing.ts'

/** Names in one connect/intentions/match. */
export const MATCH_NAMES_MAX = 64

export const INTENTION_ROUTES: readonly Route[] = [
  {
    path: '/v1/connect/intentions',
    doc: 'All intentions; creates one in the deprecated form with an id',
    blocking: true,
    query: ['filter'],
    methods: { GET: all, POST: create },
  },
  {
    path: '/v1/connect/intentions/exact',
    doc: 'The intention of one source and destination',
    blocking: true,
    query: ['source', 'destination'],
    methods: { GET: exact, PUT: putExact, DELETE: deleteExact },
  },
  {
    path: '/v1/connect/intentions/match',
    doc: 'Intentions that can decide for sources or destinations, in the order of evaluation',
    blocking: true,
    query: ['by', 'name', 'cached'],
    methods: { GET: match },
  },
  {
    path: '/v1/connect/intentions/check',
    doc: 'Whether a source may open connections to a destination',
    query: ['source', 'destination', 'source-type'],
    methods: { GET: check },
  },
  {
    path: '/v1/connect/intentions/',
    doc: 'An intention by id, deprecated',
    blocking: true,
    methods: { GET: byId, PUT: putById, DELETE: deleteById },
  },
]

async function all(call: HttpCall): Promise<Reply> {
  const { value, headers, parameters } = await ask(call, 'intention.list', {})
  const found = filtered<IntentionRecord>(sortIntentions(value), parameters.filter, {
    schema: INTENTION_SCHEMA,
    encode: intentionJson,
  })
  return jsonReply(found.length === 0 ? 'null' : list(found, intentionJson), headers)
}

async function create(call: HttpCall): Promise<Reply> {
  refuseTenancy(call)
  const intention = intentionFromBody(call.bodyText())
  if (intention.id !== '') {
    throw new FairleadError('REJECTED', 'ID must be empty when creating a new intention')
  }
  const id = newUuid()
  await store(call, { ...intention, id })
  return jsonReply(`{"ID":${text(id)}}`)
}

async function store(call: HttpCall, intention: IntentionWrite): Promise<void> {
  await apply(call, { kind: 'intention.set', intention, now: nowOf(call) })
}

async function exact(call: HttpCall): Promise<Reply> {
  const pair = pairOf(call)
  const { value, headers } = await ask(call, 'intention.get', pair)
  if (value === null) return textReply(404, 'Intention not found', headers)
  return jsonReply(intentionJson(value), headers)
}

async function putExact(call: HttpCall): Promise<Reply> {
  refuseTenancy(call)
  const pair = pairOf(call)
  const given = intentionFromBody(call.bodyText())
  if (given.id !== '') throw new FairleadError('BAD_REQUEST', 'ID must be empty')
  for (const side of ['sourceName', 'destinationName'] as const) {
    if (given[side] === '' || given[side] === pair[side]) continue
    throw new FairleadError('BAD_REQUEST', 'Intention in the body names another pair than the URL')
  }
  await store(call, { ...given, ...pair })
  return TRUE_REPLY
}

async function deleteExact(call: HttpCall): Promise<Reply> {
  refuseTenancy(call)
  await apply(call, { kind: 'intention.delete', by: pairOf(call) })
  return TRUE_REPLY
}

/** @throws FairleadError REJECTED, BAD_REQUEST */
function pairOf(call: HttpCall): {
  readonly sourceName: string
  readonly destinationName: string
} {
  const sourceName = serviceNameOf(required(call, 'source'))
  return { sourceName, destinationName: serviceNameOf(required(call, 'destination')) }
}

function required(call: HttpCall, name: string): string {
  const value = call.query.get(name)
  if (value !== '') return value
  throw new FairleadError('REJECTED', `required query parameter '${name}' not set`)
}

async function match(call: HttpCall): Promise<Reply> {
  const by = required(call, 'by')
  if (by !== 'source' && by !== 'destination') {
    throw new FairleadError('REJECTED', "'by' parameter must be one of 'source' or 'destination'")
  }
  required(call, 'name')
  const names = call.query.all('name')
  if (names.length > MATCH_NAMES_MAX) {
    throw new FairleadError(
      'BAD_REQUEST',
      `Too many names: ${names.length}, at most ${MATCH_NAMES_MAX}`,
    )
  }
  let parameters = readParameters(call)
  const found: [string, readonly IntentionRecord[]][] = []
  let headers: readonly string[] = []
  for (const given of new Set(names)) {
    const request = { by, name: serviceNameOf(given) } as const
    const answer = await askWith(call, parameters, 'intention.match', request, { cache: 'kept' })
    found.push([given, answer.value])
    if (found.length > 1) continue
    headers = answer.headers
    // All names have the index of one table: only the first read has to wait for it.
    parameters = { ...parameters, minIndex: 0 }
  }
  const encode = (rules: readonly IntentionRecord[]): string => list(rules, intentionJson)
  return jsonReply(map(Object.fromEntries(found), encode), headers)
}

async function check(call: HttpCall): Promise<Reply> {
  const { sourceName, destinationName } = pairOf(call)
  const type = call.query.get('source-type')
  if (type !== '' && type !== 'consul') {
    throw new FairleadError('REJECTED', `unsupported source-type: ${type}`)
  }
  const parameters = { ...readParameters(call), minIndex: 0 }
  const request = { by: 'destination', name: destinationName } as const
  const { value } = await askWith(call, parameters, 'intention.match', request)
  const policy = call.agent.config.defaultIntentionPolicy
  const decision = decideConnection(value, sourceName, policy)
  return jsonReply(`{"Allowed":${decision.kind === 'allow'}}`)
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

function idOf(call: HttpCall): string {
  if (UUID.test(call.suffix)) return call.suffix.toLowerCase()
  throw new FairleadError(
    'BAD_REQUEST',
    'failed intention lookup: index error: UUID must be 36 characters',
  )
}

async function byId(call: HttpCall): Promise<Reply> {
  const { value, headers } = await ask(call, 'intention.get', { id: idOf(call) })
  if (value === null) return textReply(404, 'Intention not found', headers)
  return jsonReply(intentionJson(value), headers)
}

async function putById(call: HttpCall): Promise<Reply> {
  refuseTenancy(call)
  const id = idOf(call)
  const given = intentionFromBody(call.bodyText())
  const known = await call.servers.read('intention.get', { id })
  if (known.value === null) {
    throw new FairleadError('REJECTED', `Cannot modify non-existent intention: '${id}'`)
  }
  await store(call, { ...given, id })
  return jsonReply(`{"ID":${text(id)}}`)
}

async function deleteById(call: HttpCall): Promise<Reply> {
  refuseTenancy(call)
  await apply(call, { kind: 'intention.delete', by: { id: idOf(call) } })
  return TRUE_REPLY
}
