/**
 * Keys of identity, addresses and joining (agent-config.md 3.1 to 3.3); part of the table in keys.ts.
 */

import { AUDIT_KEYS } from './audit.ts'
import { NO_OUTGOING_CALLS, NO_WAN } from './key-reasons.ts'
import { fixed, group, ignored, type KeyTable, key, unsupported } from './key-table.ts'

/** Identity, addresses, joining. */
export const IDENTITY_KEYS: KeyTable = {
  server: key(
    'bool',
    'false',
    'Run the server role: Raft, the catalog and the certificate authority',
  ),
  bootstrap: key('bool', 'false', 'Elect itself; the same as bootstrap_expect = 1'),
  bootstrap_expect: key('integer', '0', 'Number of servers to wait for before the first election'),
  datacenter: key('string', 'dc1', 'Lower case letters, digits, - and _'),
  primary_datacenter: unsupported('string', NO_WAN),
  node_name: key('string', 'the host name', 'Unique in the datacenter'),
  node_id: key('string', 'random, kept in the data directory', 'A UUID'),
  disable_host_node_id: fixed('bool', true, 'Node ids are random, and kept in the data directory'),
  node_meta: key(
    'string-map',
    '{}',
    'Facts about the node: at most 64, keys up to 128, values up to 512 characters',
    true,
  ),
  locality: unsupported(
    'any',
    'Say where each service is, by its `locality`; a host has none of its own',
  ),
  domain: key('string', 'consul.', 'The DNS domain that is answered'),
  alt_domain: key('string', '', 'A second domain, answered alike'),
  data_dir: key('string', '', 'Where state is kept; required unless -dev'),
  pid_file: key('string', '', 'File to write the process id to'),
  tagged_addresses: key('string-map', '{}', 'More addresses of this node, by name'),
  translate_wan_addrs: unsupported('bool', NO_WAN),
  segment: unsupported('string', 'An enterprise feature of Consul: all agents are in one segment'),
  segments: unsupported('any', 'An enterprise feature of Consul: all agents are in one segment'),
  partition: unsupported(
    'string',
    'An enterprise feature of Consul: everything is in the default partition',
  ),
  read_replica: unsupported(
    'bool',
    'An enterprise feature of Consul: every server gets a vote once it is stable',
  ),
  non_voting_server: unsupported(
    'bool',
    'An enterprise feature of Consul: every server gets a vote once it is stable',
  ),
  license_path: ignored('there is no licence to enter'),
  ...AUDIT_KEYS,
  reporting: ignored(NO_OUTGOING_CALLS),
  cloud: ignored(NO_OUTGOING_CALLS),
  experiments: ignored('no experiments'),
  // Consul reads these as keys too, and its test kit writes them.
  version: ignored('the version is that of the program'),
  version_prerelease: ignored('see version'),
  version_metadata: ignored('see version'),
  revision: ignored('see version'),
  build_date: ignored('see version'),
  bind_addr: key(
    'string',
    '0.0.0.0 (127.0.0.1 with -dev)',
    'One IP address for traffic between agents; templates allowed',
  ),
  advertise_addr: key(
    'string',
    'bind_addr, or the only private IPv4 address',
    'The address others use to reach this node',
  ),
  advertise_addr_ipv4: key('string', '', 'Tagged address lan_ipv4 of this node'),
  advertise_addr_ipv6: key('string', '', 'Tagged address lan_ipv6 of this node'),
  advertise_addr_wan: key('string', 'advertise_addr', 'Tagged address wan of this node'),
  advertise_addr_wan_ipv4: key('string', '', 'Tagged address wan_ipv4 of this node'),
  advertise_addr_wan_ipv6: key('string', '', 'Tagged address wan_ipv6 of this node'),
  serf_lan: key('string', 'bind_addr', 'One IP address for gossip; templates allowed'),
  serf_wan: unsupported('string', NO_WAN),
  serf_lan_allowed_cidrs: key(
    'strings',
    'all',
    'Networks in which members of the gossip pool may be; others are refused',
  ),
  serf_wan_allowed_cidrs: unsupported('strings', NO_WAN),
  client_addr: key(
    'string',
    '127.0.0.1',
    'Addresses for HTTP and DNS, separated by blanks; templates allowed',
  ),
  addresses: group({
    dns: key('string', 'client_addr', 'IP addresses for DNS, separated by blanks'),
    http: key(
      'string',
      'client_addr',
      'IP addresses for the HTTP API, and socket files as unix:///path, separated by blanks',
    ),
    https: key('string', 'client_addr', 'IP addresses for HTTPS, separated by blanks'),
    grpc: key('string', 'client_addr', 'IP addresses for Envoy, separated by blanks'),
    grpc_tls: key('string', 'client_addr', 'IP addresses for gRPC over TLS, separated by blanks'),
  }),
  ports: group({
    dns: key('integer', '8600', 'DNS, UDP and TCP; -1 is off, 0 any free port'),
    http: key('integer', '8500', 'The HTTP API; -1 is off, 0 any free port'),
    https: key('integer', '-1', 'The HTTP API over TLS; -1 is off, 0 any free port'),
    grpc: key(
      'integer',
      '-1 (8502 with -dev)',
      'xDS for Envoy, without TLS; -1 is off, 0 any free port',
    ),
    grpc_tls: key(
      'integer',
      '8503 on servers with a certificate, -1 on others',
      'xDS for Envoy over TLS; -1 is off, 0 any free port',
    ),
    serf_lan: key('integer', '8301', 'Gossip, UDP and TCP'),
    serf_wan: unsupported('integer', NO_WAN),
    server: key('integer', '8300', 'RPC of servers'),
    sidecar_min_port: key('integer', '21000', 'First port given to sidecars; 0 gives none'),
    sidecar_max_port: key('integer', '21255', 'Last port given to sidecars; 0 gives none'),
    expose_min_port: unsupported('integer', 'Paths are not exposed around the mesh'),
    expose_max_port: unsupported('integer', 'Paths are not exposed around the mesh'),
    proxy_min_port: ignored('unused'),
    proxy_max_port: ignored('unused'),
  }),
  unix_sockets: group({
    user: key('string', '', 'Owner of socket files: name or number'),
    group: key('string', '', 'Group of socket files: name or number'),
    mode: key('string', '', 'Mode of socket files, octal, such as 0770'),
  }),
  retry_join: key(
    'strings',
    '[]',
    'Members to join, tried until one answers: addresses or host names, with or without a port',
  ),
  retry_interval: key('duration', '30s', 'Pause between attempts to join'),
  retry_max: key(
    'integer',
    '0',
    'Attempts to join before the agent gives up and exits; 0 is without limit',
  ),
  retry_join_wan: unsupported('strings', NO_WAN),
  retry_interval_wan: unsupported('duration', NO_WAN),
  retry_max_wan: unsupported('integer', NO_WAN),
  rejoin_after_leave: key(
    'bool',
    'false',
    'Rejoin the pool that was known from before also after leaving it',
  ),
  primary_gateways: unsupported('strings', NO_WAN),
  primary_gateways_interval: unsupported('duration', NO_WAN),
  reconnect_timeout: key(
    'duration',
    '72h',
    'Time after which a failed node is forgotten and taken out of the catalog; at least 8h',
  ),
  reconnect_timeout_wan: unsupported('duration', NO_WAN),
  advertise_reconnect_timeout: key(
    'duration',
    '',
    'For this node, in place of reconnect_timeout of the others: after so long it is forgotten; not on servers',
  ),
  server_rejoin_age_max: key(
    'duration',
    '168h',
    'A server that did not run for longer refuses to start; at least 6h',
  ),
  leave_on_terminate: key(
    'bool',
    'false on servers, true on others',
    'SIGTERM makes the agent leave the cluster, not just stop',
  ),
  skip_leave_on_interrupt: key(
    'bool',
    'true on servers, false on others',
    'SIGINT makes the agent stop without leaving the cluster',
  ),
}
