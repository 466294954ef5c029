/**
 * What a template can say about an address (`attr`, `join`), and addresses computed from it (`math`). Pure.
 */

import { type IpFamily, ipFamily } from '../ip-address.ts'
import { type HostInterface, TemplateProblem } from './host-interface.ts'
import {
  bitsOf,
  lastOf,
  type NumberedNetwork,
  networkOf,
  octetsOf,
  toNumber,
  toText,
} from './ip-number.ts'

interface Known {
  readonly host: HostInterface
  readonly family: IpFamily
  readonly value: bigint
  readonly network: NumberedNetwork
}

const ATTRIBUTES: Readonly<Record<string, (it: Known) => string>> = {
  address: ({ host }) => host.address,
  binary: ({ value, family }) => value.toString(2).padStart(bitsOf(family), '0'),
  broadcast: ({ network, family }) => (family === 4 ? toText(lastOf(network), family) : ''),
  first_usable: ({ network, family }) => toText(network.first + usableGap(network), family),
  flags: ({ host }) => host.flags.join('|'),
  hex: ({ value, family }) => value.toString(16).padStart(bitsOf(family) / 4, '0'),
  host: ({ host }) => host.address,
  last_usable: ({ network, family }) => toText(lastOf(network) - usableGap(network), family),
  mask_bits: ({ host }) => String(host.prefix),
  name: ({ host }) => host.name,
  netmask: ({ host, family }) =>
    toText(lastOf({ family, first: 0n, prefix: 0 }) - hostMask(host.prefix, family), family),
  network: ({ network, family }) => `${toText(network.first, family)}/${network.prefix}`,
  octets: ({ value, family }) => octetsOf(value, family).join(' '),
  port: () => '0',
  size: ({ network }) => String(lastOf(network) - network.first + 1n),
  string: ({ host }) => `${host.address}/${host.prefix}`,
  type: ({ family }) => `IPv${family}`,
  uint32: ({ value, family }) => (family === 4 ? String(value) : ''),
  uint128: ({ value, family }) => (family === 6 ? String(value) : ''),
}

/** @throws TemplateProblem for an unknown name */
export function attribute(host: HostInterface, name: string): string {
  const wanted = name.toLowerCase()
  const read = Object.hasOwn(ATTRIBUTES, wanted) ? ATTRIBUTES[wanted] : undefined
  if (read === undefined) {
    throw new TemplateProblem(
      `there is no attribute "${name}" (there are: ${Object.keys(ATTRIBUTES).join(', ')})`,
    )
  }
  const family = ipFamily(host.address) === 4 ? 4 : 6
  const network = networkOf(host.address, host.prefix)
  return read({ host, family, value: toNumber(host.address), network })
}

/** `math "address" "+5"`, `math "network" "-1"`, `math "mask" "24"`. @throws TemplateProblem */
export function computed(host: HostInterface, operation: string, operand: string): HostInterface {
  const family = ipFamily(host.address) === 4 ? 4 : 6
  const network = networkOf(host.address, host.prefix)
  if (operation === 'mask') {
    const prefix = /^[0-9]{1,3}$/.test(operand) ? Number(operand) : Number.NaN
    if (!(prefix <= bitsOf(family))) {
      throw new TemplateProblem(`math "mask" takes 0 to ${bitsOf(family)}, got "${operand}"`)
    }
    return { ...host, prefix, address: toText(networkOf(host.address, prefix).first, family) }
  }
  if (!/^[+-][0-9]{1,39}$/.test(operand)) {
    throw new TemplateProblem(`math "${operation}" takes a number with a sign, got "${operand}"`)
  }
  const offset = BigInt(operand)
  if (operation === 'address') return moved(host, toNumber(host.address) + offset, family)
  if (operation !== 'network') {
    throw new TemplateProblem(`math knows address, network and mask, not "${operation}"`)
  }
  // Backwards counts from the end of the network, as indexes of lists do.
  const size = lastOf(network) - network.first + 1n
  const within = ((offset % size) + size) % size
  return moved(host, network.first + within, family)
}

function moved(host: HostInterface, value: bigint, family: IpFamily): HostInterface {
  if (value < 0n || value >= 1n << BigInt(bitsOf(family))) {
    throw new TemplateProblem(`math leaves the IPv${family} addresses`)
  }
  return { ...host, address: toText(value, family) }
}

function hostMask(prefix: number, family: IpFamily): bigint {
  return (1n << BigInt(bitsOf(family) - prefix)) - 1n
}

/** IPv4 networks keep their first and last address for themselves, unless they have only two. */
function usableGap({ family, prefix }: NumberedNetwork): bigint {
  return family === 4 && prefix < 31 ? 1n : 0n
}
