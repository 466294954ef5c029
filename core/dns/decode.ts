/**
 * Reads queries off the wire, strictly: every offset is checked, nothing is allocated by a length given
 * in the packet, compression pointers only lead backwards. Never throws.
 *
 * Source: RFC 1035 section 4, RFC 6891 (EDNS0), RFC 7871 (client subnet); reactions to broken or foreign
 * messages as dns.md section 1. Bounds: one question, `ADDITIONAL_MAX` additional records, names of 255 bytes.
 */

import {
  EDNS_CLIENT_SUBNET,
  FLAG,
  HEADER_SIZE,
  LABEL_SIZE_MAX,
  NAME_SIZE_MAX,
  OPCODE,
  RCODE,
  TYPE,
} from './protocol.ts'
import type { Rcode } from './records.ts'

export interface DnsQuery {
  readonly id: number
  readonly opcode: number
  readonly recursionDesired: boolean
  /** Labels of the asked name in lower case (ASCII letters), outermost last; UTF-8 decoded. */
  readonly labels: readonly string[]
  /** The asked name holds capitals, so that its echo differs from `labels`. */
  readonly isMixedCase: boolean
  readonly type: number
  /** End of the question section; it begins after the header and is echoed as it came. */
  readonly questionEnd: number
  readonly edns: EdnsQuery | null
}

export interface EdnsQuery {
  /** As given, may be below 512. */
  readonly udpSize: number
  readonly clientSubnet: ClientSubnet | null
}

export interface ClientSubnet {
  readonly family: number
  readonly sourcePrefix: number
  readonly address: Uint8Array
}

export type DecodedQuery =
  | { readonly kind: 'query'; readonly query: DnsQuery }
  /** Answer with this code, header only. */
  | { readonly kind: 'reject'; readonly rcode: Rcode }
  | { readonly kind: 'drop' }

/** Records before and after the OPT record that a query may carry (TSIG, cookies of old clients, …). */
const ADDITIONAL_MAX = 8

export function decodeQuery(packet: Uint8Array): DecodedQuery {
  if (packet.length < HEADER_SIZE) return { kind: 'drop' }
  const flags = u16(packet, 2)
  if ((flags & FLAG.QR) !== 0) return { kind: 'drop' }
  const opcode = (flags >> 11) & 0xf
  if (opcode !== OPCODE.QUERY && opcode !== OPCODE.NOTIFY) {
    return { kind: 'reject', rcode: RCODE.NOTIMP }
  }
  const question = u16(packet, 4) === 1 ? readName(packet, HEADER_SIZE) : null
  if (question === null || question.isCompressed || question.end + 4 > packet.length) {
    return { kind: 'reject', rcode: RCODE.FORMERR }
  }
  const questionEnd = question.end + 4
  const edns = readEdns(packet, questionEnd)
  if (edns === 'malformed') return { kind: 'reject', rcode: RCODE.FORMERR }
  return {
    kind: 'query',
    query: {
      id: u16(packet, 0),
      opcode,
      recursionDesired: (flags & FLAG.RD) !== 0,
      labels: question.labels.map(lowerAscii),
      isMixedCase: question.labels.some((label) => /[A-Z]/.test(label)),
      type: u16(packet, question.end),
      questionEnd,
      edns,
    },
  }
}

export interface WireName {
  readonly labels: readonly string[]
  /** Offset after the name where it stands (after the pointer, if it ends in one). */
  readonly end: number
  readonly isCompressed: boolean
}

/** Reads the name at an offset; null when it runs out of the packet, is too long or points forward. */
export function readName(packet: Uint8Array, start: number): WireName | null {
  const labels: string[] = []
  let at = start
  let end = -1
  let size = 1
  // Each jump must go below every earlier one, so there is no loop.
  let jumpLimit = start
  for (;;) {
    const length = packet[at]
    if (length === undefined) return null
    if (length === 0) break
    if (length > LABEL_SIZE_MAX) {
      if (length < 0xc0 || at + 1 >= packet.length) return null
      const target = u16(packet, at) & 0x3fff
      if (target >= jumpLimit) return null
      if (end < 0) end = at + 2
      jumpLimit = target
      at = target
      continue
    }
    size += length + 1
    if (size > NAME_SIZE_MAX || at + 1 + length > packet.length) return null
    labels.push(decodeLabel(packet, at + 1, at + 1 + length))
    at += length + 1
  }
  return { labels, end: end < 0 ? at + 1 : end, isCompressed: end >= 0 }
}

export function u16(packet: Uint8Array, at: number): number {
  return ((packet[at] ?? 0) << 8) | (packet[at + 1] ?? 0)
}

/** Lower case of A to Z only; DNS compares nothing else without case. */
function lowerAscii(text: string): string {
  return text.replace(/[A-Z]+/g, (capitals) => capitals.toLowerCase())
}

const utf8 = new TextDecoder()

function decodeLabel(packet: Uint8Array, from: number, to: number): string {
  let text = ''
  for (let i = from; i < to; i++) {
    const byte = packet[i] as number
    if (byte >= 0x80) return utf8.decode(packet.subarray(from, to))
    text += String.fromCharCode(byte)
  }
  return text
}

/** Finds the OPT record behind the question; queries carry no answers. */
function readEdns(packet: Uint8Array, from: number): EdnsQuery | null | 'malformed' {
  if (u16(packet, 6) !== 0 || u16(packet, 8) !== 0) return 'malformed'
  const count = u16(packet, 10)
  if (count > ADDITIONAL_MAX) return 'malformed'
  let found: EdnsQuery | null = null
  let at = from
  for (let i = 0; i < count; i++) {
    const owner = readName(packet, at)
    if (owner === null || owner.end + 10 > packet.length) return 'malformed'
    const dataAt = owner.end + 10
    const dataEnd = dataAt + u16(packet, owner.end + 8)
    if (dataEnd > packet.length) return 'malformed'
    if (u16(packet, owner.end) === TYPE.OPT) {
      if (found !== null || owner.labels.length > 0) return 'malformed'
      const clientSubnet = readClientSubnet(packet, dataAt, dataEnd)
      if (clientSubnet === 'malformed') return 'malformed'
      found = { udpSize: u16(packet, owner.end + 2), clientSubnet }
    }
    at = dataEnd
  }
  return found
}

function readClientSubnet(
  packet: Uint8Array,
  from: number,
  to: number,
): ClientSubnet | null | 'malformed' {
  let found: ClientSubnet | null = null
  let at = from
  while (at < to) {
    if (at + 4 > to) return 'malformed'
    const end = at + 4 + u16(packet, at + 2)
    if (end > to) return 'malformed'
    if (u16(packet, at) === EDNS_CLIENT_SUBNET) {
      const family = u16(packet, at + 4)
      const sourcePrefix = packet[at + 6] ?? 0
      const address = new Uint8Array(packet.subarray(at + 8, end))
      const sizeMax = family === 1 ? 4 : 16
      if (end - at < 8 || address.length > sizeMax || sourcePrefix > sizeMax * 8) return 'malformed'
      found = { family, sourcePrefix, address }
    }
    at = end
  }
  return found
}
