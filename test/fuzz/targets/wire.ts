/**
 * Decoders of what comes from other machines: RPC, commands, DNS.
 */

import { decodeCommand, encodeCommand } from '../../../core/catalog/codec.ts'
import type { Command } from '../../../core/catalog/commands.ts'
import { decodeJson, encodeJson } from '../../../core/catalog/json-codec.ts'
import { decodeQuery } from '../../../core/dns/decode.ts'
import { decodeReplyAddresses, decodeReplyHeader } from '../../../core/dns/decode-reply.ts'
import { FairleadError } from '../../../core/errors.ts'
import type { Rng } from '../../../core/rng.ts'
import { wallTime } from '../../../core/time.ts'
import { open, seal } from '../../../runtime/rpc/envelope.ts'
import { type FuzzTarget, never } from '../target.ts'

function isFairlead(thrown: unknown): boolean {
  return thrown instanceof FairleadError
}

function commandOf(rng: Rng): Command {
  const value = new Uint8Array(rng.range(0, 40)).fill(rng.range(0, 256))
  const entry = { key: `k/${rng.range(0, 9)}`, value, flags: 3n, session: '' }
  const commands: readonly Command[] = [
    { kind: 'kv', op: { verb: 'set', entry }, now: wallTime(5) },
    { kind: 'kv', op: { verb: 'cas', entry, index: 9 }, now: wallTime(5) },
    { kind: 'txn', ops: [{ type: 'kv', op: { verb: 'get', key: 'a' } }], now: wallTime(5) },
    { kind: 'deregister', request: { node: 'n', serviceId: 's' }, now: wallTime(5) },
    { kind: 'session.destroy', id: 'x', now: wallTime(5) },
    {
      kind: 'config.set',
      entryKind: 'proxy-defaults',
      name: 'global',
      body: { a: [1, 'x', null] },
    },
    { kind: 'noop' },
  ]
  return rng.pick(commands) as Command
}

/** One question, an OPT record with a client subnet. */
function dnsQuery(rng: Rng): Uint8Array {
  const head = [rng.range(0, 256), 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1]
  const name = [3, 0x77, 0x65, 0x62, 7, ...Buffer.from('service'), 6, ...Buffer.from('consul'), 0]
  const opt = [0, 0, 41, 16, 0, 0, 0, 0, 0, 0, 11, 0, 8, 0, 7, 0, 1, 24, 0, 10, 0, 0]
  return Uint8Array.from([
    ...head,
    ...name,
    0,
    rng.pick([1, 28, 33, 12, 255]) as number,
    0,
    1,
    ...opt,
  ])
}

/** A reply with a compressed name and an address. */
function dnsReply(): Uint8Array {
  const head = [0, 1, 0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 0]
  const question = [3, ...Buffer.from('web'), 2, ...Buffer.from('eu'), 0, 0, 1, 0, 1]
  const answer = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 10, 0, 0, 1]
  return Uint8Array.from([...head, ...question, ...answer, ...answer])
}

export const WIRE_TARGETS: readonly FuzzTarget[] = [
  {
    name: 'tagged JSON',
    valid: (rng) =>
      encodeJson({ a: [1, 'x', null, true], b: Uint8Array.of(1, 2), c: 12n, d: rng.float() }),
    decode: (bytes) => encodeJson(decodeJson(bytes)),
    isDeclared: isFairlead,
  },
  {
    name: 'command',
    valid: (rng) => encodeCommand(commandOf(rng)),
    decode: (bytes) => encodeCommand(decodeCommand(bytes)),
    isDeclared: isFairlead,
  },
  {
    name: 'RPC envelope',
    valid: (rng) => seal({ name: 'kv.get', request: { key: `${rng.u32()}` }, options: {} }),
    decode: (bytes) => {
      open(bytes)
      return undefined
    },
    isDeclared: isFairlead,
  },
  {
    name: 'DNS query',
    valid: dnsQuery,
    decode: (bytes) => (decodeQuery(bytes).kind === 'query' ? undefined : null),
    isDeclared: never,
  },
  {
    name: 'DNS reply',
    valid: dnsReply,
    decode: (bytes) => {
      if (decodeReplyHeader(bytes) === null) return null
      return decodeReplyAddresses(bytes) === null ? null : undefined
    },
    isDeclared: never,
  },
]
