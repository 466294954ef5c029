/**
 * Every configuration key of Consul 1.21, with the old names (agent-config.md 3 to 12, 19; dns.md 16): what the table
 * of compatibility must have a row for. Blocks whose contents are data are one key.
 */

/** Names by block; '' is the top level. */
const BLOCKS: Readonly<Record<string, string>> = {
  '': `server bootstrap bootstrap_expect datacenter primary_datacenter node_name node_id disable_host_node_id node_meta
    locality domain alt_domain data_dir pid_file tagged_addresses translate_wan_addrs segment segments partition
    read_replica license_path audit.enabled audit.sink reporting cloud experiments
    bind_addr advertise_addr advertise_addr_ipv4 advertise_addr_ipv6 advertise_addr_wan advertise_addr_wan_ipv4
    advertise_addr_wan_ipv6 serf_lan serf_wan serf_lan_allowed_cidrs serf_wan_allowed_cidrs client_addr
    retry_join retry_interval retry_max retry_join_wan retry_interval_wan retry_max_wan start_join start_join_wan
    rejoin_after_leave primary_gateways primary_gateways_interval reconnect_timeout reconnect_timeout_wan
    advertise_reconnect_timeout server_rejoin_age_max leave_on_terminate skip_leave_on_interrupt
    check_update_interval check_output_max_size discard_check_output enable_script_checks enable_local_script_checks
    enable_agent_tls_for_checks enable_central_service_config disable_coordinates disable_remote_exec
    disable_update_check disable_anonymous_signature disable_http_unprintable_char_filter disable_keyring_file
    default_query_time max_query_time discovery_max_stale session_ttl_min use_streaming_backend enable_debug
    auto_reload_config log_level log_json log_file log_rotate_duration log_rotate_bytes log_rotate_max_files
    enable_syslog syslog_facility snapshot_agent default_intention_policy raft_protocol protocol
    raft_snapshot_threshold raft_snapshot_interval raft_trailing_logs raft_prevote_disabled gossip_wan
    encrypt encrypt_verify_incoming encrypt_verify_outgoing recursors watches service services check checks
    acl_agent_master_token acl_agent_token acl_token acl_master_token acl_replication_token enable_acl_replication
    acl_datacenter acl_default_policy acl_down_policy acl_ttl acl_enable_key_list_policy
    ca_file ca_path cert_file key_file tls_cipher_suites tls_min_version verify_incoming verify_outgoing
    verify_incoming_https verify_incoming_rpc verify_server_hostname tls_prefer_server_cipher_suites raft_boltdb
    server_name ui ui_dir ui_content_path non_voting_server`,
  addresses: 'dns http https grpc grpc_tls',
  ports: `dns http https grpc grpc_tls serf_lan serf_wan server sidecar_min_port sidecar_max_port expose_min_port
    expose_max_port proxy_min_port proxy_max_port`,
  unix_sockets: 'user group mode',
  rpc: 'enable_streaming',
  cache: 'entry_fetch_max_burst entry_fetch_rate',
  ui_config: `enabled dir content_path metrics_provider metrics_provider_files metrics_provider_options_json
    dashboard_url_templates`,
  'ui_config.metrics_proxy': 'base_url add_headers path_allowlist',
  http_config: 'block_endpoints allow_write_http_from response_headers use_cache max_header_bytes',
  config_entries: 'bootstrap',
  connect: 'enabled ca_provider enable_mesh_gateway_wan_federation',
  'connect.ca_config': `leaf_cert_ttl root_cert_ttl cluster_id intermediate_cert_ttl private_key_type private_key_bits
    private_key root_cert csr_max_per_second csr_max_concurrent skip_validate rotation_period`,
  peering: 'enabled',
  auto_encrypt: 'tls allow_tls dns_san ip_san',
  auto_config:
    'enabled intro_token intro_token_file server_addresses dns_sans ip_sans authorization',
  xds: 'update_max_per_second',
  performance: `raft_multiplier rpc_hold_timeout leave_drain_time grpc_keepalive_interval grpc_keepalive_timeout
    enable_xds_load_balancing`,
  raft_logstore: 'backend disable_log_cache verification wal boltdb',
  autopilot: `cleanup_dead_servers last_contact_threshold max_trailing_logs min_quorum server_stabilization_time
    disable_upgrade_migration redundancy_zone_tag upgrade_version_tag`,
  gossip_lan:
    'gossip_interval gossip_nodes retransmit_mult probe_interval probe_timeout suspicion_mult',
  'tls.defaults': `ca_file ca_path cert_file key_file tls_min_version tls_cipher_suites verify_incoming
    verify_outgoing verify_server_hostname`,
  'tls.internal_rpc': `ca_file ca_path cert_file key_file tls_min_version tls_cipher_suites verify_incoming
    verify_outgoing verify_server_hostname`,
  'tls.https':
    'ca_file ca_path cert_file key_file tls_min_version tls_cipher_suites verify_incoming verify_outgoing',
  'tls.grpc':
    'ca_file ca_path cert_file key_file tls_min_version tls_cipher_suites verify_incoming use_auto_cert',
  tls: 'server_name',
  acl: `enabled default_policy down_policy token_ttl policy_ttl role_ttl enable_key_list_policy
    enable_token_persistence enable_token_replication msp_disable_bootstrap`,
  'acl.tokens': `initial_management agent default agent_recovery replication config_file_service_registration dns
    managed_service_provider master agent_master`,
  limits: `http_max_conns_per_client https_handshake_timeout rpc_handshake_timeout rpc_client_timeout
    rpc_max_conns_per_client rpc_rate rpc_max_burst kv_max_value_size txn_max_req_len`,
  'limits.request_limits': 'mode read_rate write_rate',
  telemetry: `disable_hostname metrics_prefix prefix_filter filter_default prometheus_retention_time statsd_address
    statsite_address dogstatsd_addr dogstatsd_tags enable_host_metrics disable_per_tenancy_usage_metrics
    retry_failed_connection circonus_api_app circonus_api_token circonus_api_url circonus_broker_id
    circonus_broker_select_tag circonus_check_display_name circonus_check_force_metric_activation circonus_check_id
    circonus_check_instance_id circonus_check_search_tag circonus_check_tags circonus_submission_interval
    circonus_submission_url`,
  dns_config: `allow_stale a_record_limit disable_compression enable_truncate max_stale node_ttl only_passing
    recursor_strategy recursor_timeout service_ttl udp_answer_limit enable_additional_node_meta_txt use_cache
    cache_max_age prefer_namespace`,
  'dns_config.soa': 'expire min_ttl refresh retry',
}

/** Dotted. */
export const CONSUL_KEYS: readonly string[] = Object.entries(BLOCKS).flatMap(([block, names]) =>
  names
    .split(/\s+/)
    .filter((name) => name !== '')
    .map((name) => (block === '' ? name : `${block}.${name}`)),
)
