/**
 * The commonest command, a plain KV write, in few bytes and without JSON: a tenth of the time each way. Pure.
 *
 * Layout, numbers big-endian: COMPACT_KV, flags (8), now in ms (8), bytes of the key (4), key, value to
 * the end. Only `set` without a session has it; every other command is tagged JSON (codec.ts), whose first
 * byte is never COMPACT_KV. Guarantees: what is decoded passes the same rules as JSON does (a key of valid
 * UTF-8, a time that is a safe integer), and shares nothing with the bytes.
 */

import { wallTime } from '../time.ts'
import type { Command } from './commands.ts'
import { putUtf8, utf8At, utf8Size } from './short-text.ts'

/** First byte of the body; JSON begins with a brace. */
export const COMPACT_KV = 1

const FLAGS_AT = 1
const NOW_AT = 9
const KEY_SIZE_AT = 17
const KEY_AT = 21
const FLAGS_MAX = 2n ** 64n
const TWO_32 = 4_294_967_296

interface PlainSet {
  readonly key: string
  readonly value: Uint8Array
  readonly flags: bigint
  readonly now: number
}

/** Body of the command with `room` bytes left free before it; undefined when it has no compact form. */
export function encodeCompactKv(command: Command, room: number): Uint8Array | undefined {
  const write = plainSet(command)
  if (write === undefined) return undefined
  const { key, value, flags, now } = write
  const keySize = utf8Size(key)
  const out = new Uint8Array(room + KEY_AT + keySize + value.length)
  const view = new DataView(out.buffer, room)
  out[room] = COMPACT_KV
  if (flags !== 0n) view.setBigUint64(FLAGS_AT, flags)
  view.setUint32(NOW_AT, Math.floor(now / TWO_32))
  view.setUint32(NOW_AT + 4, now % TWO_32)
  view.setUint32(KEY_SIZE_AT, keySize)
  putUtf8(out, room + KEY_AT, key)
  out.set(value, room + KEY_AT + keySize)
  return out
}

/** @returns why the bytes are no such command; @throws FairleadError BAD_REQUEST for a key that is no UTF-8 */
export function decodeCompactKv(bytes: Uint8Array): Command | string {
  if (bytes.length < KEY_AT) return 'a compact write is cut'
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const valueAt = KEY_AT + view.getUint32(KEY_SIZE_AT)
  if (valueAt > bytes.length) return 'the key of a compact write is cut'
  const now = view.getUint32(NOW_AT) * TWO_32 + view.getUint32(NOW_AT + 4)
  if (!Number.isSafeInteger(now)) return 'the time of a compact write is out of range'
  const entry = {
    key: utf8At(bytes, KEY_AT, valueAt),
    value: bytes.slice(valueAt),
    flags: view.getBigUint64(FLAGS_AT),
    session: '',
  }
  return { kind: 'kv', op: { verb: 'set', entry }, now: wallTime(now) }
}

/** The fields of a write that fits; whatever is odd about a command is for the JSON to keep or to refuse. */
function plainSet(command: unknown): PlainSet | undefined {
  if (!isRecord(command) || command['kind'] !== 'kv') return undefined
  const { op, now } = command
  if (!isRecord(op) || op['verb'] !== 'set' || !isRecord(op['entry'])) return undefined
  const { key, value, flags, session } = op['entry']
  // A lone surrogate has no UTF-8: JSON keeps it, this would not.
  if (typeof key !== 'string' || !key.isWellFormed() || session !== '') return undefined
  if (!(value instanceof Uint8Array)) return undefined
  if (typeof flags !== 'bigint' || flags < 0n || flags >= FLAGS_MAX) return undefined
  if (typeof now !== 'number' || !Number.isSafeInteger(now) || now < 0) return undefined
  return { key, value, flags, now }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
