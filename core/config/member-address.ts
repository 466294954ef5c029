/**
 * What operators write as the address of a member (gossip.md 9, agent-config.md 17). Pure, looks nothing up.
 *
 * `host`, `host:port`, `[v6]:port`, a bare IPv6 address, each also after `name/`.
 */

import { ipFamily } from './ip-address.ts'

const DEFAULT_GOSSIP_PORT = 8301

/** @returns null for what cannot be an address */
export function parseMemberAddress(
  text: string,
): { readonly host: string; readonly port: number } | null {
  const address = text.slice(text.indexOf('/') + 1)
  if (ipFamily(address) !== undefined) return { host: address, port: DEFAULT_GOSSIP_PORT }
  const match = /^(?:\[([^\]]+)\]|([^:[\]\s]+))(?::(\d{1,5}))?$/.exec(address)
  const host = match?.[1] ?? match?.[2]
  const port = match?.[3] === undefined ? DEFAULT_GOSSIP_PORT : Number(match[3])
  const isV6Wanted = match?.[1] !== undefined
  if (host === undefined || port < 1 || port > 65_535) return null
  return isV6Wanted && ipFamily(host) !== 6 ? null : { host, port }
}
