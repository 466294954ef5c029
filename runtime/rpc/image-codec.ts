/**
 * What is said while an image travels, in the wire format of proto/raft.proto.
 *
 * Guarantees: decoding gives a message of a known kind whose checksum holds, or throws WireError. The bytes
 * of a chunk are a view. Bound: FRAME_BYTES_MAX (held by gRPC). Source: Raft specification 9.3.
 */

import { crc32 } from 'node:zlib'
import type { SnapshotOfferMessage } from '../../core/raft/messages.ts'
import type { ClusterName } from '../../core/rpc/peer-calls.ts'
import {
  checkVersion,
  decodeCluster,
  decodeSealed,
  encodeCluster,
  encodeSealed,
  RAFT_PROTOCOL_VERSION,
} from './raft-frame.ts'
import { WireError, WireReader } from './wire-reader.ts'
import { WireWriter } from './wire-writer.ts'

const HEX_DIGEST = /^[0-9a-f]{64}$/
const OFFER_BYTES_USUAL = 2048
const CHUNK_HEAD_BYTES_MAX = 64
const NO_BYTES = Buffer.alloc(0)

export interface ImageOffer {
  readonly kind: 'offer'
  readonly cluster: ClusterName
  readonly message: SnapshotOfferMessage
  readonly sizeBytes: number
  /** SHA-256 of the image, hex. */
  readonly digest: string
}

export interface ImageChunk {
  readonly kind: 'chunk'
  readonly offset: number
  readonly data: Uint8Array
}

/** From the server that has the image. */
export type ImageUp = ImageOffer | ImageChunk

/** From the server that gets it. */
export type ImageDown =
  | { readonly kind: 'accept'; readonly resumeFrom: number }
  | { readonly kind: 'decline' }
  /** Everything below is written. */
  | { readonly kind: 'ack'; readonly received: number }
  /** Whole, proven and durable. */
  | { readonly kind: 'done' }

const DOWN_FIELDS = { accept: 1, decline: 2, ack: 3, done: 4 } as const

export function encodeImageUp(message: ImageUp): Buffer {
  if (message.kind === 'chunk') {
    const out = new WireWriter(message.data.length + CHUNK_HEAD_BYTES_MAX)
    out.bytes(3, message.data)
    out.fixed32(2, crc32(message.data))
    out.uint(1, message.offset)
    out.head(2, out.size)
    return out.finish()
  }
  const out = new WireWriter(OFFER_BYTES_USUAL)
  out.text(5, message.digest)
  out.uint(4, message.sizeBytes)
  encodeSealed(out, 3, message.message)
  encodeCluster(out, 2, message.cluster)
  out.uint(1, RAFT_PROTOCOL_VERSION)
  out.head(1, out.size)
  return out.finish()
}

/** @throws WireError */
export function decodeImageUp(bytes: Buffer): ImageUp {
  const reader = new WireReader(bytes)
  let found: ImageUp | undefined
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) found = decodeOffer(reader.nested())
    else if (field === 2) found = decodeChunk(reader.nested())
    else reader.skip()
  }
  if (found === undefined) throw new WireError('a message about an image is of no known kind')
  return found
}

export function encodeImageDown(message: ImageDown): Buffer {
  const out = new WireWriter(0)
  if (message.kind === 'accept') out.uint(1, message.resumeFrom)
  else if (message.kind === 'ack') out.uint(1, message.received)
  out.head(DOWN_FIELDS[message.kind], out.size)
  return out.finish()
}

/** @throws WireError */
export function decodeImageDown(bytes: Buffer): ImageDown {
  const reader = new WireReader(bytes)
  let found: ImageDown | undefined
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === DOWN_FIELDS.accept) found = { kind: 'accept', resumeFrom: offsetIn(reader) }
    else if (field === DOWN_FIELDS.ack) found = { kind: 'ack', received: offsetIn(reader) }
    else {
      if (field === DOWN_FIELDS.decline) found = { kind: 'decline' }
      else if (field === DOWN_FIELDS.done) found = { kind: 'done' }
      reader.skip()
    }
  }
  if (found === undefined) throw new WireError('an answer about an image is of no known kind')
  return found
}

function offsetIn(parent: WireReader): number {
  const reader = parent.nested()
  let offset = 0
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) offset = reader.uint()
    else reader.skip()
  }
  return offset
}

function decodeOffer(reader: WireReader): ImageOffer {
  let version = 0
  let cluster: ClusterName | undefined
  let message: SnapshotOfferMessage | undefined
  let sizeBytes = 0
  let digest = ''
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) {
      version = reader.uint()
      checkVersion(version)
    } else if (field === 2) cluster = decodeCluster(reader.nested())
    else if (field === 3) {
      const sealed = decodeSealed(reader.nested())
      if (sealed.kind !== 'snapshot-offer') throw new WireError('an offer offers no snapshot')
      message = sealed
    } else if (field === 4) sizeBytes = reader.uint()
    else if (field === 5) digest = reader.text()
    else reader.skip()
  }
  checkVersion(version)
  if (cluster === undefined || message === undefined) throw new WireError('an offer is incomplete')
  if (!HEX_DIGEST.test(digest)) throw new WireError('an offer has no SHA-256 digest')
  return { kind: 'offer', cluster, message, sizeBytes, digest }
}

function decodeChunk(reader: WireReader): ImageChunk {
  let offset = 0
  let crc = 0
  let data: Buffer = NO_BYTES
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) offset = reader.uint()
    else if (field === 2) crc = reader.fixed32()
    else if (field === 3) data = reader.bytes()
    else reader.skip()
  }
  if (crc32(data) !== crc) throw new WireError('a chunk of an image failed its checksum')
  return { kind: 'chunk', offset, data }
}
