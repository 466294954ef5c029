/**
 * Texts of IP addresses: are they one, and of what sort. Pure, no name resolution.
 */

import { parseIp } from '../dns/ip.ts'

export type IpFamily = 4 | 6

const OCTET = '(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])'
const IPV4 = new RegExp(`^${OCTET}(?:\\.${OCTET}){3}$`)

const MAPPED = '::ffff:'

export function ipFamily(text: string): IpFamily | undefined {
  // Asked of every address that gossip sends: no bytes are made for the usual one.
  if (IPV4.test(text)) return 4
  return parseIp(text)?.length === 16 ? 6 : undefined
}

/** An IPv4 address that a socket for both families shows as `::ffff:10.0.0.1` in its own form, any other text as it is. */
export function withoutMapping(address: string): string {
  if (!address.startsWith(MAPPED)) return address
  const plain = address.slice(MAPPED.length)
  return plain.includes(':') ? address : plain
}

export function isAnyAddress(text: string): boolean {
  return text === '0.0.0.0' || (ipFamily(text) === 6 && /^[0:]+$/.test(text))
}

export function isLoopback(text: string): boolean {
  if (ipFamily(text) === 4) return text.startsWith('127.')
  return ipFamily(text) === 6 && /^[0:]+:0*1$/.test(text)
}

/** RFC 1918 for IPv4, unique local (fc00::/7) for IPv6. */
export function isPrivate(text: string): boolean {
  if (ipFamily(text) === 4) {
    const [a = 0, b = 0] = text.split('.').map(Number)
    return a === 10 || (a === 172 && b >= 16 && b <= 31) || (a === 192 && b === 168)
  }
  return ipFamily(text) === 6 && /^f[cd]/i.test(text)
}

export function isLinkLocal(text: string): boolean {
  return text.startsWith('169.254.') || /^fe[89ab]/i.test(text)
}

/** Global unicast that is none of the above. */
export function isPublic(text: string): boolean {
  const isSpecial = isAnyAddress(text) || isLoopback(text) || isPrivate(text) || isLinkLocal(text)
  return ipFamily(text) !== undefined && !isSpecial
}
