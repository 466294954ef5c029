/**
 * A server that the whole world could write to does not start, unless that was said twice (docs/decisions/0042). Pure.
 *
 * Public is an address that can be reached from the internet; within private ranges a warning is enough. Bound to all
 * addresses counts by what the host has. DNS is left out: it shows names and changes nothing.
 */

import { ipFamily, isAnyAddress, isLinkLocal, isLoopback, isPrivate } from './ip-address.ts'
import type { AgentConfig } from './model.ts'
import type { RawReader } from './raw-reader.ts'
import type { HostInterface } from './sockaddr/host-interface.ts'

const KEY = 'allow_open_server'

/** IPv4 that looks public and is not routed: carriers' shared range, benchmarks, documentation, and what is reserved. */
const UNROUTED =
  /^(?:0\.|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|192\.0\.[02]\.|198\.1[89]\.|198\.51\.100\.|203\.0\.113\.|2[4-5]\d\.)/

export function isPublicAddress(address: string): boolean {
  if (ipFamily(address) === undefined) return false
  if (isAnyAddress(address) || isLoopback(address)) return false
  if (isPrivate(address) || isLinkLocal(address)) return false
  return !UNROUTED.test(address) && !/^2001:0?db8:/i.test(address)
}

export function refuseOpenServer(
  reader: RawReader,
  config: AgentConfig,
  interfaces: readonly HostInterface[],
): void {
  if (config.acl.enabled) return
  const reached = listening(config).flatMap((address) => reachedBy(address, interfaces))
  const publics = [...new Set(reached.filter(isPublicAddress))]
  const what = config.server ? 'this server' : 'the API of this agent'
  if (publics.length === 0) {
    const others = reached.filter((address) => !isLoopback(address))
    if (others.length === 0 || !config.server) return
    reader.warnings.push(
      `Access control is off: whoever reaches ${what} at ${[...new Set(others)].join(', ')} can read and change everything`,
    )
    return
  }
  const open = `${what} listens on the public address ${publics.join(', ')} with access control off: whoever reaches it can read and change everything`
  const isToldTwice = reader.has('acl.enabled') && reader.bool(KEY, false)
  if (!config.server || isToldTwice) {
    reader.warnings.push(open)
    return
  }
  reader.problem(
    reader.has('acl.enabled') ? KEY : 'acl.enabled',
    open,
    'turn it on (acl { enabled = true }; fairlead init sets up all of it), or set bind_addr and client_addr to a private address; to leave it open say so twice: acl { enabled = false } allow_open_server = true',
  )
}

function listening(config: AgentConfig): readonly string[] {
  const { ports, httpAddresses, httpsAddresses, grpcAddresses, server, bindAddress } = config
  return [
    ...(server ? [bindAddress] : []),
    ...(ports.http >= 0 ? httpAddresses : []),
    ...(ports.https >= 0 ? httpsAddresses : []),
    ...(ports.grpc >= 0 ? grpcAddresses : []),
  ]
}

function reachedBy(address: string, interfaces: readonly HostInterface[]): readonly string[] {
  if (!isAnyAddress(address)) return [address]
  const isIpv4 = ipFamily(address) === 4
  return interfaces
    .map((each) => each.address)
    .filter((each) => !isLinkLocal(each) && (!isIpv4 || ipFamily(each) === 4))
}
