/**
 * The configuration that `fairlead init` and `fairlead join` write: secure in all parts, as HCL.
 */

import { join } from 'node:path'

export interface HostChoices {
  readonly configDir: string
  readonly dataDir: string
  readonly node: string
  /** '' for the default. */
  readonly advertise: string
  readonly bind: string
}

export interface ClusterFacts {
  readonly isServer: boolean
  readonly datacenter: string
  readonly domain: string
  readonly retryJoin: readonly string[]
  /** '' for none. */
  readonly gossipKey: string
  readonly hasAcl: boolean
  readonly defaultPolicy: 'allow' | 'deny'
  /** Secrets; '' for none. */
  readonly agentToken: string
  readonly dnsToken: string
}

/** Servers renew them when a third is left. */
export const SERVER_CERTIFICATE_DAYS = 365

export const CA_PATH = 'tls/ca.pem'
export const CA_KEY_PATH = 'tls/ca-key.pem'

/**
 * Certificate and key of a server, in one file, so that both are replaced at once: by the server itself, which may
 * write to its data and nowhere else.
 */
export function serverCertPath({ dataDir }: Pick<HostChoices, 'dataDir'>): string {
  return join(dataDir, 'tls', 'server.pem')
}

/** @param by the command that writes it */
export function configText(by: string, host: HostChoices, cluster: ClusterFacts): string {
  const blocks = [
    `# Written by ${by}. Settings of your own belong into other files of this folder.`,
    identity(host, cluster),
    gossip(cluster),
    acl(cluster),
    cluster.isServer ? serverTls(host) : clientTls(host),
  ]
  return `${blocks.filter((block) => block !== '').join('\n\n')}\n`
}

function identity(host: HostChoices, { isServer, datacenter, domain }: ClusterFacts): string {
  return [
    setting('server', isServer),
    // It is founded, or was joined: from now on its state says so.
    'bootstrap_expect = 0',
    setting('datacenter', datacenter),
    setting('domain', domain),
    setting('node_name', host.node),
    setting('data_dir', host.dataDir),
    ...(host.bind === '' ? [] : [setting('bind_addr', host.bind)]),
    ...(host.advertise === '' ? [] : [setting('advertise_addr', host.advertise)]),
  ].join('\n')
}

function gossip({ retryJoin, gossipKey }: ClusterFacts): string {
  return [
    ...(retryJoin.length === 0
      ? []
      : [`retry_join = [${retryJoin.map((each) => JSON.stringify(each)).join(', ')}]`]),
    ...(gossipKey === '' ? [] : [setting('encrypt', gossipKey)]),
  ].join('\n')
}

function acl({ hasAcl, defaultPolicy, agentToken, dnsToken }: ClusterFacts): string {
  if (!hasAcl) return ''
  const tokens = [
    ...(agentToken === '' ? [] : [`    ${setting('agent', agentToken)}`]),
    ...(dnsToken === '' ? [] : [`    ${setting('dns', dnsToken)}`]),
  ]
  return [
    'acl {',
    '  enabled                  = true',
    `  default_policy           = ${JSON.stringify(defaultPolicy)}`,
    '  enable_token_persistence = true',
    ...(tokens.length === 0 ? [] : ['  tokens {', ...tokens, '  }']),
    '}',
  ].join('\n')
}

function serverTls(host: HostChoices): string {
  const path = (name: string): string => JSON.stringify(join(host.configDir, name))
  const own = JSON.stringify(serverCertPath(host))
  return `tls {
  authority_key_file = ${path(CA_KEY_PATH)}
  defaults {
    ca_file   = ${path(CA_PATH)}
    cert_file = ${own}
    key_file  = ${own}
  }
  internal_rpc {
    verify_incoming        = true
    verify_outgoing        = true
    verify_server_hostname = true
  }
}

auto_encrypt {
  allow_tls = true
}`
}

function clientTls({ configDir }: HostChoices): string {
  return `tls {
  defaults {
    ca_file = ${JSON.stringify(join(configDir, CA_PATH))}
  }
  internal_rpc {
    verify_outgoing        = true
    verify_server_hostname = true
  }
}

auto_encrypt {
  tls = true
}`
}

function setting(name: string, value: string | boolean): string {
  return `${name} = ${JSON.stringify(value)}`
}
