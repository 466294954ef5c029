/**
 * The RPC service as grpc-js wants it: plain objects, values inside the protobuf envelope (proto/).
 *
 * Values are what core/catalog/json-codec.ts can say: JSON, bytes and big integers. Guarantees: bytes
 * that are no envelope of a known version give BAD_REQUEST or NOT_SUPPORTED and no value. Does not know
 * what the values mean.
 * Bounds: REQUEST_BYTES_MAX, REPLY_BYTES_MAX (held before anything is decoded).
 */

import { create, type DescMethod, fromBinary, toBinary } from '@bufbuild/protobuf'
import { assert } from '../../core/assert.ts'
import { decodeJson, encodeJson } from '../../core/catalog/json-codec.ts'
import { FairleadError } from '../../core/errors.ts'
import { EnvelopeSchema, Peers, Servers } from '../../proto/gen/fairlead_pb.ts'

export const ENVELOPE_VERSION = 1
/** Metadata of a call: the secret of the token on whose behalf it is made. */
export const SECRET_METADATA = 'x-fairlead-token-bin'
/** A Raft entry of 1 MiB with its bytes in base64 fits. */
export const REQUEST_BYTES_MAX = 2 * 1024 * 1024
/** The largest read or snapshot frame that crosses the wire. */
export const REPLY_BYTES_MAX = 64 * 1024 * 1024

export type UnaryMethod =
  | 'read'
  | 'write'
  | 'signLeaf'
  | 'renewSession'
  | 'placeNode'
  | 'status'
  | 'operate'
/** Of one server to another. */
export type PeerMethod = 'stats' | 'bootstrap' | 'forward'

export interface MethodDefinition {
  readonly path: string
  readonly requestStream: boolean
  readonly responseStream: boolean
  readonly requestSerialize: (message: Boxed) => Buffer
  readonly requestDeserialize: (bytes: Buffer) => Boxed
  readonly responseSerialize: (message: Boxed) => Buffer
  readonly responseDeserialize: (bytes: Buffer) => Boxed
}

export const SERVERS_SERVICE: Readonly<Record<UnaryMethod, MethodDefinition>> = {
  read: define(Servers, 'read'),
  write: define(Servers, 'write'),
  signLeaf: define(Servers, 'signLeaf'),
  renewSession: define(Servers, 'renewSession'),
  placeNode: define(Servers, 'placeNode'),
  status: define(Servers, 'status'),
  operate: define(Servers, 'operate'),
}

export const PEERS_SERVICE: Readonly<Record<PeerMethod, MethodDefinition>> = {
  stats: define(Peers, 'stats'),
  bootstrap: define(Peers, 'bootstrap'),
  forward: define(Peers, 'forward'),
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

function define<S extends typeof Servers | typeof Peers>(
  service: S,
  name: keyof S['method'] & string,
): MethodDefinition {
  const method = (service.method as Readonly<Record<string, DescMethod>>)[name]
  assert(method !== undefined, 'the service has the method')
  return {
    path: `/${service.typeName}/${method.name}`,
    requestStream: false,
    responseStream: method.methodKind === 'server_streaming',
    requestSerialize: sealBoxed,
    requestDeserialize: openRequest,
    responseSerialize: sealBoxed,
    responseDeserialize: openBoxed,
  }
}

/** gRPC's own limit is above ours, for it has to let Raft's frames through as well. */
function openRequest(bytes: Buffer): Boxed {
  if (bytes.length <= REQUEST_BYTES_MAX) return openBoxed(bytes)
  const message = `The message is too large: ${bytes.length} bytes, at most ${REQUEST_BYTES_MAX}`
  return { kind: 'undecodable', error: new FairleadError('TOO_LARGE', message) }
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
