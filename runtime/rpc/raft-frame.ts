/**
 * A frame: Raft messages for one server, with the cluster they belong to and a checksum for each.
 *
 * Guarantees: bytes that are no frame of a known version, or whose checksum fails, give WireError and no
 * message at all. Whether the cluster is ours is judged by who receives.
 * Bounds: FRAME_BYTES_MAX, MESSAGES_MAX messages. Source: Raft specification 3, 15.11.
 */

import { crc32 } from 'node:zlib'
import type { RaftMessage } from '../../core/raft/messages.ts'
import type { ClusterName } from '../../core/rpc/peer-calls.ts'
import { decodeMessage, encodeMessage, roomFor } from './raft-message-codec.ts'
import { WireError, WireReader } from './wire-reader.ts'
import { WireWriter } from './wire-writer.ts'

/** Of what servers say to each other (proto/raft.proto). */
export const RAFT_PROTOCOL_VERSION = 1
/** What gRPC carries at once: an append of 1 MiB, one entry more of 1 MiB, and their heads. */
export const FRAME_BYTES_MAX = 4 * 1024 * 1024
export const MESSAGES_MAX = 1024
const CLUSTER_ID_CHARS_MAX = 255
const FRAME_HEAD_BYTES = 128

export interface RaftFrame {
  readonly cluster: ClusterName
  readonly messages: readonly RaftMessage[]
}

/** @param frame at most MESSAGES_MAX messages */
export function encodeFrame(frame: RaftFrame): Buffer {
  const { messages } = frame
  let room = FRAME_HEAD_BYTES
  for (const message of messages) room += roomFor(message)
  const out = new WireWriter(room)
  for (let i = messages.length - 1; i >= 0; i--) {
    encodeSealed(out, 3, messages[i] as RaftMessage)
  }
  encodeCluster(out, 2, frame.cluster)
  out.uint(1, RAFT_PROTOCOL_VERSION)
  return out.finish()
}

/** @throws WireError */
export function decodeFrame(bytes: Buffer): RaftFrame {
  const reader = new WireReader(bytes)
  let version = 0
  let cluster: ClusterName | undefined
  const messages: RaftMessage[] = []
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) {
      version = reader.uint()
      checkVersion(version)
    } else if (field === 2) cluster = decodeCluster(reader.nested())
    else if (field === 3) {
      if (messages.length === MESSAGES_MAX) throw new WireError('a frame has too many messages')
      messages.push(decodeSealed(reader.nested()))
    } else reader.skip()
  }
  checkVersion(version)
  if (cluster === undefined) throw new WireError('a frame names no cluster')
  return { cluster, messages }
}

/** @throws WireError for a version that this build does not speak */
export function checkVersion(version: number): void {
  if (version === RAFT_PROTOCOL_VERSION) return
  throw new WireError(
    `version ${version} of the Raft protocol is unknown; this server speaks ${RAFT_PROTOCOL_VERSION}`,
  )
}

export function encodeSealed(out: WireWriter, field: number, message: RaftMessage): void {
  const before = out.size
  encodeMessage(out, message)
  const length = out.size - before
  const crc = crc32(out.last(length))
  out.head(2, length)
  out.fixed32(1, crc)
  out.head(field, out.size - before)
}

export function decodeSealed(reader: WireReader): RaftMessage {
  let crc = 0
  let body: Buffer | undefined
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) crc = reader.fixed32()
    else if (field === 2) body = reader.bytes()
    else reader.skip()
  }
  if (body === undefined) throw new WireError('a sealed message is empty')
  if (crc32(body) !== crc) throw new WireError('a message failed its checksum')
  return decodeMessage(body)
}

export function encodeCluster(out: WireWriter, field: number, cluster: ClusterName): void {
  const before = out.size
  out.uint(2, cluster.epoch)
  out.text(1, cluster.clusterId)
  out.head(field, out.size - before)
}

export function decodeCluster(reader: WireReader): ClusterName {
  let clusterId = ''
  let epoch = 0
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) clusterId = reader.text()
    else if (field === 2) epoch = reader.uint()
    else reader.skip()
  }
  if (clusterId === '' || clusterId.length > CLUSTER_ID_CHARS_MAX) {
    throw new WireError('a frame names no cluster')
  }
  return { clusterId, epoch }
}
