/**
 * Blocks of addresses that RFCs set aside, by the number of the RFC: the selector "rfc" of templates.
 *
 * Source: the RFCs themselves and IANA's registries of special-purpose addresses (RFC 6890).
 */

import { type IpNetwork, isInNetwork, parseIpNetwork } from '../../ip-network.ts'

const BLOCKS: Readonly<Record<string, readonly string[]>> = {
  '919': ['255.255.255.255/32'],
  '1112': ['224.0.0.0/4'],
  '1122': ['0.0.0.0/8', '127.0.0.0/8'],
  '1918': ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'],
  '2544': ['198.18.0.0/15'],
  '3056': ['2002::/16'],
  '3068': ['192.88.99.0/24'],
  '3171': ['224.0.0.0/4'],
  '3849': ['2001:db8::/32'],
  '3927': ['169.254.0.0/16'],
  '4193': ['fc00::/7'],
  '4291': ['::/128', '::1/128', 'fe80::/10', 'ff00::/8'],
  '4380': ['2001::/32'],
  '4843': ['2001:10::/28'],
  '5180': ['2001:2::/48'],
  '5737': ['192.0.2.0/24', '198.51.100.0/24', '203.0.113.0/24'],
  '6052': ['64:ff9b::/96'],
  '6333': ['192.0.0.0/29'],
  '6598': ['100.64.0.0/10'],
  '6666': ['100::/64'],
  '6890': [
    '0.0.0.0/8',
    '10.0.0.0/8',
    '100.64.0.0/10',
    '127.0.0.0/8',
    '169.254.0.0/16',
    '172.16.0.0/12',
    '192.0.0.0/24',
    '192.0.2.0/24',
    '192.88.99.0/24',
    '192.168.0.0/16',
    '198.18.0.0/15',
    '198.51.100.0/24',
    '203.0.113.0/24',
    '240.0.0.0/4',
    '255.255.255.255/32',
    '::/128',
    '::1/128',
    '64:ff9b::/96',
    '::ffff:0:0/96',
    '100::/64',
    '2001::/23',
    '2001:2::/48',
    '2001:db8::/32',
    '2001::/32',
    '2001:10::/28',
    '2002::/16',
    'fc00::/7',
    'fe80::/10',
  ],
}

/** @returns undefined for an RFC that sets no block aside here */
export function rfcBlocks(number: string): readonly IpNetwork[] | undefined {
  const blocks = Object.hasOwn(BLOCKS, number) ? BLOCKS[number] : undefined
  return blocks?.flatMap((text) => parseIpNetwork(text) ?? [])
}

export function knownRfcs(): readonly string[] {
  return Object.keys(BLOCKS)
}

const NOT_FORWARDED = ['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/4', '240.0.0.0/4']
const NOT_FORWARDED_V6 = ['::/128', '::1/128', 'fe80::/10', 'ff00::/8']
const UNROUTED: readonly IpNetwork[] = [...NOT_FORWARDED, ...NOT_FORWARDED_V6].flatMap(
  (text) => parseIpNetwork(text) ?? [],
)

/** Whether routers pass packets to it on: not for loopback, link-local, multicast and the like. */
export function isForwardable(address: string): boolean {
  return !UNROUTED.some((block) => isInNetwork(block, address))
}
