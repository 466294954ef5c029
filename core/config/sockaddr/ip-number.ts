/**
 * IP addresses as numbers, and the networks they are in: what templates compare and count with. Pure.
 *
 * Texts of addresses must be valid (ip-address.ts); a network's prefix is in bits.
 */

import { type IpFamily, ipFamily } from '../ip-address.ts'

export interface IpNetwork {
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
  if (ipFamily(text) === 4) {
    return text.split('.').reduce((sum, octet) => sum * 256n + BigInt(octet), 0n)
  }
  return groupsOf(text).reduce((sum, group) => sum * 65_536n + BigInt(group), 0n)
}

export function toText(value: bigint, family: IpFamily): string {
  if (family === 4) return octetsOf(value, family).join('.')
  const groups = Array.from({ length: 8 }, (_, i) => (value >> BigInt(112 - 16 * i)) & 0xffffn)
  return compressed(groups.map((group) => group.toString(16)))
}

export function octetsOf(value: bigint, family: IpFamily): readonly number[] {
  const count = bitsOf(family) / 8
  return Array.from({ length: count }, (_, i) =>
    Number((value >> BigInt(8 * (count - 1 - i))) & 0xffn),
  )
}

/** The network of an address. */
export function networkOf(address: string, prefix: number): IpNetwork {
  const family = ipFamily(address) === 4 ? 4 : 6
  const host = BigInt(bitsOf(family) - prefix)
  return { family, first: (toNumber(address) >> host) << host, prefix }
}

export function lastOf({ family, first, prefix }: IpNetwork): bigint {
  return first + (1n << BigInt(bitsOf(family) - prefix)) - 1n
}

/** @param text `10.0.0.0/8`, or one address */
export function parseNetwork(text: string): IpNetwork | undefined {
  const [address = '', bits, ...more] = text.split('/')
  const family = ipFamily(address)
  if (family === undefined || more.length > 0) return undefined
  const prefix = bits === undefined ? bitsOf(family) : Number(bits)
  const isNumber = bits === undefined || /^[0-9]{1,3}$/.test(bits)
  return isNumber && prefix <= bitsOf(family) ? networkOf(address, prefix) : undefined
}

export function isWithin(network: IpNetwork, address: string): boolean {
  if (ipFamily(address) !== network.family) return false
  return networkOf(address, network.prefix).first === network.first
}

function groupsOf(text: string): readonly number[] {
  const mapped = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text)
  const plain =
    mapped === null
      ? text
      : `${mapped[1]}${hexPair(mapped[2], mapped[3])}:${hexPair(mapped[4], mapped[5])}`
  const [head = '', tail] = plain.split('::')
  const parts = (half: string): readonly number[] =>
    half === '' ? [] : half.split(':').map((group) => Number.parseInt(group, 16))
  const left = parts(head)
  if (tail === undefined) return left
  const right = parts(tail)
  return [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right]
}

function hexPair(high = '0', low = '0'): string {
  return (Number(high) * 256 + Number(low)).toString(16)
}

/** RFC 5952: the longest run of zero groups, of two or more, becomes `::`. */
function compressed(groups: readonly string[]): string {
  let best = { at: -1, length: 1 }
  for (let at = 0; at < groups.length; at++) {
    let length = 0
    while (groups[at + length] === '0') length++
    if (length > best.length) best = { at, length }
  }
  if (best.at === -1) return groups.join(':')
  return `${groups.slice(0, best.at).join(':')}::${groups.slice(best.at + best.length).join(':')}`
}
