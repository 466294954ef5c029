/**
 * Keys of checks, sessions, the HTTP API, the log and the mesh (agent-config.md 3.4); part of the table in keys.ts.
 */

import { NO_OUTGOING_CALLS, NO_WAN } from './key-reasons.ts'
import {
  fixed,
  group,
  ignored,
  type KeyTable,
  key,
  unsupported,
  unsupportedGroup,
} from './key-table.ts'
import { METRICS_PROXY_KEYS } from './telemetry-keys.ts'
import { AUTO_ENCRYPT_KEYS } from './tls-keys.ts'

const JOIN_INSTEAD = 'Join by token instead: fairlead join-token create'

export const BEHAVIOUR_KEYS: KeyTable = {
  check_update_interval: key(
    'duration',
    '5m',
    'Delay before a change of a check’s output alone reaches the catalog',
  ),
  check_output_max_size: key('integer', '4096', 'Bytes kept of a check’s output'),
  discard_check_output: key('bool', 'false', 'Keep no output of checks', true),
  enable_script_checks: key('bool', 'false', 'Allow script checks from files and the API'),
  enable_local_script_checks: key(
    'bool',
    'enable_script_checks',
    'Allow script checks from files only',
  ),
  enable_agent_tls_for_checks: unsupported('bool', 'Checks present no certificate'),
  enable_central_service_config: unsupported('bool', 'Config entries always count'),
  disable_coordinates: key(
    'bool',
    'false',
    'Measure no network coordinate of this node; /v1/coordinate answers 401, and near finds no distances',
  ),
  sync_coordinate_interval_min: ignored('fixed at 15s'),
  sync_coordinate_rate_target: ignored('fixed at 64 a second, over all agents'),
  disable_remote_exec: fixed('bool', true, 'There is no remote execution'),
  disable_update_check: ignored(NO_OUTGOING_CALLS),
  disable_anonymous_signature: ignored(NO_OUTGOING_CALLS),
  disable_http_unprintable_char_filter: key(
    'bool',
    'false',
    'Take paths with unprintable characters, as keys of old clients may have',
  ),
  disable_keyring_file: key('bool', 'false', 'Keep the keys of gossip in memory only'),
  default_query_time: key('duration', '300s', 'Length of a blocking query that asks for none'),
  max_query_time: key('duration', '600s', 'Longest blocking query; who asks for more gets this'),
  discovery_max_stale: key(
    'duration',
    '0s',
    'Answers of catalog and health may be so old when the request asks for no mode; ?leader wants none of it',
  ),
  session_ttl_min: key('duration', '10s', 'Shortest TTL of a session'),
  use_streaming_backend: fixed('bool', true, 'Agents always follow a stream'),
  rpc: group({ enable_streaming: fixed('bool', true, 'Agents always follow a stream') }),
  cache: unsupportedGroup(
    'What agents ask is answered from what the servers stream to them',
    'entry_fetch_max_burst',
    'entry_fetch_rate',
  ),
  enable_debug: key('bool', 'false, true with -dev', 'Serve profiles of the agent at /debug/pprof'),
  auto_reload_config: key(
    'bool',
    'false',
    'Reload when a file or folder of the command line changes',
  ),
  ui_config: group({
    ...unsupportedGroup(
      'There is no web page yet',
      'enabled',
      'dir',
      'content_path',
      'metrics_provider',
      'metrics_provider_files',
      'metrics_provider_options_json',
      'dashboard_url_templates',
    ).group,
    metrics_proxy: group(METRICS_PROXY_KEYS),
  }),
  http_config: group({
    block_endpoints: key(
      'strings',
      '[]',
      'Requests whose path begins with one of these are answered with 403',
    ),
    allow_write_http_from: key(
      'strings',
      '[]',
      'Networks from which other methods than GET are taken; none is from everywhere',
    ),
    response_headers: key('string-map', '{}', 'Headers added to every answer of the HTTP API'),
    use_cache: key('bool', 'true', 'Whether ?cached is understood; else it is passed over'),
    max_header_bytes: key('integer', '65536', 'Bytes of the request line and headers together'),
  }),
  log_level: key('string', 'INFO', 'TRACE, DEBUG, INFO, WARN or ERROR', true),
  log_json: key('bool', 'false', 'Log JSON, one object per line'),
  log_file: key(
    'string',
    '',
    'Files to log to besides standard output: the name gets a time; a path that ends in / is a folder',
  ),
  log_rotate_duration: key('duration', '24h', 'Age at which a log file is turned over'),
  log_rotate_bytes: key('integer', '0', 'Size at which a log file is turned over; 0 is any'),
  log_rotate_max_files: key('integer', '0', 'Old log files that are kept; 0 is all, -1 none'),
  enable_syslog: unsupported(
    'bool',
    'The log goes to standard output, from where systemd hands it to syslog',
  ),
  syslog_facility: unsupported(
    'string',
    'The log goes to standard output, from where systemd hands it to syslog',
  ),
  config_entries: group({
    bootstrap: key(
      'definitions',
      '[]',
      'Config entries that a server writes where there is none of their kind and name',
      true,
    ),
  }),
  connect: group({
    enabled: key('bool', 'true', 'The mesh: certificates, intentions and the proxy'),
    ca_provider: key(
      'string',
      'consul',
      'Who signs: consul (built in), vault, or fairlead’s own files and command',
    ),
    ca_config: group({
      leaf_cert_ttl: key('duration', '72h', 'Life of service certificates, 1h to 8760h'),
      root_cert_ttl: key('duration', '87600h', 'Life of a root made by the built-in authority'),
      cluster_id: key('string', 'random', 'First label of the trust domain, a UUID'),
      intermediate_cert_ttl: key(
        'duration',
        '8760h',
        'Life of an intermediate, where the provider signs leaves with one',
      ),
      private_key_type: key('string', 'ec', 'Kind of a root’s key: ec or rsa'),
      private_key_bits: key('integer', '256', 'Size of a root’s key'),
      private_key: key('string', '', 'An own root’s key, PEM'),
      root_cert: key('string', '', 'An own root, PEM; needs private_key'),
      csr_max_per_second: key('number', '50', 'Certificates signed a second; 0 is without limit'),
      csr_max_concurrent: key(
        'integer',
        '0',
        'Certificates signed at once, where csr_max_per_second is 0; 0 is without limit',
      ),
      skip_validate: key('bool', 'false', 'Do not judge the lives of certificates'),
      signing_cert_file: key('string', '', 'files: certificate that signs, PEM or PKCS#12'),
      signing_key_file: key('string', '', 'files: its key, where it is not in signing_cert_file'),
      passphrase_file: key('string', '', 'files: passphrase of the key or archive'),
      root_file: key('string', '', 'files: issuers that are not in signing_cert_file'),
      command: key('strings', '[]', 'command: the program that signs, with its arguments'),
      address: key('string', '', 'vault: its URL'),
      token: key('string', '', 'vault: the token to begin with'),
      root_pki_path: key('string', '', 'vault: mount of the root'),
      intermediate_pki_path: key('string', '', 'vault: mount of the intermediate'),
      namespace: key('string', '', 'vault: namespace'),
      ca_file: key('string', '', 'vault: authorities that its certificate is verified by, PEM'),
      tls_server_name: key('string', '', 'vault: name in its certificate'),
      tls_skip_verify: key('bool', 'false', 'vault: do not verify its certificate'),
      rotation_period: ignored('unused'),
    }),
    ca_sealing_keys: key(
      'strings',
      '[]',
      'Seal the authority’s key in the log and in snapshots: 32 bytes each, base64, the same on all servers; the first seals, all open (fairlead’s own)',
    ),
    test_ca_leaf_root_change_spread: key(
      'duration',
      '30s',
      'For tests: over how long the leaves of this host are signed anew after a rotation',
    ),
    enable_mesh_gateway_wan_federation: unsupported('bool', NO_WAN),
  }),
  default_intention_policy: key(
    'string',
    'allow',
    'Decides a call that no intention matches: allow or deny',
  ),
  peering: unsupportedGroup('Clusters cannot be peered yet', 'enabled'),
  auto_encrypt: group(AUTO_ENCRYPT_KEYS),
  auto_config: group({
    // Without what it promises a client has no certificate and no token: not a matter for a warning.
    enabled: key('bool', 'false', 'Only false; hosts join by token: fairlead join-token create'),
    intro_token: unsupported('any', JOIN_INSTEAD),
    intro_token_file: unsupported('any', JOIN_INSTEAD),
    server_addresses: unsupported('any', JOIN_INSTEAD),
    dns_sans: unsupported('any', JOIN_INSTEAD),
    ip_sans: unsupported('any', JOIN_INSTEAD),
    authorization: unsupported('any', JOIN_INSTEAD),
  }),
  xds: unsupportedGroup(
    'Envoys of one host are few: nothing is limited or moved',
    'update_max_per_second',
  ),
  snapshot_agent: ignored('a placeholder'),
  watches: key('definitions', '[]', 'What runs or is called when something changes', true),
  proxy: group({
    keep_on_agent_stop: key(
      'bool',
      'false',
      'The mesh proxy goes on while the agent is stopped, and the next agent adopts it',
    ),
    loopback_base: key(
      'string',
      '127.128.0.0',
      'Base of the range in 127.0.0.0/8 in which services have their .virtual addresses on this host',
    ),
    virtual_ports: key(
      'strings',
      '["80"]',
      'Ports, besides each service’s own, on which services answer at their .virtual address',
    ),
  }),
}
