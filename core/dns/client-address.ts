/**
 * Where a question comes from: the subnet that a resolver names for its client, else the sender (dns.md 6, 12). Pure.
 */

import { withoutMapping } from '../config/ip-address.ts'
import type { EdnsQuery } from './decode.ts'
import { formatIp } from './ip.ts'

/** @param sender its address; one of IPv4 may come in the form of IPv6 */
export function clientAddress(
  question: { readonly edns?: Pick<EdnsQuery, 'clientSubnet'> | null },
  sender: string,
): string {
  const subnet = question.edns?.clientSubnet ?? null
  if (subnet === null) return withoutMapping(sender)
  const bytes = new Uint8Array(subnet.family === 1 ? 4 : 16)
  bytes.set(subnet.address)
  return formatIp(bytes)
}
