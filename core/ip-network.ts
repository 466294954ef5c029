/**
 * Networks of IP addresses in the form `10.0.0.0/8`, and whether an address is in one. Pure.
 */

import { parseIp } from './dns/ip.ts'

export interface IpNetwork {
  /** As it was written. */
  readonly text: string
  /** 4 or 16 bytes. */
  readonly base: Uint8Array
  readonly prefixBits: number
}

/** @returns null for what is no network; bits behind the prefix are not looked at */
export function parseIpNetwork(text: string): IpNetwork | null {
  const parts = /^([0-9a-fA-F:.]+)\/([0-9]{1,3})$/.exec(text)
  const base = parseIp(parts?.[1] ?? '')
  const prefixBits = Number(parts?.[2])
  if (base === null || prefixBits > 8 * base.length) return null
  return { text, base, prefixBits }
}

/** @returns the network that holds this one address alone, null for what is no address */
export function networkOfOne(address: string): IpNetwork | null {
  const base = parseIp(address)
  return base === null ? null : { text: address, base, prefixBits: 8 * base.length }
}

/** An address of the other family, or a text that is none, is in no network. */
export function isInNetwork({ base, prefixBits }: IpNetwork, address: string): boolean {
  const bytes = parseIp(address)
  if (bytes === null || bytes.length !== base.length) return false
  for (let bit = 0; bit < prefixBits; bit += 8) {
    const mask = prefixBits - bit >= 8 ? 0xff : (0xff << (8 - (prefixBits - bit))) & 0xff
    const at = bit / 8
    if (((bytes[at] ?? 0) & mask) !== ((base[at] ?? 0) & mask)) return false
  }
  return true
}
