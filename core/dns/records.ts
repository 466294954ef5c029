/**
 * Resource records and responses as values, before they are written to the wire.
 *
 * Names are text without a closing dot; the owner of most answers is the name that was asked, which is
 * written as a pointer to the question so that its letter case is kept (dns.md 1).
 */

import { LABEL_SIZE_MAX, NAME_SIZE_MAX, type RCODE, TYPE } from './protocol.ts'

/** The name of the question, in the case in which it was asked. */
export const ASKED_NAME: unique symbol = Symbol('asked name')
/** The name of the question in lower case (dns.md 6: `virtual`, `addr`). */
export const ASKED_NAME_LOWER: unique symbol = Symbol('asked name, lower case')

export type Owner = string | typeof ASKED_NAME | typeof ASKED_NAME_LOWER

interface RecordHead {
  readonly owner: Owner
  /** Seconds. */
  readonly ttl: number
}

export type ResourceRecord =
  | (RecordHead & { readonly type: typeof TYPE.A; readonly address: Uint8Array })
  | (RecordHead & { readonly type: typeof TYPE.AAAA; readonly address: Uint8Array })
  | (RecordHead & {
      readonly type: typeof TYPE.CNAME | typeof TYPE.PTR | typeof TYPE.NS
      readonly target: string
    })
  | (RecordHead & {
      readonly type: typeof TYPE.SRV
      readonly priority: number
      readonly weight: number
      readonly port: number
      readonly target: string
    })
  | (RecordHead & { readonly type: typeof TYPE.TXT; readonly text: string })
  | (RecordHead & { readonly type: typeof TYPE.SOA; readonly soa: SoaContent })

export interface SoaContent {
  readonly mname: string
  readonly rname: string
  readonly serial: number
  readonly refresh: number
  readonly retry: number
  readonly expire: number
  readonly minimum: number
}

export type Rcode = (typeof RCODE)[keyof typeof RCODE]

export interface DnsResponse {
  readonly rcode: Rcode
  readonly authoritative: boolean
  readonly answers: readonly ResourceRecord[]
  readonly authority: readonly ResourceRecord[]
  readonly additional: readonly ResourceRecord[]
  /** Made for the client's address, and no answer for another subnet (dns.md 12). */
  readonly isForClient?: true
}

/** A host name whose addresses belong into a section of the response. */
export interface HostReference {
  readonly host: string
  readonly section: 'answers' | 'additional'
  readonly ttl: number
}

export interface Draft {
  readonly response: DnsResponse
  readonly hosts: readonly HostReference[]
}

export function addressRecord(owner: Owner, ttl: number, address: Uint8Array): ResourceRecord {
  return address.length === 4
    ? { type: TYPE.A, owner, ttl, address }
    : { type: TYPE.AAAA, owner, ttl, address }
}

/** True when an address of this family answers a question of this type. */
export function fitsFamily(type: number, address: Uint8Array): boolean {
  if (type === TYPE.ANY) return true
  return type === (address.length === 4 ? TYPE.A : TYPE.AAAA)
}

const utf8 = new TextEncoder()

/** True for a name that fits the wire: labels of 1 to 63 bytes, 255 in all. */
export function isEncodableName(name: string): boolean {
  if (name.length === 0 || name.length > NAME_SIZE_MAX - 2) return false
  if (utf8.encode(name).length > NAME_SIZE_MAX - 2) return false
  return name.split('.').every((label) => {
    return label.length > 0 && utf8.encode(label).length <= LABEL_SIZE_MAX
  })
}

/** Drops the closing dot of a fully qualified name. */
export function withoutDot(name: string): string {
  return name.endsWith('.') ? name.slice(0, -1) : name
}
