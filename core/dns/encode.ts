/**
 * Writes responses to the wire: header, echoed question, records, OPT (dns.md 1, 11, 12).
 *
 * The question is copied from the request, so its letter case is kept, and answers owned by the asked name
 * point to it. Other names never compress into the question: the rest of a response depends on the
 * question's letters only in lower case, which lets one encoding serve every spelling of it.
 */

import type { DnsQuery } from './decode.ts'
import { u16 } from './decode.ts'
import { CLASS_IN, EDNS_CLIENT_SUBNET, FLAG, HEADER_SIZE, TYPE } from './protocol.ts'
import {
  ASKED_NAME,
  ASKED_NAME_LOWER,
  type DnsResponse,
  type Owner,
  type Rcode,
  type ResourceRecord,
} from './records.ts'
import { WireWriter } from './writer.ts'

export interface EncodeOptions {
  readonly compress: boolean
  readonly isTruncated: boolean
  readonly recursionAvailable: boolean
}

/** @returns the packet, or null when it is longer than a DNS message can be */
export function encodeResponse(
  request: Uint8Array,
  query: DnsQuery,
  response: DnsResponse,
  options: EncodeOptions,
): Uint8Array | null {
  const writer = new WireWriter({ compress: options.compress })
  let flags = FLAG.QR | (query.opcode << 11) | response.rcode
  if (response.authoritative) flags |= FLAG.AA
  if (options.isTruncated) flags |= FLAG.TC
  if (query.recursionDesired) flags |= FLAG.RD
  if (options.recursionAvailable) flags |= FLAG.RA
  writer.u16(query.id)
  writer.u16(flags)
  writer.u16(1)
  writer.u16(response.answers.length)
  writer.u16(response.authority.length)
  writer.u16(response.additional.length + (query.edns === null ? 0 : 1))
  writer.bytes(request.subarray(HEADER_SIZE, query.questionEnd))
  const asked = new AskedName(request, query, options.compress)
  for (const record of response.answers) writeRecord(writer, record, asked)
  for (const record of response.authority) writeRecord(writer, record, asked)
  for (const record of response.additional) writeRecord(writer, record, asked)
  writeOpt(writer, query, response)
  return writer.isFull ? null : writer.finish()
}

/** A response of a header only, for requests whose question cannot be echoed. */
export function encodeRejection(request: Uint8Array, rcode: Rcode): Uint8Array {
  const writer = new WireWriter({ compress: false })
  const flags = u16(request, 2)
  writer.u16(u16(request, 0))
  writer.u16(FLAG.QR | (flags & 0x7800) | (flags & FLAG.RD) | rcode)
  for (let i = 0; i < 4; i++) writer.u16(0)
  return writer.finish()
}

/** Bytes that the OPT record of the answer takes. */
export function optSize(query: DnsQuery): number {
  if (query.edns === null) return 0
  const subnet = query.edns.clientSubnet
  return 11 + (subnet === null ? 0 : 8 + subnet.address.length)
}

/** Size of a response with every name spelled out, OPT included. */
export function uncompressedSize(query: DnsQuery, response: DnsResponse): number {
  const nameSize = query.questionEnd - HEADER_SIZE - 4
  let size = query.questionEnd + optSize(query)
  for (const section of [response.answers, response.authority, response.additional]) {
    for (const record of section) size += recordSize(record, nameSize)
  }
  return size
}

class AskedName {
  readonly #spelled: Uint8Array
  readonly #lower: Uint8Array
  readonly #compress: boolean
  readonly #isMixedCase: boolean

  constructor(request: Uint8Array, query: DnsQuery, compress: boolean) {
    this.#spelled = request.subarray(HEADER_SIZE, query.questionEnd - 4)
    this.#isMixedCase = query.isMixedCase
    this.#lower = query.isMixedCase ? lowerName(this.#spelled) : this.#spelled
    this.#compress = compress
  }

  write(writer: WireWriter, owner: Owner): void {
    if (typeof owner === 'string') {
      writer.name(owner)
    } else if (this.#compress && (owner === ASKED_NAME || !this.#isMixedCase)) {
      writer.u16(0xc000 | HEADER_SIZE)
    } else {
      writer.bytes(owner === ASKED_NAME_LOWER ? this.#lower : this.#spelled)
    }
  }
}

/** Lower case of a name in wire form; its length bytes are below every letter. */
function lowerName(name: Uint8Array): Uint8Array {
  return name.map((byte) => (byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte))
}

function writeRecord(writer: WireWriter, record: ResourceRecord, asked: AskedName): void {
  asked.write(writer, record.owner)
  writer.u16(record.type)
  writer.u16(CLASS_IN)
  writer.u32(record.ttl)
  const lengthAt = writer.length
  writer.u16(0)
  writeData(writer, record)
  if (!writer.isFull) writer.setU16(lengthAt, writer.length - lengthAt - 2)
}

function writeData(writer: WireWriter, record: ResourceRecord): void {
  switch (record.type) {
    case TYPE.A:
    case TYPE.AAAA:
      writer.bytes(record.address)
      return
    case TYPE.CNAME:
    case TYPE.PTR:
    case TYPE.NS:
      writer.name(record.target)
      return
    case TYPE.SRV:
      writer.u16(record.priority)
      writer.u16(record.weight)
      writer.u16(record.port)
      writer.name(record.target, false)
      return
    case TYPE.TXT:
      writeText(writer, record.text)
      return
    case TYPE.SOA: {
      const { soa } = record
      writer.name(soa.mname)
      writer.name(soa.rname)
      for (const value of [soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum]) {
        writer.u32(value)
      }
    }
  }
}

const utf8 = new TextEncoder()
const TEXT_PART_MAX = 255

/** One character string, or several where the text is longer than one can be. */
function writeText(writer: WireWriter, text: string): void {
  const bytes = utf8.encode(text)
  for (let at = 0; at === 0 || at < bytes.length; at += TEXT_PART_MAX) {
    const part = bytes.subarray(at, at + TEXT_PART_MAX)
    writer.u8(part.length)
    writer.bytes(part)
  }
}

function writeOpt(writer: WireWriter, query: DnsQuery, response: DnsResponse): void {
  const { edns } = query
  if (edns === null) return
  writer.u8(0)
  writer.u16(TYPE.OPT)
  writer.u16(edns.udpSize)
  writer.u32(0)
  const subnet = edns.clientSubnet
  writer.u16(subnet === null ? 0 : 8 + subnet.address.length)
  if (subnet === null) return
  writer.u16(EDNS_CLIENT_SUBNET)
  writer.u16(4 + subnet.address.length)
  writer.u16(subnet.family)
  writer.u8(subnet.sourcePrefix)
  // Scope 0: the answer is the same for every client, unless it was made for this one's subnet.
  writer.u8(response.isForClient === true ? subnet.sourcePrefix : 0)
  writer.bytes(subnet.address)
}

function recordSize(record: ResourceRecord, askedNameSize: number): number {
  const owner = typeof record.owner === 'string' ? textNameSize(record.owner) : askedNameSize
  return owner + 10 + dataSize(record)
}

function dataSize(record: ResourceRecord): number {
  switch (record.type) {
    case TYPE.A:
    case TYPE.AAAA:
      return record.address.length
    case TYPE.CNAME:
    case TYPE.PTR:
    case TYPE.NS:
      return textNameSize(record.target)
    case TYPE.SRV:
      return 6 + textNameSize(record.target)
    case TYPE.TXT: {
      const size = utf8.encode(record.text).length
      return size + Math.max(1, Math.ceil(size / TEXT_PART_MAX))
    }
    case TYPE.SOA:
      return textNameSize(record.soa.mname) + textNameSize(record.soa.rname) + 20
  }
}

function textNameSize(name: string): number {
  return utf8.encode(name).length + 2
}
