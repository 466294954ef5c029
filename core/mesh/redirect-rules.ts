/**
 * The rules of nftables that take connections into the mesh, and the table that they are in (mesh.md 13.1,
 * docs/decisions/0027). Pure: from options to the text that `nft -f` reads.
 *
 * Guarantees: all is in one table of our own, so that deleting the table is the exact undo; the text replaces a former
 * table in one transaction, so that there is no moment without rules and doing it twice is doing it once. Only packets
 * that open a connection match: what is open stays as it is. Sorted and without repeats, so that equal options
 * give equal text.
 */

import { VIRTUAL_BASE, virtualAddress } from './virtual-address.ts'

export const REDIRECT_TABLE = 'fairlead_redirect'
/** Offsets of services go as far as the loopback range does (core/catalog/virtual-ips.ts). */
const OFFSET_BITS_MAX = 23

export interface ManualAddress {
  /** Given by an operator. */
  readonly address: string
  /** 240.0.0.0 + offset, of the same service. */
  readonly virtualIp: string
}

export interface RedirectOptions {
  /** Whose traffic is left alone: else the proxy would call itself. */
  readonly proxyUid: number
  readonly inboundPort: number
  readonly outboundPort: number
  readonly loopbackBase: string
  readonly manualAddresses: readonly ManualAddress[]
  readonly excludeInboundPorts: readonly number[]
  readonly excludeOutboundPorts: readonly number[]
  /** IPv4 and IPv6. */
  readonly excludeOutboundCidrs: readonly string[]
  readonly excludeUids: readonly number[]
  /** Where questions of DNS go; without a port all of them go there, with one those to this address. */
  readonly dns: { readonly ip: string; readonly port: number | undefined } | undefined
  /** Connections that leave the host for elsewhere are refused. */
  readonly meshDestinationsOnly: boolean
}

/** The virtual addresses that can be redirected to a loopback base, as a prefix. */
export function redirectedRange(loopbackBase: string): string {
  return `${VIRTUAL_BASE}/${32 - offsetBits(loopbackBase)}`
}

/** How many of the last bits of a base are free for offsets: the rule has no sum, only "or". */
function offsetBits(loopbackBase: string): number {
  const value = numberOf(loopbackBase)
  let bits = 0
  while (bits < OFFSET_BITS_MAX && value % 2 ** (bits + 1) === 0) bits++
  return bits
}

function numberOf(address: string): number {
  return address.split('.').reduce((value, part) => value * 256 + Number(part), 0)
}

const OPENS = 'tcp flags & (fin | syn | rst | ack) == syn'

export function redirectRules(options: RedirectOptions): string {
  return [
    ...removal(),
    `table inet ${REDIRECT_TABLE} {`,
    ...chain('outbound', 'nat hook output priority -100', outbound(options)),
    ...chain('inbound', 'nat hook prerouting priority -100', inbound(options)),
    ...(options.meshDestinationsOnly
      ? chain('mesh_only', 'filter hook output priority 0', meshOnly(options))
      : []),
    '}',
    '',
  ].join('\n')
}

/** Takes the table away whether or not it is there. */
export function undoRules(): string {
  return `${removal().join('\n')}\n`
}

function removal(): string[] {
  return [`table inet ${REDIRECT_TABLE}`, `delete table inet ${REDIRECT_TABLE}`]
}

function chain(name: string, hook: string, rules: readonly string[]): string[] {
  const lines = [`type ${hook}; policy accept;`, ...rules].map((line) => `    ${line}`)
  return [`  chain ${name} {`, ...lines, '  }']
}

function outbound(options: RedirectOptions): string[] {
  const { loopbackBase, outboundPort, manualAddresses } = options
  const mask = virtualAddress('0.0.0.0', 2 ** offsetBits(loopbackBase) - 1)
  return [
    // First of all, also before DNS: the agent's own questions must not come back to it.
    ...left('meta skuid', [options.proxyUid, ...options.excludeUids]),
    ...dnsRules(options.dns),
    ...exclusions(options),
    `ip daddr ${redirectedRange(loopbackBase)} ${OPENS} dnat ip to ip daddr & ${mask} | ${loopbackBase}:${outboundPort}`,
    ...[...manualAddresses]
      .sort((a, b) => numberOf(a.address) - numberOf(b.address))
      .map(({ address, virtualIp }) => {
        const offset = numberOf(virtualIp) - numberOf(VIRTUAL_BASE)
        return `ip daddr ${address} ${OPENS} dnat ip to ${virtualAddress(loopbackBase, offset)}:${outboundPort}`
      }),
  ]
}

function exclusions(options: RedirectOptions): string[] {
  const cidrs = options.excludeOutboundCidrs
  return [
    ...left(
      'ip daddr',
      cidrs.filter((cidr) => !cidr.includes(':')),
    ),
    ...left(
      'ip6 daddr',
      cidrs.filter((cidr) => cidr.includes(':')),
    ),
    ...left('tcp dport', options.excludeOutboundPorts),
  ]
}

function dnsRules(dns: RedirectOptions['dns']): string[] {
  if (dns === undefined) return []
  const isV6 = dns.ip.includes(':')
  const family = isV6 ? 'ip6' : 'ip'
  const only =
    dns.port === undefined ? `meta nfproto ipv${isV6 ? 6 : 4}` : `${family} daddr ${dns.ip}`
  const host = isV6 ? `[${dns.ip}]` : dns.ip
  const to = dns.port === undefined ? host : `${host}:${dns.port}`
  return ['udp', 'tcp'].map((protocol) => `${only} ${protocol} dport 53 dnat ${family} to ${to}`)
}

function inbound({ inboundPort, excludeInboundPorts }: RedirectOptions): string[] {
  return [
    'iif lo return',
    // What this host only passes on is not for its services.
    'fib daddr type != local return',
    ...left('tcp dport', [inboundPort, ...excludeInboundPorts]),
    `${OPENS} redirect to :${inboundPort}`,
  ]
}

/** After the rules above: what goes into the mesh goes to loopback by now. */
function meshOnly(options: RedirectOptions): string[] {
  return [
    'oif lo return',
    ...left('meta skuid', [options.proxyUid, ...options.excludeUids]),
    ...exclusions(options),
    `${OPENS} reject with tcp reset`,
  ]
}

function left(match: string, values: readonly (number | string)[]): string[] {
  if (values.length === 0) return []
  const distinct = [...new Set(values)].sort((a, b) =>
    typeof a === 'number' && typeof b === 'number' ? a - b : String(a) < String(b) ? -1 : 1,
  )
  return [`${match} { ${distinct.join(', ')} } return`]
}
