/**
 * Where Fairlead does a thing of Consul differently, or has something else in its place: what code cannot tell.
 *
 * Each entry names an endpoint, a key or a command that exists (test/architecture/compatibility.test.ts).
 */

/** Endpoints that work, but not in every respect. */
export const ENDPOINT_DIFFERENCES: Readonly<Record<string, string>> = {
  '/v1/acl/auth-method':
    'Of the type `jwt`; `kubernetes`, `aws-iam` and `oidc` are refused by name',
  '/v1/acl/replication': 'There is one datacenter: always switched off',
  '/v1/acl/token':
    'The secret is told in this answer and by token/self; it is kept as a digest, and reads `<hidden>` elsewhere',
  '/v1/acl/token/': 'The secret reads `<hidden>`',
  '/v1/acl/tokens': 'Secrets read `<hidden>`, also for holders of acl:write',
  '/v1/agent/version':
    'Says the version of Consul whose formats are spoken, and `fairlead` as the revision',
  '/v1/agent/leave': 'Refused when it would cost the servers their quorum, unless `force` is given',
  '/v1/agent/service/register': 'A `kind` of a gateway is kept, but no gateway runs',
  '/v1/catalog/connect/': 'The proxies are those of Fairlead’s own data plane',
  '/v1/catalog/gateway-services/': 'Says what the entries say; no gateway runs',
  '/v1/connect/ca/configuration':
    'Providers: `consul`, `vault`, and Fairlead’s own `files` and `command`; secrets are never shown',
  '/v1/health/ingress/': 'Says what the entries say; no gateway runs',
  '/v1/operator/keyring':
    '`relay-factor` counts for members that do not answer; a change that would cut a member off is refused',
  '/v1/snapshot':
    'The archive is of Fairlead’s own format: snapshots of Consul cannot be restored, nor the other way round',
}

/** What is so in place of endpoints that answer 501, by the beginning of their path. */
export const MISSING_ENDPOINTS: readonly (readonly [prefix: string, instead: string])[] = [
  ['/v1/peering', 'Clusters cannot be peered yet: 501'],
]

/** Keys that work, but not in every respect. */
export const KEY_DIFFERENCES: Readonly<Record<string, string>> = {
  'audit.sink':
    'One file, of the type and format that Consul Enterprise knows; a request is one line, at its end',
  'auto_config.enabled':
    'Only `false`: `true` stops the start; hosts join by token (`fairlead join-token create`)',
  'connect.ca_provider': '`consul`, `vault`, `files` and `command`; another stops the start',
  'dns_config.max_stale': 'Agents answer from their own view of the catalog',
  'config_entries.bootstrap':
    'Written by every server that has them, at its start and at a reload, not when it becomes the leader',
  encrypt: 'The packets are Fairlead’s own: an agent of Consul cannot join the pool',
  'ports.grpc': 'Incremental discovery for Envoy, and nothing else of Consul’s gRPC',
  'ports.server': 'The protocol between servers is Fairlead’s own',
  'ports.serf_lan': 'The gossip protocol is Fairlead’s own',
  retry_join: 'Addresses and host names; `provider=…` stops the start',
}

/** Commands that work, but not in every respect. */
export const COMMAND_DIFFERENCES: Readonly<Record<string, string>> = {
  agent:
    'The banner and the log lines have Fairlead’s own words; exit code 0 after SIGTERM, where Consul’s servers have 1',
  'connect envoy': 'Sidecars only: there are no gateways; the agent is asked without TLS',
  'connect ca set-config': 'Not with the provider `aws-pca`',
  'connect redirect-traffic':
    'By nftables; `-undo` takes it back. What is no destination of the mesh is not redirected, `DialedDirectly` has no effect, and manual addresses and `MeshDestinationsOnly` count from the next run on',
  keyring:
    '`-relay-factor` counts for members that do not answer; a change that would cut a member off is refused',
  members: '`-wan` lists the servers of this datacenter; there are no others',
  'services export': '`-consumer-partitions` is not there: partitions are an enterprise feature',
  'snapshot inspect': 'Reads Fairlead’s own archives',
  version: 'Says Fairlead’s version, and the version of Consul whose formats are spoken',
}
