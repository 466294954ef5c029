/**
 * Join tokens: what lets a new host into the cluster once or a few times, for a short while (docs/decisions/0042).
 *
 * What the servers keep of one, and how it is written down for the operator. The text says where servers are, by what name
 * and digest of their authority they are to be known, and the secret; the servers keep the digest of the secret. Pure.
 */

import type { Indexed } from '../catalog/types.ts'
import { FairleadError } from '../errors.ts'

export type JoinRole = 'client' | 'server'

export interface JoinTokenRecord extends Indexed {
  readonly id: string
  readonly secretHash: string
  readonly role: JoinRole
  /** The one node that may join by it, which may be in the cluster already; '' for any that is not. */
  readonly node: string
  readonly description: string
  readonly usesLeft: number
  /** Epoch ms. */
  readonly createdAt: number
  readonly expiresAt: number
}

/** As it is asked for. */
export interface JoinTokenWrite
  extends Pick<JoinTokenRecord, 'id' | 'secretHash' | 'role' | 'node' | 'description'> {
  readonly uses: number
  readonly ttlMs: number
}

export const JOIN_TTL_DEFAULT_MS = 3_600_000
export const JOIN_TTL_MIN_MS = 60_000
export const JOIN_TTL_MAX_MS = 7 * 24 * 3_600_000
export const JOIN_USES_MAX = 10_000
export const JOIN_TOKENS_MAX = 256

/** What the text of a join token says. */
export interface JoinTicket {
  /** `host:port` of servers' RPC. */
  readonly servers: readonly string[]
  /** `server.<datacenter>.<domain>` */
  readonly serverName: string
  /** SHA-256 of the DER of the authority's certificate, base64url. */
  readonly pin: string
  readonly secret: string
}

const PREFIX = 'flj1_'
const TEXT_MAX = 4_096
const DIGEST = /^[A-Za-z0-9_-]{43}$/
const SERVERS_MAX = 8

/** Tells a join token from an address. */
export function isJoinTicket(text: string): boolean {
  return text.startsWith(PREFIX)
}

/** @param encode to base64url */
export function writeJoinTicket(ticket: JoinTicket, encode: (text: string) => string): string {
  const { servers, serverName, pin, secret } = ticket
  return PREFIX + encode(JSON.stringify([servers.slice(0, SERVERS_MAX), serverName, pin, secret]))
}

/** @param decode of base64url. @throws FairleadError BAD_REQUEST */
export function readJoinTicket(text: string, decode: (text: string) => string): JoinTicket {
  const trimmed = text.trim()
  if (!isJoinTicket(trimmed) || trimmed.length > TEXT_MAX) throw noTicket()
  let value: unknown
  try {
    value = JSON.parse(decode(trimmed.slice(PREFIX.length)))
  } catch (cause) {
    throw noTicket(cause)
  }
  if (!Array.isArray(value) || value.length !== 4) throw noTicket()
  const [servers, serverName, pin, secret] = value as readonly unknown[]
  const isGood =
    Array.isArray(servers) &&
    servers.length > 0 &&
    servers.length <= SERVERS_MAX &&
    servers.every((server) => typeof server === 'string' && /^\S{1,255}:\d{1,5}$/.test(server)) &&
    typeof serverName === 'string' &&
    /^server\.[a-z0-9_.-]{1,255}$/.test(serverName) &&
    typeof pin === 'string' &&
    DIGEST.test(pin) &&
    typeof secret === 'string' &&
    DIGEST.test(secret)
  if (!isGood) throw noTicket()
  return { servers, serverName, pin, secret } as JoinTicket
}

function noTicket(cause?: unknown): FairleadError {
  return new FairleadError('BAD_REQUEST', 'That is no join token, or a part of one', {
    cause,
    facts: { hint: 'copy the whole line; a new one: fairlead join-token create' },
  })
}
