/**
 * Requests that the configuration keeps out: blocked endpoints, and writes from elsewhere (http-api.md 1.2).
 *
 * Judges by the address of the connection: what a header says of the client is not to be trusted.
 */

import type { IncomingMessage } from 'node:http'
import { withoutMapping } from '../../core/config/ip-address.ts'
import type { HttpConfig } from '../../core/config/model.ts'
import { isInNetwork } from '../../core/ip-network.ts'
import { decodePercent } from './path.ts'
import { type Reply, textReply } from './reply.ts'

const READS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])
const BLOCKED = textReply(403, 'Endpoint is blocked by agent configuration')
const RESTRICTED = textReply(403, 'Access is restricted')

/** @param path as it was sent @returns undefined for a request that may pass */
export function refusedAccess(
  { blockedEndpoints, writersFrom }: HttpConfig,
  path: string,
  request: IncomingMessage,
): Reply | undefined {
  if (blockedEndpoints.length > 0) {
    // A letter may be written as %6b, and means the same.
    const plain = decodePercent(path, 'reject') ?? path
    if (blockedEndpoints.some((prefix) => plain.startsWith(prefix))) return BLOCKED
  }
  if (writersFrom.length === 0 || READS.has(request.method ?? '')) return undefined
  const address = withoutMapping(request.socket.remoteAddress ?? '')
  return writersFrom.some((network) => isInNetwork(network, address)) ? undefined : RESTRICTED
}
