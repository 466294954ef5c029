/**
 * /v1/kv/: entries, lists, keys, locks (http-api.md 13).
 *
 * The flags that exclude each other, the texts and the 404s are exact: lock libraries rest on them.
 */

import type { KvOp, KvWrite } from '../../../core/catalog/commands.ts'
import { goQuote } from '../../../core/catalog/go-quote.ts'
import type { KvEntry } from '../../../core/catalog/types.ts'
import { FairleadError } from '../../../core/errors.ts'
import type { HttpCall } from '../call.ts'
import type { AgentContext } from '../context.ts'
import { refuseTenancy } from '../query-options.ts'
import { ask } from '../reading.ts'
import { emptyReply, jsonReply, type Reply, textReply } from '../reply.ts'
import type { BodyLimit, Route } from '../route.ts'
import { textList } from '../wire/json.ts'
import { kvListJson } from '../wire/kv.ts'
import { apply, nowOf } from '../writing.ts'

export const KV_ROUTES: readonly Route[] = [
  {
    path: '/v1/kv/',
    doc: 'Reads, writes and deletes keys',
    blocking: true,
    query: ['recurse', 'keys', 'separator', 'raw', 'flags', 'cas', 'acquire', 'release'],
    bodyLimit: kvBodyLimit,
    methods: { GET: get, PUT: put, DELETE: remove },
  },
]

function kvBodyLimit(agent: AgentContext): BodyLimit {
  const maxBytes = agent.config.kvMaxValueSize
  return {
    maxBytes,
    message: (size) =>
      `Request body${size === undefined ? '' : `(${size} bytes)`} too large, max size: ${maxBytes} bytes. See https://developer.hashicorp.com/docs/agent/config/config-files#kv_max_value_size.`,
  }
}

async function get(call: HttpCall): Promise<Reply> {
  const { query, suffix: key } = call
  if (query.has('keys')) return getKeys(call)
  if (query.has('recurse')) {
    const { value, headers } = await ask(call, 'kv.list', { prefix: key })
    return value.length === 0 ? emptyReply(404, headers) : jsonReply(kvListJson(value), headers)
  }
  if (key === '') return textReply(400, 'Missing key name')
  const { value, headers } = await ask(call, 'kv.get', { key })
  if (value === null) return emptyReply(404, headers)
  return query.has('raw') ? rawReply(value, headers) : jsonReply(kvListJson([value]), headers)
}

async function getKeys(call: HttpCall): Promise<Reply> {
  const { query, suffix: prefix } = call
  const separator = query.get('separator') || query.get('seperator')
  const { value, headers } = await ask(call, 'kv.keys', { prefix, separator })
  // The root always exists.
  if (value.length === 0 && prefix !== '') return emptyReply(404, headers)
  return jsonReply(textList(value), headers)
}

/** Whatever the value is, a browser must not run it. */
function rawReply(entry: KvEntry, headers: readonly string[]): Reply {
  const guards = ['X-Content-Type-Options', 'nosniff', 'Content-Security-Policy', 'sandbox']
  const { buffer, byteOffset, byteLength } = entry.value
  return {
    status: 200,
    type: 'text/plain',
    headers: [...headers, ...guards],
    body: Buffer.from(buffer, byteOffset, byteLength),
  }
}

async function put(call: HttpCall): Promise<Reply> {
  refuseTenancy(call)
  const { query, suffix: key } = call
  if (key === '') return textReply(400, 'Missing key name')
  const conflict = conflictOf(call, ['cas', 'acquire', 'release'])
  if (conflict !== undefined) return conflict
  const write: KvWrite = {
    key,
    value: call.body,
    flags: query.has('flags') ? unsigned(query.get('flags')) : 0n,
    session: query.get('acquire') || query.get('release'),
  }
  let op: KvOp = { verb: 'set', entry: write }
  if (query.has('cas')) op = { verb: 'cas', entry: write, index: indexOf(query.get('cas')) }
  else if (query.has('acquire')) op = { verb: 'lock', entry: write }
  else if (query.has('release')) op = { verb: 'unlock', entry: write }
  return applyOp(call, op)
}

async function remove(call: HttpCall): Promise<Reply> {
  refuseTenancy(call)
  const { query, suffix: key } = call
  if (query.has('recurse')) {
    const conflict = conflictOf(call, ['recurse', 'cas'])
    return conflict ?? applyOp(call, { verb: 'delete-tree', key })
  }
  if (key === '') return textReply(400, 'Missing key name')
  if (!query.has('cas')) return applyOp(call, { verb: 'delete', key })
  return applyOp(call, { verb: 'delete-cas', key, index: indexOf(query.get('cas')) })
}

async function applyOp(call: HttpCall, op: KvOp): Promise<Reply> {
  const value = await apply(call, { kind: 'kv', op, now: nowOf(call) })
  return jsonReply(value === false ? 'false' : 'true')
}

function conflictOf(call: HttpCall, names: readonly string[]): Reply | undefined {
  const given = names.filter((name) => call.query.has(name))
  if (given.length < 2) return undefined
  return textReply(400, `Conflicting flags: ${call.query.encode()}\n`)
}

/** @throws FairleadError REJECTED with the number parser's text */
function unsigned(digits: string): bigint {
  const reason = !/^[0-9]+$/.test(digits)
    ? 'invalid syntax'
    : digits.length > 20 || BigInt(digits) >= 1n << 64n
      ? 'value out of range'
      : undefined
  if (reason === undefined) return BigInt(digits)
  throw new FairleadError('REJECTED', `strconv.ParseUint: parsing ${goQuote(digits)}: ${reason}`)
}

/** Beyond every index that can exist, one is as good as another. */
function indexOf(digits: string): number {
  return Math.min(Number(unsigned(digits)), Number.MAX_SAFE_INTEGER)
}
