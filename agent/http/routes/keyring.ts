/**
 * /v1/operator/keyring: the keys of gossip, on every live member (http-api.md 20).
 *
 * There is one pool, of this datacenter. Members are asked directly, and by way of others as the relay factor says.
 */

import { decodeBody } from '../../../core/decode/body.ts'
import { string } from '../../../core/decode/decoder.ts'
import { field, object } from '../../../core/decode/object.ts'
import { FairleadError } from '../../../core/errors.ts'
import { GossipKey } from '../../../core/swim/gossip-key.ts'
import type { KeyringRequest } from '../../../core/swim/keyring-codec.ts'
import type { KeyringReport } from '../../../core/swim/keyring-report.ts'
import type { HttpCall } from '../call.ts'
import { datacenterOf, refuseTenancy } from '../query-options.ts'
import { emptyReply, jsonReply, type Reply } from '../reply.ts'
import type { Route } from '../route.ts'
import { keyringErrorText, keyringJson } from '../wire/keyring.ts'

const RELAY_FACTOR_MAX = 5

export const KEYRING_ROUTES: readonly Route[] = [
  {
    path: '/v1/operator/keyring',
    doc: 'Keys of gossip: shows, installs, uses or removes one on all members',
    query: ['relay-factor', 'local-only'],
    methods: {
      GET: list,
      POST: (call) => change(call, 'install'),
      PUT: (call) => change(call, 'use'),
      DELETE: (call) => change(call, 'remove'),
    },
  },
]

const KEY_BODY = object('KeyringRequest', { key: field('Key', string, '') })

async function list(call: HttpCall): Promise<Reply> {
  const relayFactor = relayFactorOf(call)
  const localOnly = call.query.get('local-only')
  if (!['', 'true', 'false', '1', '0', 't', 'f', 'T', 'F', 'TRUE', 'FALSE'].includes(localOnly)) {
    throw new FairleadError(
      'BAD_REQUEST',
      `Error parsing local-only: strconv.ParseBool: parsing ${JSON.stringify(localOnly)}: invalid syntax`,
    )
  }
  const report = await onAllMembers(call, { kind: 'list' }, relayFactor)
  return jsonReply(keyringJson(call.agent.config.datacenter, report))
}

async function change(call: HttpCall, kind: 'install' | 'use' | 'remove'): Promise<Reply> {
  const relayFactor = relayFactorOf(call)
  if (call.query.has('local-only')) {
    throw new FairleadError(
      'BAD_REQUEST',
      'Invalid use of local-only: keys are changed on all members; it goes with GET only',
    )
  }
  const key = GossipKey.fromText(decodeBody(KEY_BODY, call.bodyText()).key)
  if (!(key instanceof GossipKey)) {
    throw new FairleadError('BAD_REQUEST', `Invalid key: ${key.reason}`)
  }
  const report = await onAllMembers(call, { kind, key }, relayFactor)
  if (report.failures.size > 0) {
    const { datacenter } = call.agent.config
    throw new FairleadError('REJECTED', keyringErrorText(datacenter, report))
  }
  return emptyReply()
}

async function onAllMembers(
  call: HttpCall,
  request: KeyringRequest,
  relayFactor: number,
): Promise<KeyringReport> {
  refuseTenancy(call)
  if (datacenterOf(call) !== undefined) {
    throw new FairleadError('NO_PATH_TO_DATACENTER', 'No path to datacenter')
  }
  const { pool } = call.agent
  if (pool === undefined) {
    throw new FairleadError('NOT_SUPPORTED', `${call.method}: this agent is in no gossip pool`)
  }
  return await pool.keyring(request, { signal: call.signal, relayFactor })
}

function relayFactorOf(call: HttpCall): number {
  const given = call.query.get('relay-factor')
  if (given === '') return 0
  if (!/^[0-9]{1,3}$/.test(given)) {
    throw new FairleadError(
      'BAD_REQUEST',
      `Error parsing relay factor: strconv.ParseUint: parsing ${JSON.stringify(given)}: invalid syntax`,
    )
  }
  if (Number(given) > RELAY_FACTOR_MAX) {
    throw new FairleadError(
      'BAD_REQUEST',
      `Invalid relay-factor: ${given} is not in the range 0 to ${RELAY_FACTOR_MAX}`,
    )
  }
  return Number(given)
}
