/**
 * What the leader does for a host that comes with a join token (docs/decisions/0042).
 *
 * Guarantees: nothing is handed out before the use of the token is in the log; a client gets a token of access control for
 * its own node and one for DNS, and no key; a server gets the key of the authority, without which it could not serve joins
 * in its turn. Secrets are neither logged nor kept.
 */

import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { TokenWrite } from '../../core/acl/records.ts'
import { hashSecret } from '../../core/acl/secret.ts'
import type { Command } from '../../core/catalog/commands.ts'
import type { StateReader } from '../../core/catalog/store-api.ts'
import { hostAndPort } from '../../core/cluster/server-members.ts'
import type { AgentConfig } from '../../core/config/model.ts'
import { FairleadError } from '../../core/errors.ts'
import type { JoinGrant, JoinRequest } from '../../core/join/grant.ts'
import type { JoinRole } from '../../core/join/join-token.ts'
import type { Logger } from '../../core/log.ts'
import type { Membership } from '../../core/membership.ts'
import type { TokenIdentity } from '../../core/rpc/operator.ts'
import type { Clock } from '../../core/time.ts'
import { readPrivateKey } from '../../runtime/pki/keys.ts'

const SECRET_LENGTH_MAX = 64
const DNS_TEMPLATE = 'builtin/dns'

export interface JoinActsDeps {
  readonly store: Pick<StateReader, 'read' | 'joinTokenByHash'>
  readonly write: (command: Command) => Promise<unknown>
  readonly membership: Membership
  /** PEM of the operator's own, one certificate each. */
  readonly authorities: () => readonly string[]
  /** Base64; '' where gossip is not encrypted. */
  readonly gossipKey: () => string
  readonly clock: Clock
  readonly log: Logger
}

type JoinConfig = Pick<AgentConfig, 'datacenter' | 'domain' | 'acl' | 'tls'>

export class JoinActs {
  readonly #config: JoinConfig
  readonly #deps: JoinActsDeps

  constructor(config: JoinConfig, deps: JoinActsDeps) {
    this.#config = config
    this.#deps = deps
  }

  /** By which a host knows the servers, before it says what it has. */
  authorities(): readonly string[] {
    return this.#deps.authorities()
  }

  /** @throws FairleadError PERMISSION_DENIED, NOT_SUPPORTED where this server lacks what it takes */
  async redeem(request: JoinRequest): Promise<JoinGrant> {
    const { store, write, clock, log, gossipKey } = this.#deps
    const { datacenter, domain, acl } = this.#config
    const { node, secret } = request
    // Before it costs a digest.
    if (secret.length > SECRET_LENGTH_MAX) throw refused()
    const secretHash = hashSecret(secret)
    const role = store.joinTokenByHash(secretHash)?.role ?? 'client'
    // Before the token is used up.
    const authorityKey = role === 'server' ? await this.#authorityKey() : ''
    await write({ kind: 'join-token.use', secretHash, node, now: clock.wall() })
    if (acl.enabled) await this.#makeTokens(request, role)
    log.info('a host joins by a token', { node, role })
    return {
      role,
      datacenter,
      domain,
      authorities: this.authorities(),
      gossipKey: gossipKey(),
      retryJoin: this.#gossipAddresses(),
      hasAcl: acl.enabled,
      defaultPolicy: acl.defaultPolicy,
      authorityKey,
    }
  }

  async #makeTokens({ node, agentToken, dnsToken }: JoinRequest, role: JoinRole): Promise<void> {
    const { datacenter } = this.#config
    // A server does what it does by itself without a token.
    if (role === 'client') {
      await this.#makeToken(agentToken, `Agent of ${node}, which joined by a token`, {
        nodeIdentities: [{ nodeName: node, datacenter }],
      })
    }
    const links = [{ templateName: DNS_TEMPLATE, variables: {}, datacenters: [] }]
    await this.#makeToken(dnsToken, `DNS of ${node}, which joined by a token`, {
      templatedPolicies: links,
    })
  }

  async #makeToken(
    { accessorId, secretHash }: TokenIdentity,
    description: string,
    grants: Partial<Pick<TokenWrite, 'nodeIdentities' | 'templatedPolicies'>>,
  ): Promise<void> {
    const token: TokenWrite = {
      accessorId,
      secretHash,
      description,
      policies: [],
      roles: [],
      serviceIdentities: [],
      nodeIdentities: [],
      templatedPolicies: [],
      local: false,
      authMethod: '',
      ttlMs: 0,
      ...grants,
    }
    const now = this.#deps.clock.wall()
    await this.#deps.write({ kind: 'acl.token.set', mode: 'create', token, now })
  }

  async #authorityKey(): Promise<string> {
    const { authorityKeyFile } = this.#config.tls
    if (authorityKeyFile === '') {
      throw new FairleadError(
        'NOT_SUPPORTED',
        'This cluster lets no servers join by token: no server has the key of the authority; set tls.authority_key_file',
      )
    }
    const pem = await readFile(authorityKeyFile, 'utf8')
    const { key } = readPrivateKey(pem)
    if (this.authorities().some((cert) => new X509Certificate(cert).checkPrivateKey(key)))
      return pem
    throw new FairleadError(
      'NOT_SUPPORTED',
      'The key in tls.authority_key_file of the leader belongs to none of the authorities in tls.internal_rpc.ca_file',
    )
  }

  #gossipAddresses(): readonly string[] {
    const { membership } = this.#deps
    return membership
      .members()
      .filter(({ tags, status }) => tags['role'] === 'consul' && status === 'alive')
      .map(({ address, port }) => hostAndPort(address, port))
      .slice(0, 8)
  }
}

function refused(): FairleadError {
  return new FairleadError('PERMISSION_DENIED', 'Permission denied: that is no join token')
}
