/**
 * /v1/query: prepared queries, kept under a name and executed by it (http-api.md 16).
 *
 * With `?cached` the reads behind an execution come from the agent's cache; the order of its instances is new each time.
 */

import { FairleadError } from '../../../core/errors.ts'
import type { ReadName, Reads } from '../../../core/rpc/reads.ts'
import type { ReadResult } from '../../../core/rpc/server-api.ts'
import { queryOf } from '../../queries/prepared-queries.ts'
import type { HttpCall } from '../call.ts'
import { assertValidQuery, queryFromBody } from '../decode/query-body.ts'
import { goBoolean } from '../go-boolean.ts'
import {
  datacenterOf,
  type ReadParameters,
  readParameters,
  refuseTenancy,
} from '../query-options.ts'
import { ask, askWith, cacheHeaders, consistencyName, metaHeaders } from '../reading.ts'
import { emptyReply, jsonReply, type Reply, textReply } from '../reply.ts'
import type { Route } from '../route.ts'
import { text } from '../wire/json.ts'
import { executedJson, explainedJson, queryListJson } from '../wire/query.ts'
import { apply } from '../writing.ts'

export const QUERY_ROUTES: readonly Route[] = [
  {
    path: '/v1/query',
    doc: 'All prepared queries; creates one',
    blocking: true,
    methods: { GET: all, POST: create },
  },
  {
    path: '/v1/query/',
    doc: 'One prepared query by its id: shows, changes, deletes it',
    blocking: true,
    methods: { GET: one, PUT: update, DELETE: remove },
  },
  {
    path: '/v1/query/*/execute',
    doc: 'The instances that a prepared query chooses, by its id, its name or a name that a template takes',
    query: ['near', 'limit', 'connect', 'cached'],
    methods: { GET: execute },
  },
  {
    path: '/v1/query/*/explain',
    doc: 'The query that would be executed, with what a template puts in',
    methods: { GET: explain },
  },
]

async function all(call: HttpCall): Promise<Reply> {
  const { value, headers } = await ask(call, 'query.list', {})
  return jsonReply(queryListJson(value), headers)
}

async function one(call: HttpCall): Promise<Reply> {
  const { value, headers } = await ask(call, 'query.get', { id: call.suffix })
  if (value === null) return textReply(404, 'Query not found', headers)
  return jsonReply(queryListJson([value]), headers)
}

async function create(call: HttpCall): Promise<Reply> {
  refuseTenancy(call)
  const query = queryFromBody(call.bodyText())
  if (query.id !== '') {
    throw new FairleadError('REJECTED', 'ID must be empty when creating a new prepared query')
  }
  assertValidQuery(query)
  const id = await apply(call, { kind: 'query.set', mode: 'create', query })
  return jsonReply(`{"ID":${text(String(id))}}`)
}

async function update(call: HttpCall): Promise<Reply> {
  refuseTenancy(call)
  const query = { ...queryFromBody(call.bodyText()), id: call.suffix }
  // That there is no such query is said before what is wrong with the new one, as in the reference.
  const known = await call.servers.read('query.get', { id: query.id }, datacenterPart(call))
  if (known.value !== null) assertValidQuery(query)
  await apply(call, { kind: 'query.set', mode: 'update', query })
  return emptyReply()
}

async function remove(call: HttpCall): Promise<Reply> {
  refuseTenancy(call)
  await apply(call, { kind: 'query.delete', id: call.suffix })
  return emptyReply()
}

async function execute(call: HttpCall): Promise<Reply> {
  const parameters = readParameters(call)
  const reads = new CachedReads(call, parameters)
  const answer = await call.agent.queries.execute({
    nameOrId: call.suffix,
    near: parameters.near,
    limit: limitOf(call),
    connect: isConnect(call),
    clientAddress: call.clientAddress,
    datacenter: parameters.datacenter,
    signal: call.signal,
    read: (name, request, datacenter) => reads.read(name, request, datacenter),
  })
  const { knownLeader, lastContactMs } = answer
  const meta = { index: 0, knownLeader, lastContactMs }
  const consistency = consistencyName(parameters.consistency)
  const style = parameters.cached === undefined ? parameters.consistency : 'cached'
  const headers = [...metaHeaders(meta, style), ...reads.cacheHeaders()]
  return jsonReply(executedJson(answer, { ...meta, consistency }), headers)
}

async function explain(call: HttpCall): Promise<Reply> {
  const { value, parameters, headers, index, knownLeader, lastContactMs } = await ask(
    call,
    'query.resolve',
    {
      nameOrId: call.suffix,
      explain: true,
    },
  )
  const consistency = consistencyName(parameters.consistency)
  const meta = { index, knownLeader, lastContactMs, consistency }
  return jsonReply(explainedJson(queryOf(value), meta), headers)
}

/** The reads of one execution, and whether all of them came from the cache. */
class CachedReads {
  readonly #call: HttpCall
  readonly #parameters: ReadParameters
  #isHit = true
  #ageMs = 0

  constructor(call: HttpCall, parameters: ReadParameters) {
    this.#call = call
    // An execution does not block.
    this.#parameters = { ...parameters, minIndex: 0 }
  }

  async read<N extends ReadName>(
    name: N,
    request: Reads[N]['request'],
    datacenter: string | undefined,
  ): Promise<ReadResult<N>> {
    const parameters = { ...this.#parameters, datacenter }
    const answer = await askWith(this.#call, parameters, name, request, { cache: 'kept' })
    if (answer.cache !== undefined) {
      this.#isHit &&= answer.cache.isHit
      this.#ageMs = Math.max(this.#ageMs, answer.cache.ageMs)
    }
    return answer
  }

  cacheHeaders(): readonly string[] {
    return this.#parameters.cached === undefined ? [] : cacheHeaders(this.#isHit, this.#ageMs)
  }
}

function datacenterPart(call: HttpCall): { readonly datacenter?: string } {
  const datacenter = datacenterOf(call)
  return datacenter === undefined ? {} : { datacenter }
}

/** @throws FairleadError REJECTED */
function limitOf(call: HttpCall): number {
  const given = call.query.get('limit')
  if (given === '') return 0
  const limit = /^[+-]?[0-9]+$/.test(given) ? Number(given) : Number.NaN
  if (Number.isSafeInteger(limit)) return limit
  const reason = Number.isNaN(limit) ? 'invalid syntax' : 'value out of range'
  throw new FairleadError(
    'REJECTED',
    `Bad limit: strconv.Atoi: parsing ${JSON.stringify(given)}: ${reason}`,
  )
}

/** @throws FairleadError REJECTED */
function isConnect(call: HttpCall): boolean {
  const given = call.query.get('connect')
  if (given === '') return false
  const parsed = goBoolean(given)
  if (parsed !== undefined) return parsed
  throw new FairleadError(
    'REJECTED',
    `Error parsing 'connect' value: strconv.ParseBool: parsing ${JSON.stringify(given)}: invalid syntax`,
  )
}
