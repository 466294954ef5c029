/**
 * What is around the bytes of gossip: version, mode, label of the pool, and a checksum or encryption (gossip.md 3.1, 10).
 *
 *     packet  version (1) · mode (1) · label length (1) · label · protected body
 *     stream  version (1) · mode (1) · label length (1) · label · length (4, big endian) · protected body
 *     protected body in mode 0: CRC-32 (IEEE) of the body (4, big endian) · body
 *     protected body in mode 1: what member-cipher.ts makes of the body, bound to all before it; an answer also to the
 *     sender and count of its request
 *
 * Guarantees: bytes of another version, label, mode or key, or changed on the way, are not opened (G16); which of these it
 * was is said, so that it can be counted. Nothing is allocated by a length before it was checked.
 */

import { Buffer } from 'node:buffer'
import { crc32 } from 'node:zlib'
import { STREAM_SIZE_MAX } from '../../core/swim/stream-codec.ts'
import { CIPHER_OVERHEAD, type MemberCipher, type SealedKind } from './member-cipher.ts'

const FORMAT_VERSION = 1
const MODE_PLAIN = 0
const MODE_SEALED = 1
const FIXED_SIZE = 3
const LENGTH_SIZE = 4
const CHECKSUM_SIZE = 4
/** Sender and count of a sealed request: what its answer is bound to. */
const TICKET_SIZE = 16
export const LABEL_SIZE_MAX = 255

/** Why bytes were not opened. */
export type SealRefusal =
  | 'malformed'
  | 'version'
  | 'label'
  | 'checksum'
  /** Not encrypted, and this pool wants it. */
  | 'plain'
  /** Encrypted, and there is no key here. */
  | 'encrypted'
  /** No key that is here opens it. */
  | 'key'
  /** It was opened before. */
  | 'replay'

/** Ties an answer to its request; empty where nothing is encrypted. */
export type Ticket = Buffer
export const NO_TICKET: Ticket = Buffer.alloc(0)

export type Opened =
  | { readonly kind: 'opened'; readonly body: Uint8Array; readonly isEncrypted: boolean }
  | { readonly kind: 'refused'; readonly reason: SealRefusal }

/** The beginning of a stream: enough to know how much will follow. */
export type StreamPrefix =
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'prefix'; readonly end: number }
  | { readonly kind: 'refused'; readonly reason: SealRefusal; readonly label: string }

/** Encryption of a pool. Both flags are off only while it is introduced on a running one. */
export interface SealEncryption {
  readonly cipher: MemberCipher
  /** Refuse what is not encrypted. */
  readonly verifyIncoming: boolean
  /** Encrypt what is sent. */
  readonly verifyOutgoing: boolean
}

export class Seal {
  readonly #label: Buffer
  readonly #encryption: SealEncryption | null
  readonly #plainPrefix: Buffer
  readonly #sealedPrefix: Buffer

  /** @param label at most 255 bytes of UTF-8 */
  constructor(label: string, encryption: SealEncryption | null = null) {
    this.#label = Buffer.from(label, 'utf8')
    if (this.#label.length > LABEL_SIZE_MAX) {
      throw new RangeError(`a label of a pool has at most ${LABEL_SIZE_MAX} bytes`)
    }
    this.#encryption = encryption
    this.#plainPrefix = this.#prefixOf(MODE_PLAIN)
    this.#sealedPrefix = this.#prefixOf(MODE_SEALED)
  }

  /** Bytes of a packet beside its body, at most. */
  get packetOverhead(): number {
    const around = this.#encryption === null ? CHECKSUM_SIZE : CIPHER_OVERHEAD
    return this.#plainPrefix.length + around
  }

  sealPacket(body: Uint8Array): Buffer {
    const cipher = this.#outgoing
    if (cipher === null) return plain(this.#plainPrefix, body)
    const prefix = this.#sealedPrefix
    const packet = Buffer.allocUnsafe(prefix.length + CIPHER_OVERHEAD + body.length)
    prefix.copy(packet)
    cipher.encrypt('packet', body, { bound: prefix, target: packet, at: prefix.length })
    return packet
  }

  openPacket(packet: Buffer): Opened {
    const refusal = this.#checkPrefix(packet)
    if (refusal !== null) return { kind: 'refused', reason: refusal }
    const start = FIXED_SIZE + this.#label.length
    if (packet[1] === MODE_PLAIN) return openPlain(packet.subarray(start))
    return this.#decrypt('packet', packet.subarray(start), this.#sealedPrefix)
  }

  /**
   * A request of ours. Its answer is opened with the same ticket.
   *
   * @param isSecret encrypt it also while other gossip is not
   */
  sealRequest(
    body: Uint8Array,
    { isSecret }: { readonly isSecret: boolean },
  ): { readonly frame: Buffer; readonly ticket: Ticket } {
    const cipher = isSecret ? (this.#encryption?.cipher ?? null) : this.#outgoing
    const frame = sealStream('request', body, { ...this.#ways(cipher), ticket: NO_TICKET })
    return { frame, ticket: ticketOf(frame, this.#streamStart) }
  }

  /** Encrypted when its request was. @param ticket of the request */
  sealReply(body: Uint8Array, ticket: Ticket): Buffer {
    const cipher = ticket.length > 0 ? (this.#encryption?.cipher ?? null) : this.#outgoing
    return sealStream('reply', body, { ...this.#ways(cipher), ticket })
  }

  /** Looks at the first bytes of a stream, as many as there are so far. */
  readPrefix(bytes: Buffer): StreamPrefix {
    if (bytes.length < FIXED_SIZE) return { kind: 'incomplete' }
    const labelEnd = FIXED_SIZE + (bytes[2] ?? 0)
    if (bytes[0] === FORMAT_VERSION && bytes.length < labelEnd) return { kind: 'incomplete' }
    const reason = this.#checkPrefix(bytes)
    if (reason !== null) {
      return { kind: 'refused', reason, label: bytes.toString('utf8', FIXED_SIZE, labelEnd) }
    }
    const start = labelEnd + LENGTH_SIZE
    if (bytes.length < start) return { kind: 'incomplete' }
    const size = bytes.readUInt32BE(labelEnd)
    const around = bytes[1] === MODE_PLAIN ? CHECKSUM_SIZE : CIPHER_OVERHEAD
    if (size < around || size > around + STREAM_SIZE_MAX) {
      return { kind: 'refused', reason: 'malformed', label: '' }
    }
    return { kind: 'prefix', end: start + size }
  }

  /** @param frame what `readPrefix` found whole, and nothing after it */
  openRequest(frame: Buffer): Opened & { readonly ticket: Ticket } {
    const opened = this.#openStream('request', frame, NO_TICKET)
    return { ...opened, ticket: ticketOf(frame, this.#streamStart) }
  }

  openReply(frame: Buffer, ticket: Ticket): Opened {
    return this.#openStream('reply', frame, ticket)
  }

  get #outgoing(): MemberCipher | null {
    return this.#encryption?.verifyOutgoing === true ? this.#encryption.cipher : null
  }

  get #streamStart(): number {
    return FIXED_SIZE + this.#label.length + LENGTH_SIZE
  }

  #prefixOf(mode: number): Buffer {
    return Buffer.concat([Buffer.from([FORMAT_VERSION, mode, this.#label.length]), this.#label])
  }

  #ways(cipher: MemberCipher | null): Pick<StreamWays, 'cipher' | 'prefix'> {
    return { cipher, prefix: cipher === null ? this.#plainPrefix : this.#sealedPrefix }
  }

  #openStream(kind: SealedKind, frame: Buffer, ticket: Ticket): Opened {
    const start = this.#streamStart
    if (frame[1] === MODE_PLAIN) return openPlain(frame.subarray(start))
    return this.#decrypt(kind, frame.subarray(start), bind(frame.subarray(0, start), ticket))
  }

  #decrypt(kind: SealedKind, sealed: Buffer, bound: Buffer): Opened {
    const cipher = this.#encryption?.cipher
    if (cipher === undefined) return { kind: 'refused', reason: 'encrypted' }
    const decrypted = cipher.decrypt(kind, sealed, bound)
    return decrypted.kind === 'opened' ? { ...decrypted, isEncrypted: true } : decrypted
  }

  /** The label is looked at first: what is of another pool is nobody's business here. */
  #checkPrefix(bytes: Buffer): SealRefusal | null {
    if (bytes.length < FIXED_SIZE) return 'malformed'
    const mode = bytes[1]
    if (bytes[0] !== FORMAT_VERSION || (mode !== MODE_PLAIN && mode !== MODE_SEALED)) {
      return 'version'
    }
    const label = this.#label
    if (bytes[2] !== label.length || bytes.length < FIXED_SIZE + label.length) return 'label'
    if (bytes.compare(label, 0, label.length, FIXED_SIZE, FIXED_SIZE + label.length) !== 0) {
      return 'label'
    }
    if (mode === MODE_SEALED) return this.#encryption === null ? 'encrypted' : null
    return this.#encryption?.verifyIncoming === true ? 'plain' : null
  }
}

interface StreamWays {
  /** Null for a checksum only. */
  readonly cipher: MemberCipher | null
  readonly prefix: Buffer
  readonly ticket: Ticket
}

function sealStream(
  kind: SealedKind,
  body: Uint8Array,
  { cipher, prefix, ticket }: StreamWays,
): Buffer {
  const around = cipher === null ? CHECKSUM_SIZE : CIPHER_OVERHEAD
  const length = Buffer.alloc(LENGTH_SIZE)
  length.writeUInt32BE(around + body.length)
  const head = Buffer.concat([prefix, length])
  if (cipher === null) return plain(head, body)
  const frame = Buffer.allocUnsafe(head.length + around + body.length)
  head.copy(frame)
  cipher.encrypt(kind, body, { bound: bind(head, ticket), target: frame, at: head.length })
  return frame
}

function plain(head: Buffer, body: Uint8Array): Buffer {
  const target = Buffer.allocUnsafe(head.length + CHECKSUM_SIZE + body.length)
  head.copy(target)
  target.writeUInt32BE(crc32(body), head.length)
  target.set(body, head.length + CHECKSUM_SIZE)
  return target
}

function openPlain(bytes: Buffer): Opened {
  if (bytes.length < CHECKSUM_SIZE) return { kind: 'refused', reason: 'malformed' }
  const body = bytes.subarray(CHECKSUM_SIZE)
  if (crc32(body) !== bytes.readUInt32BE(0)) return { kind: 'refused', reason: 'checksum' }
  return { kind: 'opened', body, isEncrypted: false }
}

function bind(head: Buffer, ticket: Ticket): Buffer {
  return ticket.length === 0 ? head : Buffer.concat([head, ticket])
}

function ticketOf(frame: Buffer, start: number): Ticket {
  if (frame[1] !== MODE_SEALED) return NO_TICKET
  return Buffer.from(frame.subarray(start, start + TICKET_SIZE))
}
