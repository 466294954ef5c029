/**
 * Old names of keys and what replaced them (agent-config.md section 19); accepted with a warning.
 */

/** Old dotted key → new dotted key. */
export const RENAMED: ReadonlyMap<string, string> = new Map([
  ['acl_agent_master_token', 'acl.tokens.agent_recovery'],
  ['acl.tokens.agent_master', 'acl.tokens.agent_recovery'],
  ['acl_agent_token', 'acl.tokens.agent'],
  ['acl_token', 'acl.tokens.default'],
  ['acl_master_token', 'acl.tokens.initial_management'],
  ['acl.tokens.master', 'acl.tokens.initial_management'],
  ['acl_replication_token', 'acl.tokens.replication'],
  ['enable_acl_replication', 'acl.enable_token_replication'],
  ['acl_datacenter', 'primary_datacenter'],
  ['acl_default_policy', 'acl.default_policy'],
  ['acl_down_policy', 'acl.down_policy'],
  ['acl_ttl', 'acl.token_ttl'],
  ['acl_enable_key_list_policy', 'acl.enable_key_list_policy'],
  ['ca_file', 'tls.defaults.ca_file'],
  ['ca_path', 'tls.defaults.ca_path'],
  ['cert_file', 'tls.defaults.cert_file'],
  ['key_file', 'tls.defaults.key_file'],
  ['tls_cipher_suites', 'tls.defaults.tls_cipher_suites'],
  ['tls_min_version', 'tls.defaults.tls_min_version'],
  ['verify_incoming', 'tls.defaults.verify_incoming'],
  ['verify_outgoing', 'tls.defaults.verify_outgoing'],
  ['verify_incoming_https', 'tls.https.verify_incoming'],
  ['verify_incoming_rpc', 'tls.internal_rpc.verify_incoming'],
  ['verify_server_hostname', 'tls.internal_rpc.verify_server_hostname'],
  ['server_name', 'tls.internal_rpc.server_name'],
  ['start_join', 'retry_join'],
  ['start_join_wan', 'retry_join_wan'],
  ['ui', 'ui_config.enabled'],
  ['ui_dir', 'ui_config.dir'],
  ['ui_content_path', 'ui_config.content_path'],
])

/** Old keys that mean nothing any more. */
export const DROPPED: ReadonlySet<string> = new Set([
  'tls_prefer_server_cipher_suites',
  'raft_boltdb',
])

export function renamedWarning(old: string, current: string): string {
  return `The '${old}' field is deprecated. Use the '${current}' field instead.`
}
