/**
 * /v1/txn: all operations or none (http-api.md 17). Reads alone do not go through Raft.
 */

import type { TxnOp } from '../../../core/catalog/commands.ts'
import type { HttpCall } from '../call.ts'
import type { AgentContext } from '../context.ts'
import { txnFromBody } from '../decode/txn-body.ts'
import { readOptions, readParameters } from '../query-options.ts'
import { jsonReply, type Reply } from '../reply.ts'
import type { BodyLimit, Route } from '../route.ts'
import { queryMetaFields } from '../wire/query-meta.ts'
import { txnErrorsJson, txnResultsJson } from '../wire/txn.ts'
import { nowOf, write } from '../writing.ts'

export const TXN_ROUTES: readonly Route[] = [
  {
    path: '/v1/txn',
    doc: 'Runs up to 128 operations on KV, nodes, services and checks as one',
    bodyLimit: txnBodyLimit,
    methods: { PUT: run },
  },
]

function txnBodyLimit(agent: AgentContext): BodyLimit {
  const maxBytes = Math.max(agent.config.txnMaxReqLen, agent.config.kvMaxValueSize)
  return {
    maxBytes,
    message: (size) =>
      `Request body${size === undefined ? '' : `(${size} bytes)`} too large, max size: ${maxBytes} bytes. See https://developer.hashicorp.com/docs/agent/config/config-files#txn_max_req_len.`,
  }
}

async function run(call: HttpCall): Promise<Reply> {
  const parameters = readParameters(call)
  const body = txnFromBody(call.bodyText(), call.agent.config.kvMaxValueSize)
  if (!body.ok) return jsonReply(txnErrorsJson(body.errors), [], 409)
  if (body.ops.every(isRead)) {
    const result = await call.servers.read(
      'txn.read',
      { ops: body.ops },
      readOptions(call, { ...parameters, minIndex: 0 }),
    )
    const headers = [
      'X-Consul-Knownleader',
      String(result.knownLeader),
      'X-Consul-Lastcontact',
      String(Math.round(result.lastContactMs)),
    ]
    const tail = `,${queryMetaFields({ ...result, index: 0 })}`
    return result.value.ok
      ? jsonReply(txnResultsJson(result.value.results, tail), headers)
      : jsonReply(txnErrorsJson(result.value.errors, tail), headers, 409)
  }
  const result = await write(call, { kind: 'txn', ops: body.ops, now: nowOf(call) })
  if (!result.ok) return jsonReply(txnErrorsJson(result.txnErrors), [], 409)
  return jsonReply(txnResultsJson(Array.isArray(result.value) ? result.value : []))
}

const READ_VERBS: ReadonlySet<string> = new Set([
  'get',
  'get-or-empty',
  'get-tree',
  'check-index',
  'check-session',
  'check-not-exists',
])

function isRead(op: TxnOp): boolean {
  return READ_VERBS.has(op.type === 'kv' ? op.op.verb : op.verb)
}
