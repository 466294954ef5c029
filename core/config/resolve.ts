/**
 * From merged values to the agent's configuration: defaults, checks, and every problem at once.
 *
 * Message texts follow agent-config.md section 13 where it has one. Pure: what depends on the host (its
 * name, its interfaces, whether a path is a directory) is an argument. Service and check definitions are
 * passed on as given; agent/local/definitions.ts judges them.
 */

import { LOOPBACK_BASE } from '../mesh/virtual-address.ts'
import { type AclConfig, resolveAcl } from './acl.ts'
import { expandedList, resolveAddresses, resolveTaggedAddresses } from './addresses.ts'
import { resolveAudit } from './audit.ts'
import { resolveCluster } from './cluster.ts'
import { resolveConnect } from './connect.ts'
import { resolveDns } from './dns.ts'
import { resolveHttp } from './http.ts'
import { resolveRequestLimits, resolveRpcRate } from './limits.ts'
import { resolveMetricsProxy } from './metrics-proxy.ts'
import type { AgentConfig, LogFileConfig, LogLevel } from './model.ts'
import { refuseOpenServer } from './open-server.ts'
import { refuseClashes, resolvePorts } from './ports.ts'
import type { ConfigProblem } from './problem.ts'
import type { Definition, RawConfig } from './raw-config.ts'
import { RawReader } from './raw-reader.ts'
import type { HostInterface } from './sockaddr/host-interface.ts'
import { resolveTelemetry } from './telemetry.ts'
import { resolveTls } from './tls.ts'
import { isUuid } from './uuid.ts'
import { resolveWatches } from './watches.ts'

export interface HostFacts {
  readonly hostname: string
  /** Those of the default route first. */
  readonly interfaces: readonly HostInterface[]
  readonly pathKind: (path: string) => 'missing' | 'directory' | 'other'
}

export interface Resolved {
  readonly config: AgentConfig
  readonly services: readonly Definition[]
  readonly checks: readonly Definition[]
  /** Of `config_entries.bootstrap`. */
  readonly entries: readonly Definition[]
  /** The configuration may be used only when this is empty. */
  readonly problems: readonly ConfigProblem[]
  readonly warnings: readonly string[]
}

const NAME = /^[a-z0-9_-]+$/
const DNS_NAME = /^[A-Za-z0-9-]+$/
const LOG_LEVELS: readonly LogLevel[] = ['trace', 'debug', 'info', 'warn', 'error']
const ALT_DOMAIN_FORBIDDEN = ['service', 'connect', 'node', 'query', 'addr']
const NODE_META_MAX = 64
const NODE_META_KEY_MAX = 128
const NODE_META_VALUE_MAX = 512

export function resolveConfig(raw: RawConfig, devMode: boolean, host: HostFacts): Resolved {
  const reader = new RawReader(raw)
  const services = reader.definitions('service', 'services')
  const checks = reader.definitions('check', 'checks')
  const server = reader.bool('server', devMode)
  const datacenter = resolveDatacenter(reader)
  const addresses = resolveAddresses(reader, { devMode, interfaces: host.interfaces })
  const enableScripts = reader.bool('enable_script_checks', false)
  const metricsProxy = resolveMetricsProxy(reader)
  const acl = resolveAcl(reader)
  const domain = trimDot(reader.text('domain', 'consul.'))
  const tls = resolveTls(reader, { server, datacenter, domain })
  const config: AgentConfig = {
    devMode,
    server,
    datacenter,
    nodeName: resolveNodeName(reader, host.hostname),
    nodeId: resolveNodeId(reader),
    nodeMeta: resolveNodeMeta(reader),
    domain,
    altDomain: resolveAltDomain(reader, datacenter),
    dataDir: resolveDataDir(reader, devMode, host),
    pidFile: reader.text('pid_file', ''),
    bindAddress: addresses.bind,
    gossipAddress: addresses.gossip,
    advertiseAddress: addresses.advertise,
    clientAddresses: addresses.client,
    httpAddresses: addresses.http,
    httpsAddresses: addresses.https,
    dnsAddresses: addresses.dns,
    grpcAddresses: addresses.grpc,
    grpcTlsAddresses: addresses.grpcTls,
    taggedAddresses: resolveTaggedAddresses(reader, addresses.advertise, host.interfaces),
    ports: resolvePorts(reader, { devMode, server, tls }),
    ...resolveCluster(reader, { devMode, server, interfaces: host.interfaces }),
    checks: {
      updateIntervalMs: reader.number('check_update_interval', 300_000),
      outputMaxSize: resolveOutputSize(reader),
      discardOutput: reader.bool('discard_check_output', false),
      enableScripts,
      enableLocalScripts: reader.bool('enable_local_script_checks', enableScripts),
    },
    sessionTtlMinMs: reader.number('session_ttl_min', 10_000),
    kvMaxValueSize: reader.number('limits.kv_max_value_size', 524_288, 1),
    txnMaxReqLen: reader.number('limits.txn_max_req_len', 524_288, 1),
    requestLimits: resolveRequestLimits(reader),
    rpcRate: resolveRpcRate(reader),
    httpMaxConnsPerClient: reader.number('limits.http_max_conns_per_client', 200),
    http: resolveHttp(reader, addresses.httpSockets),
    httpResponseHeaders: reader.map('http_config.response_headers'),
    enableDebug: reader.bool('enable_debug', devMode),
    dns: {
      ...resolveDns(reader),
      recursors: expandedList(reader, 'recursors', host.interfaces),
    },
    connect: resolveConnect(reader),
    defaultIntentionPolicy: resolvePolicy(reader, acl),
    acl,
    tls,
    proxy: {
      keepOnAgentStop: reader.bool('proxy.keep_on_agent_stop', false),
      loopbackBase: resolveLoopbackBase(reader),
      virtualPorts: resolveVirtualPorts(reader),
    },
    watches: resolveWatches(reader),
    autoReload: reader.bool('auto_reload_config', false),
    audit: resolveAudit(reader),
    telemetry: resolveTelemetry(reader),
    ...(metricsProxy === undefined ? {} : { metricsProxy }),
    log: {
      level: resolveLogLevel(reader),
      json: reader.bool('log_json', false),
      file: resolveLogFile(reader),
    },
    services: services.map((definition) => definition.body),
    checkDefinitions: checks.map((definition) => definition.body),
  }
  refuseClashes(reader, config)
  refuseOpenServer(reader, config, host.interfaces)
  if (config.watches.length > 0 && config.ports.http < 0) {
    reader.problem('watches', 'watches need the HTTP API, which is off', 'set ports.http')
  }
  const entries = reader.definitions('config_entries.bootstrap')
  if (entries.length > 0 && !server) {
    reader.warnings.push('config_entries.bootstrap has no effect on an agent that is no server')
  }
  const { problems, warnings } = reader
  return { config, services, checks, entries, problems, warnings }
}

function resolveDatacenter(reader: RawReader): string {
  const given = reader.text('datacenter', 'dc1')
  const name = given.toLowerCase()
  if (!NAME.test(name)) {
    reader.problem(
      'datacenter',
      `datacenter can only contain lowercase alphanumeric, - or _ characters. received: "${given}"`,
      'choose a name such as "dc1"',
    )
  }
  return name
}

function resolveNodeName(reader: RawReader, hostname: string): string {
  const name = reader.text('node_name', hostname).trim()
  if (name === '') {
    reader.problem('node_name', 'node_name cannot be empty', 'set it, or remove the key')
  } else if (!DNS_NAME.test(name)) {
    reader.warnings.push(
      `Node name "${name}" will not be discoverable via DNS due to invalid characters. Valid characters include all alpha-numerics and dashes.`,
    )
  } else if (name.length > 63) {
    reader.warnings.push(
      `Node name "${name}" will not be discoverable via DNS due to it being too long. Valid lengths are between 1 and 63 bytes.`,
    )
  }
  return name
}

function resolveNodeId(reader: RawReader): string {
  const id = reader.text('node_id', '')
  if (id !== '' && !isUuid(id)) {
    reader.problem('node_id', `node_id: "${id}" is not a UUID`, 'remove it to have one made')
  }
  return id.toLowerCase()
}

function resolveNodeMeta(reader: RawReader): Readonly<Record<string, string>> {
  const meta = reader.map('node_meta')
  const wrong = (reason: string): void =>
    reader.problem('node_meta', `node_meta invalid: ${reason}`, 'shorten or rename it')
  const entries = Object.entries(meta)
  if (entries.length > NODE_META_MAX) {
    wrong(`${entries.length} pairs; there may be at most ${NODE_META_MAX}`)
  }
  for (const [name, value] of entries) {
    if (name === '') wrong('a key cannot be blank')
    else if (!/^[A-Za-z0-9_-]+$/.test(name)) wrong(`the key "${name}" contains invalid characters`)
    else if (name.length > NODE_META_KEY_MAX) {
      wrong(`the key "${name}" is longer than ${NODE_META_KEY_MAX} characters`)
    } else if (name.startsWith('consul-')) wrong(`the prefix of the key "${name}" is reserved`)
    if (value.length > NODE_META_VALUE_MAX) {
      wrong(`the value of "${name}" is longer than ${NODE_META_VALUE_MAX} characters`)
    }
  }
  return meta
}

function resolveAltDomain(reader: RawReader, datacenter: string): string {
  const domain = trimDot(reader.text('alt_domain', ''))
  const first = domain.split('.')[0] ?? ''
  const forbidden = [...ALT_DOMAIN_FORBIDDEN, datacenter]
  if (domain !== '' && forbidden.includes(first.toLowerCase())) {
    reader.problem(
      'alt_domain',
      `alt_domain cannot start with {${forbidden.join(',')}}, got "${domain}"`,
      'choose another first label',
    )
  }
  return domain
}

function resolveDataDir(reader: RawReader, devMode: boolean, host: HostFacts): string {
  if (devMode) return reader.text('data_dir', '')
  const path = reader.text('data_dir', '')
  if (path === '') {
    reader.problem(
      'data_dir',
      'data_dir cannot be empty',
      'add -data-dir <path>, or -dev to keep everything in memory',
    )
  } else if (host.pathKind(path) === 'other') {
    reader.problem('data_dir', `data_dir "${path}" is not a directory`, 'name a directory')
  }
  return path
}

function resolveOutputSize(reader: RawReader): number {
  const size = reader.number('check_output_max_size', 4_096, -1e9)
  if (size <= 0) {
    reader.problem(
      'check_output_max_size',
      `check_output_max_size must be positive, to discard check output use the discard_check_output flag. Got: ${size}`,
      'use discard_check_output = true',
    )
  }
  return size
}

/** Without a word of its own, as access control decides by default. */
function resolvePolicy(reader: RawReader, acl: AclConfig): 'allow' | 'deny' {
  const policy = reader.text('default_intention_policy', '')
  if (policy === '' && acl.enabled) return acl.defaultPolicy
  if (policy === 'deny') return 'deny'
  if (policy !== '' && policy !== 'allow') {
    reader.problem(
      'default_intention_policy',
      `default_intention_policy cannot be "${policy}"`,
      'use "allow" or "deny"',
    )
  }
  return 'allow'
}

function resolveLoopbackBase(reader: RawReader): string {
  const key = 'proxy.loopback_base'
  const given = reader.text(key, LOOPBACK_BASE)
  const isLoopback = /^127(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){3}$/.test(given)
  if (!isLoopback)
    reader.problem(key, `${key}: "${given}" is not in 127.0.0.0/8`, 'use 127.128.0.0')
  return given
}

function resolveVirtualPorts(reader: RawReader): readonly number[] {
  const key = 'proxy.virtual_ports'
  const given = reader.has(key) ? reader.list(key) : ['80']
  return [...new Set(given)].flatMap((text) => {
    const port = Number(text)
    if (Number.isInteger(port) && port > 0 && port <= 65_535) return [port]
    reader.problem(key, `${key}: invalid port: ${text}`, 'use ports from 1 to 65535')
    return []
  })
}

function resolveLogLevel(reader: RawReader): LogLevel {
  const given = reader.text('log_level', 'info').toLowerCase()
  const name = given === 'err' ? 'error' : given
  const level = LOG_LEVELS.find((known) => known === name)
  if (level === undefined) {
    reader.problem(
      'log_level',
      `log_level "${given}" is not known`,
      `use one of ${LOG_LEVELS.join(', ')}`,
    )
  }
  return level ?? 'info'
}

function resolveLogFile(reader: RawReader): LogFileConfig | undefined {
  const path = reader.text('log_file', '')
  const file = {
    path,
    bytesMax: reader.number('log_rotate_bytes', 0),
    ageMaxMs: reader.number('log_rotate_duration', 24 * 3_600_000),
    filesMax: reader.number('log_rotate_max_files', 0, -1),
  }
  return path === '' ? undefined : file
}

function trimDot(name: string): string {
  return name.replace(/\.+$/, '')
}
