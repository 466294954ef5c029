/**
 * Every configuration key fairlead knows: Consul's (agent-config.md section 3, dns.md 16) and its own.
 *
 * The one table behind decoding, "did you mean", warnings and docs/reference/configuration.md.
 */

import { ACL_KEYS } from './acl-keys.ts'
import { BEHAVIOUR_KEYS } from './behaviour-keys.ts'
import { IDENTITY_KEYS } from './identity-keys.ts'
import { NO_WAN, RPC_LIMITS } from './key-reasons.ts'
import { group, ignored, type KeyTable, key, unsupported } from './key-table.ts'
import { RATE_KEYS } from './limits.ts'
import { TELEMETRY_KEYS } from './telemetry-keys.ts'
import { TLS_KEYS } from './tls-keys.ts'

const RAFT_LOGSTORE: KeyTable = {
  backend: ignored('fairlead has one log store'),
  disable_log_cache: ignored('see backend'),
  verification: ignored('entries always carry checksums'),
  wal: ignored('see backend'),
  boltdb: ignored('see backend'),
}

const CLUSTER: KeyTable = {
  performance: group({
    raft_multiplier: key(
      'integer',
      '5 (1 with -dev)',
      'Scales the timeouts of elections, 1 (fast) to 10 (patient)',
    ),
    rpc_hold_timeout: key('duration', '7s', 'How long a request waits while there is no leader'),
    leave_drain_time: key(
      'duration',
      '5s',
      'How long an agent that leaves goes on answering, so that requests in flight can finish',
    ),
    default_read: key(
      'string',
      'quorum',
      'How reads without a consistency mode are made sure of: quorum asks the servers each time, lease trusts the leader’s clock for half an election timeout',
    ),
    grpc_keepalive_interval: unsupported(
      'duration',
      'Connections between agents are watched with fixed times (docs/reference/limits.md)',
    ),
    grpc_keepalive_timeout: unsupported(
      'duration',
      'Connections between agents are watched with fixed times (docs/reference/limits.md)',
    ),
    enable_xds_load_balancing: unsupported(
      'bool',
      'Envoys of one host are few: nothing is limited or moved',
    ),
  }),
  raft_protocol: key('integer', '3', 'Only 3'),
  protocol: ignored('there is one version'),
  raft_snapshot_threshold: key('integer', '16384', 'Log entries between two snapshots', true),
  raft_snapshot_interval: key('duration', '30s', 'Pause between looks whether one is due', true),
  raft_trailing_logs: key(
    'integer',
    '10240',
    'Log entries kept behind a snapshot, for servers that were away for a moment',
    true,
  ),
  raft_prevote_disabled: unsupported('bool', 'Elections always begin with a pre-vote'),
  raft_logstore: group(RAFT_LOGSTORE),
  autopilot: group({
    cleanup_dead_servers: key(
      'bool',
      'true',
      'Take servers that stay dead out of Raft; like all of autopilot.*, used when the cluster is founded and changed later with operator autopilot set-config',
    ),
    last_contact_threshold: key(
      'duration',
      '200ms',
      'A server that has not heard the leader for longer is unhealthy; scaled by raft_multiplier',
    ),
    max_trailing_logs: key('integer', '250', 'A server further behind the leader is unhealthy'),
    min_quorum: key('integer', '0', 'Cleanup never leaves fewer servers than this'),
    server_stabilization_time: key(
      'duration',
      '10s',
      'How long a new server must be healthy before it gets a vote',
    ),
    disable_upgrade_migration: unsupported(
      'bool',
      'An enterprise feature of Consul: servers are promoted by their health alone',
    ),
    redundancy_zone_tag: unsupported(
      'string',
      'An enterprise feature of Consul: servers are promoted by their health alone',
    ),
    upgrade_version_tag: unsupported(
      'string',
      'An enterprise feature of Consul: servers are promoted by their health alone',
    ),
  }),
  gossip_lan: group({
    gossip_interval: key('duration', '200ms', 'Pause between rounds of telling news'),
    gossip_nodes: key('integer', '3', 'Members told in a round'),
    retransmit_mult: key(
      'integer',
      '4',
      'Copies of a piece of news, times the digits of the pool’s size',
    ),
    probe_interval: key('duration', '1s', 'Pause between two probes of members'),
    probe_timeout: key('duration', '500ms', 'Wait for an answer before others are asked to probe'),
    suspicion_mult: key('integer', '4', 'Patience with a suspect, in probe intervals'),
  }),
  gossip_wan: unsupported('any', NO_WAN),
  encrypt: key(
    'string',
    '',
    'Key of the gossip pool: base64 of 16, 24 or 32 bytes (fairlead keygen); the keyring in the data directory wins',
  ),
  encrypt_verify_incoming: key(
    'bool',
    'true',
    'Refuse gossip that is not encrypted; off only while encryption is introduced',
  ),
  encrypt_verify_outgoing: key(
    'bool',
    'true',
    'Encrypt the gossip that is sent; off only while encryption is introduced',
  ),
  tls: group(TLS_KEYS),
  acl: group(ACL_KEYS),
  allow_open_server: key(
    'bool',
    'false',
    'With acl.enabled = false, written out: let a server without access control listen on a public address',
  ),
  limits: group({
    http_max_conns_per_client: key(
      'integer',
      '200',
      'Connections to the HTTP API from one address; 0 is without limit',
      true,
    ),
    https_handshake_timeout: key('duration', '5s', 'Time for the TLS handshake of an HTTPS client'),
    rpc_handshake_timeout: key(
      'duration',
      '5s',
      'Time for the TLS handshake of an agent or server',
    ),
    rpc_client_timeout: unsupported('duration', RPC_LIMITS),
    rpc_max_conns_per_client: unsupported('integer', RPC_LIMITS),
    ...RATE_KEYS,
    kv_max_value_size: key('integer', '524288', 'Bytes of a value in the KV store'),
    txn_max_req_len: key('integer', '524288', 'Bytes of a transaction'),
  }),
  telemetry: group(TELEMETRY_KEYS),
}

const DNS: KeyTable = {
  recursors: key('strings', '[]', 'DNS servers for names outside the domain'),
  dns_config: group({
    allow_stale: key('bool', 'true', 'Answer from any server'),
    a_record_limit: key('integer', '0', 'Most addresses in an answer; 0 is without limit'),
    disable_compression: key('bool', 'false', 'Write names in full'),
    enable_truncate: key('bool', 'false', 'Set TC when a UDP answer was shortened'),
    max_stale: key('duration', '87600h', 'Oldest answer that is given'),
    node_ttl: key('duration', '0s', 'TTL of node answers'),
    only_passing: key('bool', 'false', 'Leave out instances in warning'),
    recursor_strategy: key('string', 'sequential', 'sequential or random'),
    recursor_timeout: key('duration', '2s', 'Wait for one recursor'),
    service_ttl: key(
      'duration-map',
      '{}',
      'TTL of service answers by name; * and prefix* are allowed',
    ),
    udp_answer_limit: key('integer', '3', 'Most answers over UDP'),
    enable_additional_node_meta_txt: key('bool', 'true', 'Add TXT records with node metadata'),
    soa: group({
      expire: key('integer', '86400', 'Seconds'),
      min_ttl: key('integer', '0', 'Seconds'),
      refresh: key('integer', '3600', 'Seconds'),
      retry: key('integer', '600', 'Seconds'),
    }),
    use_cache: ignored('answers always come from the local view'),
    cache_max_age: ignored('see use_cache'),
    prefer_namespace: unsupported(
      'bool',
      'An enterprise feature of Consul: everything is in the default namespace',
    ),
  }),
}

const DEFINITIONS: KeyTable = {
  service: key('definitions', '', 'A service that runs on this host', true),
  services: key('definitions', '[]', 'Services that run on this host', true),
  check: key(
    'definitions',
    '',
    'A check of this node, or of the service named by service_id',
    true,
  ),
  checks: key('definitions', '[]', 'Checks, as check', true),
}

export const KEYS: KeyTable = {
  ...IDENTITY_KEYS,
  ...BEHAVIOUR_KEYS,
  ...CLUSTER,
  ...DNS,
  ...DEFINITIONS,
}
