/**
 * /v1/operator/join-token: what lets new hosts in (docs/decisions/0042). Fairlead's own.
 *
 * The secret is made here and told once; the servers get its digest.
 */

import { createHash, randomBytes, X509Certificate } from 'node:crypto'
import { hashSecret } from '../../../core/acl/secret.ts'
import { serverMembers } from '../../../core/cluster/server-members.ts'
import { serverNameOf } from '../../../core/config/tls.ts'
import { decodeBody } from '../../../core/decode/body.ts'
import { integer, string } from '../../../core/decode/decoder.ts'
import { field, object } from '../../../core/decode/object.ts'
import { durationFault, parseDurationMs } from '../../../core/duration.ts'
import { FairleadError } from '../../../core/errors.ts'
import {
  JOIN_TTL_DEFAULT_MS,
  type JoinRole,
  type JoinTokenRecord,
  writeJoinTicket,
} from '../../../core/join/join-token.ts'
import { newUuid } from '../../../runtime/random/system-random.ts'
import type { HttpCall } from '../call.ts'
import { refuseTenancy } from '../query-options.ts'
import { ask } from '../reading.ts'
import { jsonReply, type Reply } from '../reply.ts'
import type { Route } from '../route.ts'
import { list, text, time } from '../wire/json.ts'
import { apply, nowOf, TRUE_REPLY } from '../writing.ts'

export const JOIN_TOKEN_ROUTES: readonly Route[] = [
  {
    path: '/v1/operator/join-token',
    doc: 'Makes a token by which new hosts join (fairlead’s own)',
    methods: { PUT: create },
  },
  {
    path: '/v1/operator/join-token/',
    doc: 'Deletes a join token by its ID (fairlead’s own)',
    methods: { DELETE: remove },
  },
  {
    path: '/v1/operator/join-tokens',
    doc: 'Join tokens that can still be used, without their secrets (fairlead’s own)',
    blocking: true,
    methods: { GET: tokens },
  },
]

const SECRET_BYTES = 32

const BODY = object('JoinToken', {
  role: field('Role', string, 'client'),
  node: field('Node', string, ''),
  description: field('Description', string, ''),
  uses: field('Uses', integer, 1),
  ttl: field('TTL', string, ''),
})

async function create(call: HttpCall): Promise<Reply> {
  refuseTenancy(call)
  const { node, description, uses, ...body } = decodeBody(BODY, call.bodyText())
  const role = roleOf(body.role)
  const ttlMs = ttlOf(body.ttl)
  const { config } = call.agent
  const secret = randomBytes(SECRET_BYTES).toString('base64url')
  const ticket = {
    pin: pinOf(call.agent.authorities()),
    servers: serversOf(call),
    serverName: serverNameOf(config.datacenter, config.domain),
    secret,
  }
  const token = {
    id: newUuid(),
    secretHash: hashSecret(secret),
    role,
    node,
    description,
    uses,
    ttlMs,
  }
  const now = nowOf(call)
  await apply(call, { kind: 'join-token.set', token, now })
  const line = writeJoinTicket(ticket, (plain) => Buffer.from(plain).toString('base64url'))
  const usesLeft = uses
  const record = { ...token, usesLeft, expiresAt: now + ttlMs, createdAt: now }
  return jsonReply(`{"Token":${text(line)},${fieldsOf(record)}}`)
}

async function tokens(call: HttpCall): Promise<Reply> {
  const answer = await ask(call, 'join-token.list', {})
  const now = call.agent.clock.wall()
  const found = answer.value.filter(({ expiresAt }) => expiresAt > now)
  return jsonReply(
    list(found, (record) => `{${fieldsOf(record)}}`),
    answer.headers,
  )
}

async function remove(call: HttpCall): Promise<Reply> {
  refuseTenancy(call)
  await apply(call, { kind: 'join-token.delete', id: call.suffix })
  return TRUE_REPLY
}

function fieldsOf(
  record: Omit<JoinTokenRecord, 'createIndex' | 'modifyIndex' | 'secretHash'>,
): string {
  const { id, role, node, description, usesLeft, createdAt, expiresAt } = record
  return (
    `"ID":${text(id)},"Role":${text(role)},"Node":${text(node)},"Description":${text(description)},` +
    `"UsesLeft":${usesLeft},"CreatedAt":${time(createdAt)},"ExpiresAt":${time(expiresAt)}`
  )
}

function roleOf(given: string): JoinRole {
  if (given === 'client' || given === 'server') return given
  throw bad(`Role must be "client" or "server", got ${JSON.stringify(given)}`)
}

function ttlOf(given: string): number {
  if (given === '') return JOIN_TTL_DEFAULT_MS
  const ms = parseDurationMs(given)
  if (ms === undefined) throw bad(`TTL: ${durationFault(given)}`)
  return ms
}

/** Where the token sends new hosts: this server first, for it is there. */
function serversOf(call: HttpCall): readonly string[] {
  const { config, membership } = call.agent
  const alive = serverMembers(membership.members(), config.datacenter).filter(
    ({ status }) => status === 'alive',
  )
  const self = alive.filter(({ name }) => name === config.nodeName)
  const others = alive.filter(({ name }) => name !== config.nodeName)
  const addresses = [...self, ...others].slice(0, 5).map(({ address }) => address)
  if (addresses.length === 0) throw new FairleadError('NO_SERVERS', 'No known Consul servers')
  return addresses
}

/** Of the first: hosts must know servers before they have anything. */
function pinOf([first]: readonly string[]): string {
  if (first === undefined) {
    throw new FairleadError(
      'NOT_SUPPORTED',
      'Join tokens need TLS between agents: without it a new host could not know the servers; set tls.defaults.ca_file, cert_file and key_file, or begin with fairlead init',
    )
  }
  return createHash('sha256').update(new X509Certificate(first).raw).digest('base64url')
}

function bad(message: string): FairleadError {
  return new FairleadError('BAD_REQUEST', message)
}
