/**
 * Makes the access control of an agent, and says on whose behalf its parts ask the servers.
 *
 * A server asks nobody for what it does by itself: it has the state. A client does it with its own token, and what is
 * registered with it goes with the token that came with it.
 */

import type { AgentAcl } from '../../agent/acl/access.ts'
import { AgentTokens } from '../../agent/acl/agent-tokens.ts'
import { DnsRights } from '../../agent/acl/dns-rights.ts'
import { TokenResolver } from '../../agent/acl/token-resolver.ts'
import type { LocalState } from '../../agent/local/local-state.ts'
import type { LeafStoreDeps } from '../../agent/mesh/leaf-store.ts'
import type { Registrants } from '../../agent/sync/anti-entropy.ts'
import { assertAllowed } from '../../core/acl/denial.ts'
import type { AgentConfig } from '../../core/config/model.ts'
import type { Logger } from '../../core/log.ts'
import { parseSpiffeUri } from '../../core/mesh/spiffe.ts'
import type { ServerApi } from '../../core/rpc/server-api.ts'
import type { Clock } from '../../core/time.ts'

/** How often a server looks up what DNS may show; it need not ask anybody. */
const SERVER_DNS_MS = 1_000

export interface AgentAclParts extends AgentAcl {
  readonly tokens: AgentTokens
  readonly dnsRights: DnsRights
}

/** Without access control there are none. */
export function createTokens(config: AgentConfig, log: Logger): AgentTokens | undefined {
  const { acl, dataDir } = config
  if (!acl.enabled) return undefined
  const options = { configured: acl.tokens, dataDir, isKept: acl.keepsTokens }
  return new AgentTokens(options, { log: log.child('acl') })
}

export function createAgentAcl(
  config: AgentConfig,
  tokens: AgentTokens | undefined,
  {
    servers,
    clock,
    log,
  }: { readonly servers: ServerApi; readonly clock: Clock; readonly log: Logger },
): AgentAclParts | undefined {
  if (tokens === undefined) return undefined
  const { acl, nodeName, server } = config
  const resolver = new TokenResolver(
    {
      nodeName,
      defaultPolicy: acl.defaultPolicy,
      downPolicy: acl.downPolicy,
      ttlMs: server ? 0 : acl.tokenTtlMs,
      recoverySecret: () => tokens.of('agent_recovery'),
    },
    { servers, clock, log: log.child('acl') },
  )
  const periodMs = server ? SERVER_DNS_MS : Math.max(SERVER_DNS_MS, acl.tokenTtlMs)
  const dnsRights = new DnsRights(
    { periodMs },
    { acl: { tokens, resolver }, clock, log: log.child('dns') },
  )
  return { tokens, resolver, dnsRights }
}

/** The servers as the agent asks them for itself. */
export function ownServers(
  config: AgentConfig,
  acl: AgentAcl | undefined,
  servers: ServerApi,
): ServerApi {
  return acl === undefined || config.server ? servers : servers.as(() => acl.tokens.agent)
}

/**
 * On whose behalf what is registered with this agent is synced. A server's own writes are asked no rights, so it writes
 * as the one who registered wherever that is known.
 */
export function registrants(
  config: AgentConfig,
  acl: AgentAcl | undefined,
  { local, servers }: { readonly local: LocalState; readonly servers: ServerApi },
): Registrants | undefined {
  if (acl === undefined) return undefined
  const { tokens } = acl
  const orElse = (secret: string, fallback: () => string): ServerApi =>
    config.server && secret === '' ? servers : servers.as(() => secret || fallback())
  return {
    service: (id) => {
      const isFromFile = local.services().get(id)?.source === 'config'
      return orElse(local.serviceToken(id), () => tokens.registration(isFromFile))
    },
    check: (id) => {
      const found = local.checks().get(id)
      return orElse(local.checkToken(id), () =>
        found?.check.serviceId === ''
          ? tokens.agent
          : tokens.registration(found?.source === 'config'),
      )
    },
  }
}

/**
 * On whose behalf a leaf is signed: of who asks, else of who registered the service or its proxy with this agent. A
 * server signs by itself what was registered without a token, which only its own files can do.
 */
export function leafSigner(
  config: AgentConfig,
  acl: AgentAcl | undefined,
  { local, servers }: { readonly local: LocalState; readonly servers: ServerApi },
): LeafStoreDeps['signer'] {
  if (acl === undefined) return undefined
  return (uri, secret) => {
    const registrant = secret ?? registrantOf(uri, local)
    if (config.server && registrant === '') return servers
    return servers.as(() => registrant || acl.tokens.agent)
  }
}

function registrantOf(uri: string, local: LocalState): string {
  const id = parseSpiffeUri(uri)
  if ('error' in id || id.kind !== 'service') return ''
  for (const [serviceId, { service }] of local.services()) {
    const name = service.proxy?.destinationServiceName || service.service
    const secret = name === id.service ? local.serviceToken(serviceId) : ''
    if (secret !== '') return secret
  }
  return ''
}

/** Whoever is told the configuration of a sidecar gets the key of its service too: he must be allowed to be it. */
export function sidecarRights({
  resolver,
  tokens,
}: AgentAcl): (secret: string, service: string) => Promise<void> {
  return async (secret, service) => {
    assertAllowed(await resolver.resolve(secret || tokens.default), 'service', 'write', service)
  }
}
