/**
 * The access control part of the configuration (agent-config.md section 9).
 */

import type { DefaultPolicy } from '../acl/authorizer.ts'
import type { RawReader } from './raw-reader.ts'

/** What to go by while no server can say what a token may do. */
export type DownPolicy = 'allow' | 'deny' | 'extend-cache' | 'async-cache'

export interface AgentTokens {
  readonly agent: string
  readonly default: string
  readonly agent_recovery: string
  readonly replication: string
  readonly config_file_service_registration: string
  readonly dns: string
}

export interface AclConfig {
  readonly enabled: boolean
  readonly defaultPolicy: DefaultPolicy
  readonly downPolicy: DownPolicy
  readonly tokenTtlMs: number
  readonly listsKeysByPolicy: boolean
  readonly keepsTokens: boolean
  readonly initialManagement: string
  readonly tokens: AgentTokens
}

export function resolveAcl(reader: RawReader): AclConfig {
  const token = (name: string): string => reader.text(`acl.tokens.${name}`, '')
  return {
    enabled: reader.bool('acl.enabled', false),
    defaultPolicy: oneOf(reader, 'acl.default_policy', ['allow', 'deny']),
    downPolicy: oneOf(reader, 'acl.down_policy', ['extend-cache', 'allow', 'deny', 'async-cache']),
    tokenTtlMs: reader.number('acl.token_ttl', 30_000),
    listsKeysByPolicy: reader.bool('acl.enable_key_list_policy', false),
    keepsTokens: reader.bool('acl.enable_token_persistence', false),
    initialManagement: token('initial_management'),
    tokens: {
      agent: token('agent'),
      default: token('default'),
      agent_recovery: token('agent_recovery'),
      replication: token('replication'),
      config_file_service_registration: token('config_file_service_registration'),
      dns: token('dns'),
    },
  }
}

/** The first word is the default. */
function oneOf<T extends string>(
  reader: RawReader,
  key: string,
  words: readonly [T, ...(readonly T[])],
): T {
  const given = reader.text(key, '')
  if (given === '') return words[0]
  const found = words.find((word) => word === given)
  if (found !== undefined) return found
  const known = words.map((word) => `"${word}"`).join(', ')
  reader.problem(key, `${key} cannot be ${JSON.stringify(given)}`, `use one of ${known}`)
  return words[0]
}
