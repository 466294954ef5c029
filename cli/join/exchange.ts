/**
 * The exchange of a join token for a place in the cluster: from the host that joins to a server (docs/decisions/0042).
 *
 * Guarantees: the secret goes to nobody but a server whose certificate is of the authority that the token names, for the name
 * that the token names. Servers are tried in turn until one answers; one that refuses is final.
 */

import { createHash, X509Certificate } from 'node:crypto'
import { checkServerIdentity, createSecureContext } from 'node:tls'
import { FairleadError } from '../../core/errors.ts'
import type { JoinGrant, JoinRequest } from '../../core/join/grant.ts'
import type { JoinTicket } from '../../core/join/join-token.ts'
import type { Clock } from '../../core/time.ts'
import { RpcCallError, RpcChannel } from '../../runtime/rpc/rpc-channel.ts'
import type { OutgoingTls } from '../../runtime/tls/rpc-tls.ts'

const CONNECT_TIMEOUT_MS = 5_000
const ANSWER_TIMEOUT_MS = 30_000

/** @returns what the cluster gives, and the authority that the token names. @throws FairleadError */
export async function redeem(
  ticket: JoinTicket,
  request: JoinRequest,
  clock: Clock,
): Promise<JoinGrant> {
  const failures: string[] = []
  for (const address of ticket.servers) {
    try {
      const authority = await authorityOf(address, ticket, clock)
      return await call(address, checked(authority, ticket.serverName), clock, async (channel) => {
        const message = { name: 'join.redeem', request }
        return (await channel.call('operate', message, {
          timeoutMs: ANSWER_TIMEOUT_MS,
        })) as JoinGrant
      })
    } catch (thrown) {
      const refusal = refusalOf(thrown)
      if (refusal !== undefined) throw refusal
      failures.push(`${address}: ${thrown instanceof Error ? thrown.message : String(thrown)}`)
    }
  }
  throw new FairleadError(
    'NO_SERVERS',
    `No server of the token could be asked:\n  ${failures.join('\n  ')}`,
    { facts: { hint: 'are the servers running, and is their port of RPC open to this host?' } },
  )
}

/** What a server has decided; another would not decide otherwise. */
function refusalOf(thrown: unknown): FairleadError | undefined {
  if (thrown instanceof FairleadError && thrown.code !== 'NO_SERVERS') return thrown
  if (!(thrown instanceof RpcCallError) || thrown.failure.kind !== 'refused') return undefined
  const { error } = thrown.failure
  return error.entry.retryable ? undefined : error
}

/** Before anything is known of the server, and therefore before anything is told to it. */
async function authorityOf(address: string, { pin }: JoinTicket, clock: Clock): Promise<string> {
  const authorities = await call(address, UNCHECKED, clock, async (channel) => {
    const message = { name: 'join.authorities', request: {} }
    return (await channel.call('operate', message, {
      timeoutMs: ANSWER_TIMEOUT_MS,
    })) as readonly string[]
  })
  const found = authorities.find((pem) => digestOf(pem) === pin)
  if (found !== undefined) return found
  throw new FairleadError(
    'PERMISSION_DENIED',
    `The server at ${address} is not one of those that made the token: its authority is another`,
    { facts: { hint: 'check the address, and who answers there; nothing was told to it' } },
  )
}

async function call<T>(
  address: string,
  tls: OutgoingTls,
  clock: Clock,
  work: (channel: RpcChannel) => Promise<T>,
): Promise<T> {
  const channel = await RpcChannel.open(address, clock, { tls })
  try {
    await channel.whenReady(CONNECT_TIMEOUT_MS)
    return await work(channel)
  } finally {
    channel.close()
  }
}

const UNCHECKED: OutgoingTls = {
  version: 0,
  context: createSecureContext({ minVersion: 'TLSv1.2' }),
  serverName: 'server.joining.invalid',
  checkIdentity: () => undefined,
  isUnchecked: true,
}

function checked(authority: string, serverName: string): OutgoingTls {
  return {
    version: 1,
    context: createSecureContext({ ca: authority, minVersion: 'TLSv1.2' }),
    serverName,
    checkIdentity: (_host, certificate) => checkServerIdentity(serverName, certificate),
  }
}

function digestOf(pem: string): string | undefined {
  try {
    return createHash('sha256').update(new X509Certificate(pem).raw).digest('base64url')
  } catch {
    return undefined
  }
}
