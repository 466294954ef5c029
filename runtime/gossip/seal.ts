/**
 * What is around the bytes of gossip: version, label of the pool, and a checksum (gossip.md 3.1, 10).
 *
 *     packet  version (1) · mode (1) · label length (1) · label · protected body
 *     stream  version (1) · mode (1) · label length (1) · label · length (4, big endian) · protected body
 *     protected body in mode 0: CRC-32 (IEEE) of the body (4, big endian) · body
 *
 * Guarantees: bytes of another version, mode or label, or changed on the way, are not opened (G16); which of these it was
 * is said, so that it can be counted. Nothing is allocated by a length before it was checked.
 */

import { Buffer } from 'node:buffer'
import { crc32 } from 'node:zlib'
import { STREAM_SIZE_MAX } from '../../core/swim/stream-codec.ts'

const FORMAT_VERSION = 1
const MODE_PLAIN = 0
const FIXED_SIZE = 3
const LENGTH_SIZE = 4
const CHECKSUM_SIZE = 4
export const LABEL_SIZE_MAX = 255

/** Why bytes were not opened. */
export type SealRefusal = 'malformed' | 'version' | 'label' | 'checksum'

export type Opened =
  | { readonly kind: 'opened'; readonly body: Uint8Array }
  | { readonly kind: 'refused'; readonly reason: SealRefusal }

/** The beginning of a stream: enough to know how much will follow. */
export type StreamPrefix =
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'prefix'; readonly start: number; readonly end: number }
  | { readonly kind: 'refused'; readonly reason: SealRefusal; readonly label: string }

export class Seal {
  readonly #prefix: Buffer

  /** @param label at most 255 bytes of UTF-8 */
  constructor(label: string) {
    const bytes = Buffer.from(label, 'utf8')
    if (bytes.length > LABEL_SIZE_MAX) {
      throw new RangeError(`a label of a pool has at most ${LABEL_SIZE_MAX} bytes`)
    }
    this.#prefix = Buffer.concat([Buffer.from([FORMAT_VERSION, MODE_PLAIN, bytes.length]), bytes])
  }

  /** Bytes of a packet beside its body. */
  get packetOverhead(): number {
    return this.#prefix.length + CHECKSUM_SIZE
  }

  sealPacket(body: Uint8Array): Buffer {
    const packet = Buffer.allocUnsafe(this.packetOverhead + body.length)
    this.#prefix.copy(packet)
    this.#protect(packet, this.#prefix.length, body)
    return packet
  }

  openPacket(packet: Buffer): Opened {
    const refusal = this.#checkPrefix(packet)
    if (refusal !== null) return { kind: 'refused', reason: refusal }
    return open(packet.subarray(this.#prefix.length))
  }

  sealStream(body: Uint8Array): Buffer {
    const start = this.#prefix.length + LENGTH_SIZE
    const frame = Buffer.allocUnsafe(start + CHECKSUM_SIZE + body.length)
    this.#prefix.copy(frame)
    frame.writeUInt32BE(CHECKSUM_SIZE + body.length, this.#prefix.length)
    this.#protect(frame, start, body)
    return frame
  }

  /** Looks at the first bytes of a stream, as many as there are so far. */
  readPrefix(bytes: Buffer): StreamPrefix {
    if (bytes.length < FIXED_SIZE) return { kind: 'incomplete' }
    const labelEnd = FIXED_SIZE + (bytes[2] ?? 0)
    if (bytes[0] === FORMAT_VERSION && bytes.length < labelEnd) return { kind: 'incomplete' }
    const refusal = this.#checkPrefix(bytes)
    if (refusal !== null) {
      return {
        kind: 'refused',
        reason: refusal,
        label: bytes.toString('utf8', FIXED_SIZE, labelEnd),
      }
    }
    const start = labelEnd + LENGTH_SIZE
    if (bytes.length < start) return { kind: 'incomplete' }
    const size = bytes.readUInt32BE(labelEnd)
    if (size < CHECKSUM_SIZE || size > CHECKSUM_SIZE + STREAM_SIZE_MAX) {
      return { kind: 'refused', reason: 'malformed', label: '' }
    }
    return { kind: 'prefix', start, end: start + size }
  }

  /** @param bytes what `readPrefix` said: from `start` to `end` */
  openStream(bytes: Buffer): Opened {
    return open(bytes)
  }

  #checkPrefix(bytes: Buffer): SealRefusal | null {
    if (bytes.length < FIXED_SIZE) return 'malformed'
    if (bytes[0] !== FORMAT_VERSION || bytes[1] !== MODE_PLAIN) return 'version'
    const prefix = this.#prefix
    if (bytes.length < prefix.length) return 'label'
    return bytes.compare(prefix, 0, prefix.length, 0, prefix.length) === 0 ? null : 'label'
  }

  #protect(target: Buffer, at: number, body: Uint8Array): void {
    target.writeUInt32BE(crc32(body), at)
    target.set(body, at + CHECKSUM_SIZE)
  }
}

function open(bytes: Buffer): Opened {
  if (bytes.length < CHECKSUM_SIZE) return { kind: 'refused', reason: 'malformed' }
  const body = bytes.subarray(CHECKSUM_SIZE)
  if (crc32(body) !== bytes.readUInt32BE(0)) return { kind: 'refused', reason: 'checksum' }
  return { kind: 'opened', body }
}
