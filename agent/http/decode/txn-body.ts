/**
 * The body of /v1/txn (http-api.md 17): up to TXN_OPS_MAX operations on KV, nodes, services and checks.
 *
 * A body that cannot be read is a FairleadError; a verb that does not exist is an error of its operation,
 * reported like those the servers find. Nothing is executed here.
 */

import type { ObjectVerb, TxnError, TxnOp } from '../../../core/catalog/commands.ts'
import { goQuote } from '../../../core/catalog/go-quote.ts'
import { parseJsonText } from '../../../core/decode/body.ts'
import {
  base64,
  type Decoder,
  decode,
  list,
  raftIndex,
  string,
  unsigned64,
} from '../../../core/decode/decoder.ts'
import { field, object, optional } from '../../../core/decode/object.ts'
import { FairleadError } from '../../../core/errors.ts'
import { CHECK, checkOf, NODE, SERVICE, serviceOf } from './catalog-shapes.ts'

export const TXN_OPS_MAX = 128

const NO_BYTES = new Uint8Array(0)

const KV = object('KVTxnOp', {
  verb: field('Verb', string, ''),
  key: field('Key', string, ''),
  value: field('Value', base64, NO_BYTES),
  flags: field('Flags', unsigned64, 0n),
  index: field('Index', raftIndex, 0),
  session: field('Session', string, ''),
})

const OP = object('TxnOp', {
  kv: optional('KV', KV),
  node: optional('Node', verbAnd('NodeTxnOp', 'Node', NODE)),
  service: optional(
    'Service',
    object('ServiceTxnOp', {
      verb: field('Verb', string, ''),
      node: field('Node', string, ''),
      target: optional('Service', SERVICE),
    }),
  ),
  check: optional('Check', verbAnd('CheckTxnOp', 'Check', CHECK)),
})

function verbAnd<T>(typeName: string, name: string, target: Decoder<T>) {
  return object(typeName, { verb: field('Verb', string, ''), target: optional(name, target) })
}

type DecodedOp = Exclude<ReturnType<typeof OP.read>, symbol>
type DecodedKv = NonNullable<DecodedOp['kv']>

export type TxnBody =
  | { readonly ok: true; readonly ops: readonly TxnOp[] }
  | { readonly ok: false; readonly errors: readonly TxnError[] }

/** @throws FairleadError BAD_REQUEST, TOO_LARGE, REJECTED */
export function txnFromBody(body: string, valueSizeMax: number): TxnBody {
  const decoded = decodeOps(body)
  if (decoded.length > TXN_OPS_MAX) {
    throw new FairleadError(
      'TOO_LARGE',
      `Transaction contains too many operations (${decoded.length} > ${TXN_OPS_MAX})`,
    )
  }
  const ops: TxnOp[] = []
  const errors: TxnError[] = []
  for (const [opIndex, given] of decoded.entries()) {
    const size = given.kv?.value.length ?? 0
    if (size > valueSizeMax) {
      throw new FairleadError(
        'TOO_LARGE',
        `Value for key ${goQuote(given.kv?.key ?? '')} is too large (${size} > ${valueSizeMax} bytes)`,
      )
    }
    const op = opOf(given, opIndex)
    if (typeof op === 'string') errors.push({ opIndex, what: op })
    else ops.push(op)
  }
  return errors.length === 0 ? { ok: true, ops } : { ok: false, errors }
}

function decodeOps(body: string): readonly DecodedOp[] {
  let parsed: unknown
  try {
    parsed = parseJsonText(body)
  } catch (thrown) {
    const reason = thrown instanceof FairleadError ? thrown.message : String(thrown)
    throw unreadable(reason.replace(/^Request decode failed: /, ''))
  }
  const result = decode(list(OP), parsed, { style: 'json' })
  if (result.ok) return result.value
  throw unreadable(result.problems[0]?.message ?? 'invalid value')
}

function unreadable(reason: string): FairleadError {
  return new FairleadError('BAD_REQUEST', `Failed to parse body: ${reason}`)
}

/** @returns the text of the operation's error where its verb is unknown */
function opOf(given: DecodedOp, opIndex: number): TxnOp | string {
  if (given.kv !== undefined) return kvOf(given.kv)
  if (given.node !== undefined) {
    const { verb, target } = given.node
    if (!isObjectVerb(verb)) return unknownVerb('Node', verb)
    const { modifyIndex, id, node, address, datacenter, taggedAddresses, meta, locality } =
      target ?? need(opIndex, 'Node.Node')
    return {
      type: 'node',
      verb,
      index: modifyIndex,
      node: {
        id,
        node,
        address,
        datacenter,
        taggedAddresses: taggedAddresses ?? null,
        meta: meta ?? null,
        ...(locality === undefined ? {} : { locality }),
      },
    }
  }
  if (given.service !== undefined) {
    const { verb, node, target } = given.service
    if (!isObjectVerb(verb)) return unknownVerb('Service', verb)
    const service = target ?? need(opIndex, 'Service.Service')
    return { type: 'service', verb, node, index: service.modifyIndex, service: serviceOf(service) }
  }
  if (given.check !== undefined) {
    const { verb, target } = given.check
    if (!isObjectVerb(verb)) return unknownVerb('Check', verb)
    const check = target ?? need(opIndex, 'Check.Check')
    return {
      type: 'check',
      verb,
      node: check.node,
      index: check.modifyIndex,
      check: checkOf(check),
    }
  }
  return need(opIndex, 'KV, Node, Service or Check')
}

function kvOf(given: DecodedKv): TxnOp | string {
  const { verb, key, index, session } = given
  const entry = { key, value: given.value, flags: given.flags, session }
  switch (verb) {
    case 'set':
    case 'lock':
    case 'unlock':
      return { type: 'kv', op: { verb, entry } }
    case 'cas':
      return { type: 'kv', op: { verb, entry, index } }
    case 'delete':
    case 'delete-tree':
    case 'get':
    case 'get-or-empty':
    case 'get-tree':
    case 'check-not-exists':
      return { type: 'kv', op: { verb, key } }
    case 'delete-cas':
    case 'check-index':
      return { type: 'kv', op: { verb, key, index } }
    case 'check-session':
      return { type: 'kv', op: { verb, key, session } }
    default:
      return unknownVerb('KV', verb)
  }
}

const OBJECT_VERBS: ReadonlySet<string> = new Set(['get', 'set', 'cas', 'delete', 'delete-cas'])

function isObjectVerb(verb: string): verb is ObjectVerb {
  return OBJECT_VERBS.has(verb)
}

function unknownVerb(type: string, verb: string): string {
  return `unknown ${type} verb ${goQuote(verb)}`
}

function need(opIndex: number, what: string): never {
  throw unreadable(`operation ${opIndex} lacks ${what}`)
}
