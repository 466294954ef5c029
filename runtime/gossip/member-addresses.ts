/**
 * What the address of a member stands for (gossip.md 9).
 *
 * Names are looked up anew each time; all their addresses of the pool's family are taken.
 * Bounds: RESOLVED_MAX addresses for one name.
 */

import { lookup } from 'node:dns/promises'
import { ipFamily } from '../../core/config/ip-address.ts'
import { parseMemberAddress } from '../../core/config/member-address.ts'
import { FairleadError } from '../../core/errors.ts'
import type { NodeAddress } from '../../core/swim/types.ts'

const RESOLVED_MAX = 64

/** @throws FairleadError BAD_REQUEST | NO_SERVERS when the name has no address of this family */
export async function resolveMemberAddress(text: string, family: 4 | 6): Promise<NodeAddress[]> {
  const parsed = parseMemberAddress(text)
  if (parsed === null) {
    throw new FairleadError(
      'BAD_REQUEST',
      `"${text}" is not an address of a member; write host, host:port or [ipv6]:port`,
    )
  }
  const { host, port } = parsed
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
