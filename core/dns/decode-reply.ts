/**
 * Reads what a recursor answered: its header, and the address records used to complete host-name services.
 *
 * Strict as decode.ts; never throws. Bounds: `RECORDS_MAX` answers are read, later ones ignored.
 */

import { readName, u16 } from './decode.ts'
import { CLASS_IN, FLAG, HEADER_SIZE, TYPE } from './protocol.ts'
import { addressRecord, type ResourceRecord } from './records.ts'

export interface ReplyHeader {
  readonly id: number
  readonly rcode: number
  readonly isTruncated: boolean
}

const RECORDS_MAX = 64

/** @returns null when the packet is not a response with one question */
export function decodeReplyHeader(packet: Uint8Array): ReplyHeader | null {
  if (packet.length < HEADER_SIZE) return null
  const flags = u16(packet, 2)
  if ((flags & FLAG.QR) === 0 || u16(packet, 4) > 1) return null
  return { id: u16(packet, 0), rcode: flags & 0xf, isTruncated: (flags & FLAG.TC) !== 0 }
}

/**
 * The A, AAAA and CNAME records of the answer section, in order.
 *
 * @returns null when the packet is malformed
 */
export function decodeReplyAddresses(packet: Uint8Array): readonly ResourceRecord[] | null {
  if (decodeReplyHeader(packet) === null) return null
  let at = HEADER_SIZE
  if (u16(packet, 4) === 1) {
    const question = readName(packet, at)
    if (question === null) return null
    at = question.end + 4
  }
  const records: ResourceRecord[] = []
  const count = Math.min(u16(packet, 6), RECORDS_MAX)
  for (let i = 0; i < count; i++) {
    const owner = readName(packet, at)
    if (owner === null || owner.end + 10 > packet.length) return null
    const dataAt = owner.end + 10
    const end = dataAt + u16(packet, owner.end + 8)
    if (end > packet.length) return null
    const record = readRecord(packet, owner.labels.join('.'), owner.end, end)
    if (record === 'malformed') return null
    if (record !== undefined) records.push(record)
    at = end
  }
  return records
}

function readRecord(
  packet: Uint8Array,
  owner: string,
  head: number,
  end: number,
): ResourceRecord | undefined | 'malformed' {
  const type = u16(packet, head)
  if (u16(packet, head + 2) !== CLASS_IN) return undefined
  const ttl = u16(packet, head + 4) * 0x10000 + u16(packet, head + 6)
  const dataAt = head + 10
  if (type === TYPE.A || type === TYPE.AAAA) {
    if (end - dataAt !== (type === TYPE.A ? 4 : 16)) return 'malformed'
    return addressRecord(owner, ttl, new Uint8Array(packet.subarray(dataAt, end)))
  }
  if (type !== TYPE.CNAME) return undefined
  const target = readName(packet, dataAt)
  if (target === null || target.end !== end) return 'malformed'
  return { type, owner, ttl, target: target.labels.join('.') }
}
