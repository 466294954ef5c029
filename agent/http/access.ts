/**
 * Requests that the configuration keeps out: blocked endpoints, and writes from elsewhere (http-api.md 1.2).
 *
 * Judges writers by the address of the connection: what a header says of the client is not to be trusted.
 */

import type { IncomingMessage } from 'node:http'
import { withoutMapping } from '../../core/config/ip-address.ts'
import type { HttpConfig } from '../../core/config/model.ts'
import { isInNetwork } from '../../core/ip-network.ts'
import { type Reply, textReply } from './reply.ts'

const READS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])
const BLOCKED = textReply(403, 'Endpoint is blocked by agent configuration')
const RESTRICTED = textReply(403, 'Access is restricted')

/** @param path decoded: a letter may be written as %6b, and means the same @returns undefined for one that may be used */
export function refusedEndpoint({ blockedEndpoints }: HttpConfig, path: string): Reply | undefined {
  return blockedEndpoints.some((prefix) => path.startsWith(prefix)) ? BLOCKED : undefined
}

/** @returns undefined for a request that may pass */
export function refusedWrite(
  { writersFrom }: HttpConfig,
  request: IncomingMessage,
): Reply | undefined {
  if (writersFrom.length === 0 || READS.has(request.method ?? '')) return undefined
  const address = withoutMapping(request.socket.remoteAddress ?? '')
  return writersFrom.some((network) => isInNetwork(network, address)) ? undefined : RESTRICTED
}
