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
  readonly requestSerialize: (value: unknown) => Buffer
  readonly requestDeserialize: (bytes: Buffer) => unknown
  readonly responseSerialize: (value: unknown) => Buffer
  readonly responseDeserialize: (bytes: Buffer) => unknown
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
 * A request that cannot be decoded is handed to the handler as this, so that the caller gets our error
 * code; a throw here would become grpc-js's own.
 */
export class Undecodable {
  readonly error: FairleadError

  constructor(error: FairleadError) {
    this.error = error
  }
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
    requestSerialize: seal,
    requestDeserialize: openOrUndecodable,
    responseSerialize: seal,
    responseDeserialize: openOrUndecodable,
  }
}

function openOrUndecodable(bytes: Buffer): unknown {
  try {
    return open(bytes)
  } catch (thrown) {
    if (thrown instanceof FairleadError) return new Undecodable(thrown)
    throw thrown
  }
}
