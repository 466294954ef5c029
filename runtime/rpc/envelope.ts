/**
 * The RPC service as grpc-js wants it: plain objects, values inside the protobuf envelope (proto/).
 *
 * Values are what core/catalog/json-codec.ts can say: JSON, bytes and big integers. Guarantees: bytes
 * that are no envelope of a known version give BAD_REQUEST or NOT_SUPPORTED and no value. Does not know
 * what the values mean.
 * Bounds: REQUEST_BYTES_MAX, REPLY_BYTES_MAX (held by grpc-js before anything is decoded).
 */

import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { decodeJson, encodeJson } from '../../core/catalog/json-codec.ts'
import { FairleadError } from '../../core/errors.ts'
import { EnvelopeSchema, Servers } from '../../proto/gen/fairlead_pb.ts'

export const ENVELOPE_VERSION = 1
/** A Raft entry of 1 MiB with its bytes in base64 fits. */
export const REQUEST_BYTES_MAX = 2 * 1024 * 1024
/** The largest read or snapshot frame that crosses the wire. */
export const REPLY_BYTES_MAX = 64 * 1024 * 1024

export type UnaryMethod = 'read' | 'write' | 'signLeaf' | 'renewSession' | 'status'
export type StreamMethod = 'subscribe'

export interface MethodDefinition {
  readonly path: string
  readonly requestStream: boolean
  readonly responseStream: boolean
  readonly requestSerialize: (message: Boxed) => Buffer
  readonly requestDeserialize: (bytes: Buffer) => Boxed
  readonly responseSerialize: (message: Boxed) => Buffer
  readonly responseDeserialize: (bytes: Buffer) => Boxed
}

export const SERVERS_SERVICE: Readonly<Record<UnaryMethod | StreamMethod, MethodDefinition>> = {
  read: define('read'),
  write: define('write'),
  signLeaf: define('signLeaf'),
  renewSession: define('renewSession'),
  status: define('status'),
  subscribe: define('subscribe'),
}

/**
 * A message as it passes through grpc-js: boxed, for `null` would be taken for "no message"; and with the
 * reason when it could not be decoded, so that the other side gets our error code and not the library's.
 */
export type Boxed =
  | { readonly kind: 'value'; readonly value: unknown }
  | { readonly kind: 'undecodable'; readonly error: FairleadError }

export function box(value: unknown): Boxed {
  return { kind: 'value', value }
}

/** @throws FairleadError why the message could not be decoded */
export function unbox(message: Boxed): unknown {
  if (message.kind === 'undecodable') throw message.error
  return message.value
}

export function seal(value: unknown): Buffer {
  const envelope = create(EnvelopeSchema, { version: ENVELOPE_VERSION, json: encodeJson(value) })
  return Buffer.from(toBinary(EnvelopeSchema, envelope))
}

/** @throws FairleadError BAD_REQUEST, NOT_SUPPORTED */
export function open(bytes: Uint8Array): unknown {
  let envelope: ReturnType<typeof fromBinary<typeof EnvelopeSchema>>
  try {
    envelope = fromBinary(EnvelopeSchema, bytes)
  } catch (cause) {
    throw new FairleadError('BAD_REQUEST', 'The message is no envelope', { cause })
  }
  if (envelope.version !== ENVELOPE_VERSION) {
    throw new FairleadError('NOT_SUPPORTED', `Unknown version ${envelope.version} of a message`)
  }
  return decodeJson(envelope.json)
}

function define(name: UnaryMethod | StreamMethod): MethodDefinition {
  const method = Servers.method[name]
  return {
    path: `/${Servers.typeName}/${method.name}`,
    requestStream: false,
    responseStream: method.methodKind === 'server_streaming',
    requestSerialize: sealBoxed,
    requestDeserialize: openBoxed,
    responseSerialize: sealBoxed,
    responseDeserialize: openBoxed,
  }
}

function sealBoxed(message: Boxed): Buffer {
  return seal(unbox(message))
}

function openBoxed(bytes: Buffer): Boxed {
  try {
    return box(open(bytes))
  } catch (thrown) {
    if (thrown instanceof FairleadError) return { kind: 'undecodable', error: thrown }
    throw thrown
  }
}
