/**
 * Choosing and ordering addresses in a template: `include`, `exclude`, `sort`, `unique`, `limit`, `offset`. Pure.
 */

import { FilterError } from '../../filter/errors.ts'
import { compileRegex } from '../../filter/regex.ts'
import { isInNetwork, networkOfOne, parseIpNetwork } from '../../ip-network.ts'
import { ipFamily, isPrivate } from '../ip-address.ts'
import { attribute } from './attributes.ts'
import { type HostInterface, TemplateProblem } from './host-interface.ts'
import { toNumber } from './ip-number.ts'
import { isForwardable, knownRfcs, rfcBlocks } from './rfc-blocks.ts'

type Predicate = (host: HostInterface) => boolean

/** @throws TemplateProblem */
export function selector(name: string, parameter: string): Predicate {
  switch (name.toLowerCase()) {
    case 'address':
      return byPattern(parameter, (host) => host.address)
    case 'name':
      return byPattern(parameter, (host) => host.name)
    case 'port':
      return byPattern(parameter, () => '0')
    case 'flag':
    case 'flags':
      return allOf(parameter.toLowerCase().split('|').map(flagPredicate))
    case 'network':
      return anyOf(parameter.split('|').map(networkPredicate))
    case 'rfc':
      return anyOf(parameter.split('|').map(rfcPredicate))
    case 'size':
      return (host) => host.prefix === Number(parameter.replace(/^\//, ''))
    case 'type':
      return anyOf(parameter.toLowerCase().split('|').map(typePredicate))
    default:
      throw new TemplateProblem(
        `there is no selector "${name}" (there are: address, flags, name, network, port, rfc, size, type)`,
      )
  }
}

function anyOf(predicates: readonly Predicate[]): Predicate {
  return (host) => predicates.some((predicate) => predicate(host))
}

function allOf(predicates: readonly Predicate[]): Predicate {
  return (host) => predicates.every((predicate) => predicate(host))
}

function byPattern(pattern: string, read: (host: HostInterface) => string): Predicate {
  try {
    const matches = compileRegex(pattern)
    return (host) => matches(read(host))
  } catch (thrown) {
    if (thrown instanceof FilterError) throw new TemplateProblem(thrown.message)
    throw thrown
  }
}

const PLATFORM_FLAGS = [
  'up',
  'broadcast',
  'loopback',
  'pointtopoint',
  'point-to-point',
  'multicast',
]

function flagPredicate(flag: string): Predicate {
  const name = flag.trim()
  switch (name) {
    case 'down':
      return (host) => !host.flags.includes('up')
    case 'forwardable':
      return (host) => isForwardable(host.address)
    case 'global unicast':
      return (host) => isForwardable(host.address) && !isPrivate(host.address)
    case 'link-local unicast':
      return anyOf([networkPredicate('169.254.0.0/16'), networkPredicate('fe80::/10')])
    case 'link-local multicast':
      return anyOf([networkPredicate('224.0.0.0/24'), networkPredicate('ff02::/16')])
    case 'interface-local multicast':
      return networkPredicate('ff01::/16')
    case 'unspecified':
      return (host) => toNumber(host.address) === 0n
    default:
      if (PLATFORM_FLAGS.includes(name)) {
        return (host) => host.flags.includes(name.replaceAll('-', ''))
      }
      throw new TemplateProblem(`there is no flag "${flag}" of addresses`)
  }
}

function networkPredicate(text: string): Predicate {
  const trimmed = text.trim()
  const network = parseIpNetwork(trimmed) ?? networkOfOne(trimmed)
  if (network === null) {
    throw new TemplateProblem(`"${text}" is no network; write one such as "10.0.0.0/8"`)
  }
  return (host) => isInNetwork(network, host.address)
}

function rfcPredicate(number: string): Predicate {
  const blocks = rfcBlocks(number.trim())
  if (blocks === undefined) {
    throw new TemplateProblem(
      `no blocks of RFC ${number} are known (known are: ${knownRfcs().join(', ')})`,
    )
  }
  return (host) => blocks.some((block) => isInNetwork(block, host.address))
}

function typePredicate(type: string): Predicate {
  switch (type.trim()) {
    case 'ip':
      return () => true
    case 'ipv4':
      return (host) => ipFamily(host.address) === 4
    case 'ipv6':
      return (host) => ipFamily(host.address) === 6
    // Interfaces have none of these, but asking for them is allowed.
    case 'unix':
      return () => false
    default:
      throw new TemplateProblem(`there is no type "${type}"; use ip, ipv4 or ipv6`)
  }
}

type Comparison = (a: HostInterface, b: HostInterface) => number

const ORDERS: Readonly<Record<string, Comparison>> = {
  address: (a, b) =>
    compare(ipFamily(a.address), ipFamily(b.address)) ||
    compare(toNumber(a.address), toNumber(b.address)),
  default: (a, b) => Number(b.isDefault) - Number(a.isDefault),
  name: (a, b) => compare(a.name, b.name),
  port: () => 0,
  private: (a, b) => Number(isPrivate(b.address)) - Number(isPrivate(a.address)),
  size: (a, b) => b.prefix - a.prefix,
  type: (a, b) => compare(ipFamily(a.address), ipFamily(b.address)),
}

/** @param keys `type,-address`: a minus turns the order round. @throws TemplateProblem */
export function sorted(hosts: readonly HostInterface[], keys: string): readonly HostInterface[] {
  const comparisons = keys.split(',').map((text): Comparison => {
    const key = text.trim().toLowerCase()
    const name = key.replace(/^[+-]/, '')
    const order = Object.hasOwn(ORDERS, name) ? ORDERS[name] : undefined
    if (order === undefined) {
      throw new TemplateProblem(
        `cannot sort by "${text}" (there are: ${Object.keys(ORDERS).join(', ')})`,
      )
    }
    return key.startsWith('-') ? (a, b) => order(b, a) : order
  })
  return hosts.toSorted((a, b) => {
    for (const comparison of comparisons) {
      const result = comparison(a, b)
      if (result !== 0) return result
    }
    return 0
  })
}

function compare<T extends string | number | bigint | undefined>(a: T, b: T): number {
  if (a === b || a === undefined || b === undefined) return 0
  return a < b ? -1 : 1
}

/** The first of each that have an attribute in common. */
export function unique(hosts: readonly HostInterface[], name: string): readonly HostInterface[] {
  const seen = new Set<string>()
  return hosts.filter((host) => {
    const value = attribute(host, name)
    if (seen.has(value)) return false
    seen.add(value)
    return true
  })
}
