/**
 * /v1/session: sessions, on which locks rest (http-api.md 14).
 */

import { FairleadError } from '../../../core/errors.ts'
import type { HttpCall } from '../call.ts'
import { sessionFromBody } from '../decode/session-body.ts'
import { datacenterOf, refuseTenancy } from '../query-options.ts'
import { ask } from '../reading.ts'
import { jsonReply, type Reply, textReply } from '../reply.ts'
import type { Route } from '../route.ts'
import { text } from '../wire/json.ts'
import { sessionListJson } from '../wire/session.ts'
import { apply, nowOf, TRUE_REPLY } from '../writing.ts'

export const SESSION_ROUTES: readonly Route[] = [
  {
    path: '/v1/session/create',
    doc: 'Creates a session, bound to a node and to checks',
    methods: { PUT: create },
  },
  {
    path: '/v1/session/destroy/',
    doc: 'Ends a session; its locks are released',
    methods: { PUT: destroy },
  },
  {
    path: '/v1/session/renew/',
    doc: "Starts a session's TTL anew",
    methods: { PUT: renew },
  },
  {
    path: '/v1/session/info/',
    doc: 'One session',
    blocking: true,
    methods: { GET: info },
  },
  {
    path: '/v1/session/node/',
    doc: 'Sessions of a node',
    blocking: true,
    methods: { GET: ofNode },
  },
  {
    path: '/v1/session/list',
    doc: 'All sessions',
    blocking: true,
    methods: { GET: all },
  },
]

async function create(call: HttpCall): Promise<Reply> {
  refuseTenancy(call)
  const { config, local } = call.agent
  if (!config.server && datacenterOf(call) !== undefined) {
    return textReply(500, 'cross datacenter lock must be created at server agent')
  }
  const session = sessionFromBody(call.bodyText(), {
    node: local.nodeName,
    ttlMinMs: config.sessionTtlMinMs,
  })
  const id = await apply(call, { kind: 'session.create', session })
  return jsonReply(`{"ID":${text(String(id))}}`)
}

async function destroy(call: HttpCall): Promise<Reply> {
  refuseTenancy(call)
  await apply(call, { kind: 'session.destroy', id: requireId(call), now: nowOf(call) })
  return TRUE_REPLY
}

async function renew(call: HttpCall): Promise<Reply> {
  refuseTenancy(call)
  const id = requireId(call)
  // A TTL is kept by the leader of the datacenter that has the session.
  if (datacenterOf(call) !== undefined) {
    throw new FairleadError('NO_PATH_TO_DATACENTER', 'No path to datacenter')
  }
  const session = await call.servers.renewSession(id)
  if (session === null) return textReply(404, `Session id '${id}' not found`)
  return jsonReply(sessionListJson([session]))
}

async function info(call: HttpCall): Promise<Reply> {
  const { value, headers } = await ask(call, 'session.get', { id: requireId(call) })
  return jsonReply(sessionListJson(value === null ? [] : [value]), headers)
}

async function ofNode(call: HttpCall): Promise<Reply> {
  if (call.suffix === '') return textReply(400, 'Missing node name')
  const { value, headers } = await ask(call, 'session.list', { node: call.suffix })
  return jsonReply(sessionListJson(value), headers)
}

async function all(call: HttpCall): Promise<Reply> {
  const { value, headers } = await ask(call, 'session.list', {})
  return jsonReply(sessionListJson(value), headers)
}

/** @throws FairleadError BAD_REQUEST */
function requireId(call: HttpCall): string {
  if (call.suffix !== '') return call.suffix
  throw new FairleadError('BAD_REQUEST', 'Missing session')
}
