/**
 * Images of the whole state on their way between an operator's agent and a server: a head, then the bytes.
 *
 * The head is a value in an envelope like any other; the bytes are not wrapped again, for they may be a
 * gigabyte. Guarantees: bytes that are no part give BAD_REQUEST. Bound: CHUNK_BYTES_MAX in one part, larger
 * chunks are cut.
 */

import { FairleadError } from '../../core/errors.ts'
import { Servers } from '../../proto/gen/fairlead_pb.ts'
import { open, SERVERS_SERVICE, seal } from './envelope.ts'
import { WireError, WireReader } from './wire-reader.ts'
import { WireWriter } from './wire-writer.ts'

export const CHUNK_BYTES_MAX = 1024 * 1024
const HEAD_ROOM_BYTES = 16

export type ImagePart =
  | { readonly kind: 'head'; readonly value: unknown }
  | { readonly kind: 'chunk'; readonly bytes: Uint8Array }
  /** What the other side sent is no part. */
  | { readonly kind: 'undecodable'; readonly error: FairleadError }

const part = { serialize: encodePart, deserialize: decodePart } as const
const { requestSerialize, requestDeserialize, responseSerialize, responseDeserialize } =
  SERVERS_SERVICE.operate

export const IMAGES_SERVICE = {
  saveImage: {
    path: `/${Servers.typeName}/${Servers.method.saveImage.name}`,
    requestStream: false,
    responseStream: true,
    requestSerialize,
    requestDeserialize,
    responseSerialize: part.serialize,
    responseDeserialize: part.deserialize,
  },
  restoreImage: {
    path: `/${Servers.typeName}/${Servers.method.restoreImage.name}`,
    requestStream: true,
    responseStream: false,
    requestSerialize: part.serialize,
    requestDeserialize: part.deserialize,
    responseSerialize,
    responseDeserialize,
  },
} as const

/** The chunks as parts, none larger than CHUNK_BYTES_MAX. */
export async function* chunkParts(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<ImagePart & { readonly kind: 'chunk' }> {
  for await (const bytes of chunks) {
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES_MAX) {
      yield { kind: 'chunk', bytes: bytes.subarray(at, at + CHUNK_BYTES_MAX) }
    }
  }
}

export function encodePart(message: ImagePart): Buffer {
  if (message.kind === 'undecodable') throw message.error
  const bytes = message.kind === 'head' ? seal(message.value) : message.bytes
  const out = new WireWriter(bytes.length + HEAD_ROOM_BYTES)
  out.bytes(message.kind === 'head' ? 1 : 2, bytes)
  return out.finish()
}

export function decodePart(bytes: Buffer): ImagePart {
  try {
    let found: ImagePart = { kind: 'chunk', bytes: new Uint8Array(0) }
    const reader = new WireReader(bytes)
    for (let field = reader.next(); field !== 0; field = reader.next()) {
      if (field === 1) found = { kind: 'head', value: open(reader.bytes()) }
      else if (field === 2) found = { kind: 'chunk', bytes: reader.bytes() }
      else reader.skip()
    }
    return found
  } catch (cause) {
    if (cause instanceof FairleadError) return { kind: 'undecodable', error: cause }
    if (!(cause instanceof WireError)) throw cause
    const message = `The message is no part of an image: ${cause.message}`
    return { kind: 'undecodable', error: new FairleadError('BAD_REQUEST', message, { cause }) }
  }
}

/** Of a stream of parts: the bytes alone. @throws FairleadError BAD_REQUEST */
export function chunkOf(message: ImagePart): Uint8Array {
  if (message.kind === 'chunk') return message.bytes
  if (message.kind === 'undecodable') throw message.error
  throw new FairleadError('BAD_REQUEST', 'A part of an image holds no bytes of it')
}
