/**
 * IP addresses as numbers, and the networks they are in: what templates compare and count with. Pure.
 *
 * Texts of addresses must be valid (ip-address.ts); a network's prefix is in bits. Whether a network holds an address: core/ip-network.ts.
 */

import { formatIp, parseIp } from '../../dns/ip.ts'
import { type IpFamily, ipFamily } from '../ip-address.ts'

export interface NumberedNetwork {
  readonly family: IpFamily
  /** The first address. */
  readonly first: bigint
  readonly prefix: number
}

export function bitsOf(family: IpFamily): number {
  return family === 4 ? 32 : 128
}

/** @param text a valid address */
export function toNumber(text: string): bigint {
  return bytesOf(text).reduce((sum, byte) => sum * 256n + BigInt(byte), 0n)
}

export function toText(value: bigint, family: IpFamily): string {
  return formatIp(Uint8Array.from(octetsOf(value, family)))
}

export function octetsOf(value: bigint, family: IpFamily): readonly number[] {
  const count = bitsOf(family) / 8
  return Array.from({ length: count }, (_, i) =>
    Number((value >> BigInt(8 * (count - 1 - i))) & 0xffn),
  )
}

/** The network of an address. */
export function networkOf(address: string, prefix: number): NumberedNetwork {
  const family = ipFamily(address) === 4 ? 4 : 6
  const host = BigInt(bitsOf(family) - prefix)
  return { family, first: (toNumber(address) >> host) << host, prefix }
}

export function lastOf({ family, first, prefix }: NumberedNetwork): bigint {
  return first + (1n << BigInt(bitsOf(family) - prefix)) - 1n
}

function bytesOf(text: string): Uint8Array {
  const bytes = parseIp(text)
  if (bytes === null) throw new Error(`"${text}" is no IP address`)
  return bytes
}
