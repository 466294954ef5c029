/**
 * Bytes of a request about the keyring of one member, and of its answer; they go over sealed streams only.
 *
 * Kinds are of the same row as those of stream-codec.ts, so that a member tells them apart by the first byte.
 * Decoding throws WireError and nothing else. Bounds: KEYS_MAX keys, MESSAGE_SIZE_MAX bytes of text.
 */

import { readName } from './fields.ts'
import { GossipKey, KEY_SIZE_MAX } from './gossip-key.ts'
import { KEYS_MAX, type KeyringChange } from './keyring.ts'
import { WireError, WireReader, WireWriter } from './wire.ts'

export type KeyringRequest = { readonly kind: 'list' } | KeyringChange

export type KeyringAnswer =
  /** Done. `keys` after it; the first is the primary. */
  | { readonly kind: 'done'; readonly keys: readonly GossipKey[] }
  | { readonly kind: 'failed'; readonly reason: string }

const KIND_REQUEST = 34
const KIND_ANSWER = 35
const KIND_RELAY = 36
const OPERATIONS = ['list', 'install', 'use', 'remove'] as const
const MESSAGE_SIZE_MAX = 1024
/** Of one that is handed on: an operation and a key. */
const REQUEST_SIZE_MAX = 64

export function isKeyringRequest(bytes: Uint8Array): boolean {
  return bytes[0] === KIND_REQUEST
}

export function encodeKeyringRequest(request: KeyringRequest): Uint8Array {
  const writer = new WireWriter()
  writer.u8(KIND_REQUEST)
  writer.u8(OPERATIONS.indexOf(request.kind))
  if (request.kind !== 'list') writer.blob(request.key.bytes)
  return writer.finish()
}

/** @throws WireError */
export function decodeKeyringRequest(bytes: Uint8Array): KeyringRequest {
  const reader = new WireReader(bytes)
  if (reader.u8() !== KIND_REQUEST) throw new WireError('not a request about keys')
  const kind = OPERATIONS[reader.u8()]
  if (kind === undefined) throw new WireError('not an operation on a keyring')
  return kind === 'list' ? { kind } : { kind, key: readKey(reader) }
}

/** A request that is to be handed on to another member, whose answer is then the answer. */
export function isKeyringRelay(bytes: Uint8Array): boolean {
  return bytes[0] === KIND_RELAY
}

export function encodeKeyringRelay(target: string, request: Uint8Array): Uint8Array {
  const writer = new WireWriter()
  writer.u8(KIND_RELAY)
  writer.text(target)
  writer.blob(request)
  return writer.finish()
}

/** @throws WireError */
export function decodeKeyringRelay(bytes: Uint8Array): {
  readonly target: string
  readonly request: Uint8Array
} {
  const reader = new WireReader(bytes)
  if (reader.u8() !== KIND_RELAY) throw new WireError('not to be handed on')
  return { target: readName(reader), request: reader.blob(REQUEST_SIZE_MAX).slice() }
}

export function encodeKeyringAnswer(answer: KeyringAnswer): Uint8Array {
  const writer = new WireWriter()
  writer.u8(KIND_ANSWER)
  if (answer.kind === 'failed') {
    writer.u8(0)
    writer.text(answer.reason.slice(0, MESSAGE_SIZE_MAX / 4))
  } else {
    writer.u8(1)
    writer.u8(answer.keys.length)
    for (const key of answer.keys) writer.blob(key.bytes)
  }
  return writer.finish()
}

/** @throws WireError */
export function decodeKeyringAnswer(bytes: Uint8Array): KeyringAnswer {
  const reader = new WireReader(bytes)
  if (reader.u8() !== KIND_ANSWER) throw new WireError('not an answer about keys')
  if (reader.u8() === 0) return { kind: 'failed', reason: reader.text(MESSAGE_SIZE_MAX) }
  const count = reader.u8()
  if (count > KEYS_MAX) throw new WireError('too many keys')
  const keys: GossipKey[] = []
  for (let i = 0; i < count; i++) keys.push(readKey(reader))
  return { kind: 'done', keys }
}

function readKey(reader: WireReader): GossipKey {
  const key = GossipKey.fromBytes(reader.blob(KEY_SIZE_MAX))
  if (!(key instanceof GossipKey)) throw new WireError(key.reason)
  return key
}
