/**
 * Answers for virtual addresses, literal addresses and reverse names (dns.md sections 6 and 8).
 *
 * `virtual` answers A and ANY only: other types get an empty answer (section 9) rather than an A record
 * nobody asked for, which some resolvers count as an error.
 */

import type { AddressOwner } from '../catalog/feed.ts'
import type { VirtualIpRecord } from '../catalog/types.ts'
import type { DnsConfig } from '../config/model.ts'
import { virtualAddress } from '../mesh/virtual-address.ts'
import { ipFromHex, parseIp } from './ip.ts'
import type { DnsOptions } from './options.ts'
import { RCODE, TYPE } from './protocol.ts'
import {
  ASKED_NAME,
  ASKED_NAME_LOWER,
  addressRecord,
  type DnsResponse,
  fitsFamily,
  isEncodableName,
} from './records.ts'
import { empty, negative, type SoaSource } from './soa.ts'

/** @param record undefined when the service owns no virtual address */
export function answerVirtual(
  record: VirtualIpRecord | undefined,
  type: number,
  options: DnsOptions,
): DnsResponse {
  const none = empty(RCODE.NOERROR, true)
  if (record === undefined) return none
  const address = parseIp(virtualAddress(options.virtualBase, record.offset))
  if (address === null || !fitsFamily(type, address)) return none
  const ttl = options.config.nodeTtlSeconds
  return { ...none, answers: [addressRecord(ASKED_NAME_LOWER, ttl, address)] }
}

/** `<hex>.addr`: needs no look-up. An address of the other family goes to the additional section. */
export function answerAddress(
  hex: string,
  type: number,
  config: DnsConfig,
  soa: SoaSource,
): DnsResponse {
  const address = ipFromHex(hex)
  if (address === null) return negative(RCODE.NXDOMAIN, soa)
  const records = [addressRecord(ASKED_NAME_LOWER, config.nodeTtlSeconds, address)]
  const response = empty(RCODE.NOERROR, true)
  return fitsFamily(type, address)
    ? { ...response, answers: records }
    : { ...response, additional: records }
}

/**
 * PTR of an address: its node in the own datacentre, else the first service at it.
 *
 * @param domain the configured domain, whatever was asked
 * @returns null when nothing has this address
 */
export function answerReverse(owners: readonly AddressOwner[], domain: string): DnsResponse | null {
  const owner = owners.find(({ kind }) => kind === 'node') ?? owners[0]
  if (owner === undefined) return null
  const target = `${owner.name}.${owner.kind}.${owner.datacenter}.${domain}`
  if (!isEncodableName(target)) return null
  const answers = [{ type: TYPE.PTR, owner: ASKED_NAME, ttl: 0, target } as const]
  return { ...empty(RCODE.NOERROR, true), answers }
}
