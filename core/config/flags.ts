/**
 * The flags of `fairlead agent` (agent-config.md section 20) and the key each one sets.
 *
 * The one table behind the command line, its help and docs/reference/configuration.md.
 */

export interface AgentFlag {
  /** Without dashes. */
  readonly name: string
  /** Dotted configuration key. */
  readonly key: string
  readonly kind: 'bool' | 'value' | 'list'
  /** Stands for the value in help. */
  readonly metavar: string
  readonly doc: string
}

function flag(name: string, key: string, metavar: string, doc: string): AgentFlag {
  return { name, key, kind: 'value', metavar, doc }
}

function toggle(name: string, key: string, doc: string): AgentFlag {
  return { name, key, kind: 'bool', metavar: '', doc }
}

function list(name: string, key: string, metavar: string, doc: string): AgentFlag {
  return { name, key, kind: 'list', metavar, doc }
}

export const AGENT_FLAGS: readonly AgentFlag[] = [
  toggle('server', 'server', 'run the server role too'),
  toggle('bootstrap', 'bootstrap', 'a single server that elects itself'),
  flag(
    'bootstrap-expect',
    'bootstrap_expect',
    'count',
    'servers to wait for before the first election',
  ),
  flag('data-dir', 'data_dir', 'path', 'where state is kept; required unless -dev'),
  flag(
    'node',
    'node_name',
    'name',
    'name of this node, unique in the datacenter (default: the host name)',
  ),
  flag(
    'node-id',
    'node_id',
    'uuid',
    'id of this node (default: random, kept in the data directory)',
  ),
  list('node-meta', 'node_meta', 'key:value', 'a fact about this node; repeatable'),
  flag('datacenter', 'datacenter', 'name', 'name of the datacenter (default: dc1)'),
  flag('domain', 'domain', 'name', 'DNS domain (default: consul)'),
  flag('alt-domain', 'alt_domain', 'name', 'a second DNS domain'),
  flag('bind', 'bind_addr', 'ip', 'address for traffic between agents (default: 0.0.0.0)'),
  flag('advertise', 'advertise_addr', 'ip', 'address others use to reach this node'),
  flag('advertise-wan', 'advertise_addr_wan', 'ip', 'tagged address wan of this node'),
  flag('client', 'client_addr', 'ip', 'address for HTTP and DNS (default: 127.0.0.1)'),
  flag('http-port', 'ports.http', 'port', 'HTTP API (default: 8500)'),
  flag('https-port', 'ports.https', 'port', 'HTTP API over TLS'),
  flag('dns-port', 'ports.dns', 'port', 'DNS (default: 8600)'),
  flag('grpc-port', 'ports.grpc', 'port', 'xDS for Envoy'),
  flag('grpc-tls-port', 'ports.grpc_tls', 'port', 'gRPC over TLS'),
  flag('server-port', 'ports.server', 'port', 'RPC of servers (default: 8300)'),
  flag('serf-lan-port', 'ports.serf_lan', 'port', 'gossip (default: 8301)'),
  flag('serf-wan-port', 'ports.serf_wan', 'port', 'gossip between datacenters'),
  flag('serf-lan-bind', 'serf_lan', 'ip', 'address for gossip'),
  flag('serf-wan-bind', 'serf_wan', 'ip', 'address for gossip between datacenters'),
  list(
    'serf-lan-allowed-cidrs',
    'serf_lan_allowed_cidrs',
    'cidr',
    'a network in which members may be; repeatable',
  ),
  list(
    'retry-join',
    'retry_join',
    'address',
    'a member to join, tried until it answers; repeatable',
  ),
  flag(
    'retry-interval',
    'retry_interval',
    'duration',
    'pause between attempts to join (default: 30s)',
  ),
  flag('retry-max', 'retry_max', 'count', 'attempts before giving up (default: no limit)'),
  list('join', 'start_join', 'address', 'old name of -retry-join'),
  list('join-wan', 'start_join_wan', 'address', 'old name of -retry-join-wan'),
  list('retry-join-wan', 'retry_join_wan', 'address', 'a server of another datacenter to join'),
  flag('retry-interval-wan', 'retry_interval_wan', 'duration', 'pause between attempts'),
  flag('retry-max-wan', 'retry_max_wan', 'count', 'attempts before giving up'),
  list(
    'primary-gateway',
    'primary_gateways',
    'address',
    'a mesh gateway of the primary datacenter',
  ),
  list('serf-wan-allowed-cidrs', 'serf_wan_allowed_cidrs', 'cidr', 'where other servers may be'),
  list('recursor', 'recursors', 'address', 'DNS server for other names; repeatable'),
  toggle(
    'enable-script-checks',
    'enable_script_checks',
    'allow script checks from files and the API',
  ),
  toggle(
    'enable-local-script-checks',
    'enable_local_script_checks',
    'allow script checks from files',
  ),
  flag(
    'check_output_max_size',
    'check_output_max_size',
    'bytes',
    'output kept of a check (default: 4096)',
  ),
  flag('encrypt', 'encrypt', 'key', 'gossip encryption key'),
  flag('pid-file', 'pid_file', 'path', 'file to write the process id to'),
  flag('log-level', 'log_level', 'level', 'trace, debug, info, warn or error (default: info)'),
  toggle('log-json', 'log_json', 'log JSON, one object per line'),
  flag('log-file', 'log_file', 'path', 'file, or folder/, to log to besides standard output'),
  flag('log-rotate-bytes', 'log_rotate_bytes', 'bytes', 'size of a log file'),
  flag('log-rotate-duration', 'log_rotate_duration', 'duration', 'time of a log file'),
  flag('log-rotate-max-files', 'log_rotate_max_files', 'count', 'log files kept'),
  toggle('syslog', 'enable_syslog', 'log to syslog'),
  flag('raft-protocol', 'raft_protocol', 'version', 'only 3'),
  flag('protocol', 'protocol', 'version', 'ignored'),
  flag('default-query-time', 'default_query_time', 'duration', 'length of a blocking query'),
  flag('max-query-time', 'max_query_time', 'duration', 'longest blocking query'),
  toggle('disable-host-node-id', 'disable_host_node_id', 'ignored: node ids are always random'),
  toggle('disable-keyring-file', 'disable_keyring_file', 'do not keep the gossip key'),
  toggle('rejoin', 'rejoin_after_leave', 'join again after an earlier leave'),
  toggle('auto-reload-config', 'auto_reload_config', 'reload when a file changes'),
  toggle('ui', 'ui', 'serve the web page'),
  flag('ui-content-path', 'ui_content_path', 'path', 'where the web page is'),
  flag('ui-dir', 'ui_dir', 'path', 'files of the web page'),
  flag('segment', 'segment', 'name', 'network segment'),
  toggle('read-replica', 'read_replica', 'a server without a vote'),
  toggle('non-voting-server', 'non_voting_server', 'old name of -read-replica'),
  list('allow-write-http-from', 'http_config.allow_write_http_from', 'cidr', 'who may write'),
]
