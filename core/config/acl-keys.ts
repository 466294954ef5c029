/**
 * Keys of access control (agent-config.md section 9).
 */

import { NO_WAN } from './key-reasons.ts'
import { type KeyTable, key, unsupported } from './key-table.ts'

const ENTERPRISE = 'Belongs to Consul Enterprise'
const WITH_TOKENS = 'Rights are looked up with their token; see acl.token_ttl'

export const ACL_KEYS: KeyTable = {
  enabled: key('bool', 'false', 'Whether callers need rights; the same on every agent and server'),
  default_policy: key(
    'string',
    'allow',
    'What rights that no rule speaks of come to: allow or deny; on servers and agents alike',
  ),
  down_policy: key(
    'string',
    'extend-cache',
    'What a client goes by while no server says what a token may do: allow, deny, extend-cache or async-cache',
  ),
  token_ttl: key('duration', '30s', 'How long a client goes by what servers said of a token'),
  policy_ttl: unsupported('duration', WITH_TOKENS),
  role_ttl: unsupported('duration', WITH_TOKENS),
  enable_key_list_policy: key(
    'bool',
    'false',
    'Whether listing keys needs the right list on the prefix',
  ),
  enable_token_persistence: key(
    'bool',
    'false',
    'Whether tokens that were set while the agent ran are kept in the data directory',
  ),
  enable_token_replication: unsupported('bool', NO_WAN),
  msp_disable_bootstrap: unsupported('bool', ENTERPRISE),
  tokens: {
    group: {
      initial_management: key(
        'string',
        '',
        'Secret of a token with all rights that the servers make once, in a cluster that was never bootstrapped; a UUID',
      ),
      agent: key(
        'string',
        '',
        'Token of what the agent does by itself; falls back to default',
        true,
      ),
      default: key('string', '', 'Token of requests that bring none', true),
      agent_recovery: key(
        'string',
        '',
        'Secret that may operate this agent while no server answers',
        true,
      ),
      replication: unsupported('string', NO_WAN),
      config_file_service_registration: key(
        'string',
        '',
        'Token of services and checks out of configuration files that have none; falls back to default',
        true,
      ),
      dns: key('string', '', 'Token of DNS questions; falls back to default', true),
      managed_service_provider: unsupported('any', ENTERPRISE),
    },
  },
}
