/**
 * What operators write as the address of a member, and what it stands for (gossip.md 9, agent-config.md 17).
 *
 * `host`, `host:port`, `[v6]:port`, a bare IPv6 address, each also after `name/`. Names are looked up anew each time; all
 * their addresses of the pool's family are taken. Bounds: RESOLVED_MAX addresses for one name.
 */

import { lookup } from 'node:dns/promises'
import { ipFamily } from '../../core/config/ip-address.ts'
import { FairleadError } from '../../core/errors.ts'
import type { NodeAddress } from '../../core/swim/types.ts'

export const DEFAULT_GOSSIP_PORT = 8301
const RESOLVED_MAX = 64

/** @throws FairleadError BAD_REQUEST for what cannot be an address */
export function parseMemberAddress(text: string): { readonly host: string; readonly port: number } {
  const address = text.slice(text.indexOf('/') + 1)
  if (ipFamily(address) !== undefined) return { host: address, port: DEFAULT_GOSSIP_PORT }
  const match = /^(?:\[([^\]]+)\]|([^:[\]\s]+))(?::(\d{1,5}))?$/.exec(address)
  const host = match?.[1] ?? match?.[2]
  const port = match?.[3] === undefined ? DEFAULT_GOSSIP_PORT : Number(match[3])
  const isV6Wanted = match?.[1] !== undefined
  if (host === undefined || port < 1 || port > 65_535 || (isV6Wanted && ipFamily(host) !== 6)) {
    throw new FairleadError(
      'BAD_REQUEST',
      `"${text}" is not an address of a member; write host, host:port or [ipv6]:port`,
    )
  }
  return { host, port }
}

/** @throws FairleadError BAD_REQUEST | NO_SERVERS when the name has no address of this family */
export async function resolveMemberAddress(text: string, family: 4 | 6): Promise<NodeAddress[]> {
  const { host, port } = parseMemberAddress(text)
  if (ipFamily(host) !== undefined) return [{ address: host, port }]
  try {
    const found = await lookup(host, { all: true, family })
    return found.slice(0, RESOLVED_MAX).map(({ address }) => ({ address, port }))
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new FairleadError('NO_SERVERS', `cannot look up "${host}": ${reason}`, { cause })
  }
}

/** `10.0.0.1:8301`, `[::1]:8301`. */
export function addressText({ address, port }: NodeAddress): string {
  return ipFamily(address) === 6 ? `[${address}]:${port}` : `${address}:${port}`
}
