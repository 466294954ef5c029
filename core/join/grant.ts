/**
 * What a host that joins by a token tells the servers, and what it gets (docs/decisions/0042).
 */

import type { TokenIdentity } from '../rpc/operator.ts'
import type { JoinRole } from './join-token.ts'

export interface JoinRequest {
  /** Of the join token. */
  readonly secret: string
  readonly node: string
  /** Tokens of access control that the host wants: of its agent, and of DNS questions. It keeps their secrets. */
  readonly agentToken: TokenIdentity
  readonly dnsToken: TokenIdentity
}

export interface JoinGrant {
  readonly role: JoinRole
  readonly datacenter: string
  readonly domain: string
  /** PEM, one certificate each. */
  readonly authorities: readonly string[]
  /** Base64; '' where gossip is not encrypted. */
  readonly gossipKey: string
  /** `host:port` of servers in the gossip pool. */
  readonly retryJoin: readonly string[]
  readonly hasAcl: boolean
  readonly defaultPolicy: 'allow' | 'deny'
  /** PEM of the key that makes certificates of servers; for servers alone, '' for others. */
  readonly authorityKey: string
}
