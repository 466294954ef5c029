/**
 * agent/self and agent/version (http-api.md 9.1, 9.2): who this agent is, what it runs with, how it does.
 *
 * `DebugConfig` names settings as Consul does where both have them; it holds no secret, because AgentConfig
 * has none that is printed here. Every value of `Stats` is text. `Coord` is null where coordinates are disabled.
 */

import { availableParallelism } from 'node:os'
import { formatDurationMs } from '../../../core/duration.ts'
import type { Member } from '../../../core/membership.ts'
import type { ServerStatus } from '../../../core/rpc/server-api.ts'
import type { AgentContext, BuildFacts } from '../context.ts'
import { coordinateJson } from './coordinate.ts'
import { opaque, text, textMap } from './json.ts'
import { memberJson } from './member.ts'

/** The Envoy that the tests drive; those since 1.31 take the same settings. */
const TESTED_ENVOY = '1.40.0'

export function agentSelfJson(agent: AgentContext, status: ServerStatus | undefined): string {
  return (
    `{"Config":${configJson(agent)},"DebugConfig":${opaque(debugConfig(agent))},"Coord":${coordJson(agent)},` +
    `"Member":${memberJson(agent.membership.self())},"Stats":${statsJson(agent, status)},` +
    `"Meta":${textMap(agent.local.nodeMeta())},"xDS":${xdsJson(agent)}}`
  )
}

/** By which `connect envoy` finds the agent's listener. */
function xdsJson({ config }: AgentContext): string {
  const { grpc, grpcTls } = config.ports
  const proxies = `{"envoy":[${text(TESTED_ENVOY)}]}`
  return `{"SupportedProxies":${proxies},"Port":${grpc},"Ports":{"Plaintext":${grpc},"TLS":${grpcTls}}}`
}

function coordJson({ pool }: AgentContext): string {
  const coordinate = pool?.coordinate ?? null
  return coordinate === null ? 'null' : coordinateJson(coordinate)
}

export function agentVersionJson(build: BuildFacts): string {
  return (
    `{"SHA":${text(build.revision)},"BuildDate":${text(build.date)},` +
    `"HumanVersion":${text(build.version)},"FIPS":""}`
  )
}

function configJson({ config, build, local }: AgentContext): string {
  return (
    `{"Datacenter":${text(config.datacenter)},"PrimaryDatacenter":${text(config.datacenter)},` +
    `"NodeName":${text(local.nodeName)},"NodeID":${text(local.nodeId)},` +
    `"Revision":${text(build.revision)},"Server":${config.server},` +
    `"Version":${text(build.version)},"BuildDate":${text(build.date)}}`
  )
}

function debugConfig({ config, build, local }: AgentContext): Readonly<Record<string, Setting>> {
  const { ports, checks, dns, connect } = config
  return {
    ACLsEnabled: config.acl.enabled,
    AdvertiseAddrLAN: config.advertiseAddress,
    BindAddr: config.bindAddress,
    Bootstrap: config.bootstrapExpect === 1,
    BootstrapExpect: config.bootstrapExpect,
    CheckOutputMaxSize: checks.outputMaxSize,
    CheckUpdateInterval: formatDurationMs(checks.updateIntervalMs),
    ClientAddrs: [...config.clientAddresses],
    ConnectEnabled: connect.enabled,
    ConnectSidecarMaxPort: ports.sidecarMax,
    ConnectSidecarMinPort: ports.sidecarMin,
    DNSAllowStale: dns.allowStale,
    DNSAltDomain: config.altDomain,
    DNSDomain: `${config.domain}.`,
    DNSOnlyPassing: dns.onlyPassing,
    DNSPort: ports.dns,
    DNSRecursors: [...dns.recursors],
    DataDir: config.dataDir,
    Datacenter: config.datacenter,
    DefaultIntentionPolicy: config.defaultIntentionPolicy,
    DevMode: config.devMode,
    DisableKeyringFile: !config.gossipEncryption.isKept,
    DiscardCheckOutput: checks.discardOutput,
    EnableDebug: config.enableDebug,
    EnableLocalScriptChecks: checks.enableLocalScripts,
    EnableRemoteScriptChecks: checks.enableScripts,
    EncryptVerifyIncoming: config.gossipEncryption.verifyIncoming,
    EncryptVerifyOutgoing: config.gossipEncryption.verifyOutgoing,
    FairleadVersion: build.fairleadVersion,
    GRPCPort: ports.grpc,
    GRPCTLSPort: ports.grpcTls,
    HTTPMaxConnsPerClient: config.httpMaxConnsPerClient,
    HTTPPort: ports.http,
    HTTPSPort: ports.https,
    KVMaxValueSize: config.kvMaxValueSize,
    LeaveDrainTime: formatDurationMs(config.leave.drainMs),
    LeaveOnTerm: config.leave.onTerminate,
    Logging: { LogJSON: config.log.json, LogLevel: config.log.level.toUpperCase() },
    MeshLoopbackBase: config.proxy.loopbackBase,
    NodeID: local.nodeId,
    NodeMeta: { ...config.nodeMeta },
    NodeName: local.nodeName,
    PrimaryDatacenter: config.datacenter,
    RPCHoldTimeout: formatDurationMs(config.rpcHoldTimeoutMs),
    RaftSnapshotInterval: formatDurationMs(config.raft.snapshotIntervalMs),
    RaftSnapshotThreshold: config.raft.snapshotThreshold,
    RaftTrailingLogs: config.raft.trailingLogs,
    ReconnectTimeoutLAN: formatDurationMs(config.reconnectTimeoutMs),
    RetryJoinIntervalLAN: formatDurationMs(config.retryIntervalMs),
    RetryJoinLAN: [...config.retryJoin],
    RetryJoinMaxAttemptsLAN: config.retryMax,
    Revision: build.revision,
    SerfPortLAN: ports.serfLan,
    ServerMode: config.server,
    ServerPort: ports.server,
    SessionTTLMin: formatDurationMs(config.sessionTtlMinMs),
    SkipLeaveOnInt: !config.leave.onInterrupt,
    TaggedAddresses: { ...config.taggedAddresses },
    TxnMaxReqLen: config.txnMaxReqLen,
    Version: build.version,
  }
}

type Setting = string | number | boolean | string[] | Readonly<Record<string, string | boolean>>

function statsJson(agent: AgentContext, status: ServerStatus | undefined): string {
  const { config, build, membership } = agent
  const groups: Record<string, Readonly<Record<string, string>>> = {
    agent: agentStats(agent),
    build: {
      prerelease: '',
      revision: build.revision,
      version: build.version,
      version_metadata: '',
    },
    consul: consulStats(agent, status),
    runtime: runtimeStats(),
    serf_lan: { ...poolStats(membership.members(), agent), ...agent.pool?.stats() },
  }
  if (config.server && status !== undefined) groups['raft'] = status.raft
  return opaque(groups)
}

function agentStats({ local }: AgentContext): Readonly<Record<string, string>> {
  let ttls = 0
  let monitors = 0
  for (const { spec, check } of local.checks().values()) {
    if (spec?.ttlMs !== undefined && check.type === 'ttl') ttls++
    else if (check.type === 'script') monitors++
  }
  return {
    check_monitors: String(monitors),
    check_ttls: String(ttls),
    checks: String(local.checks().size),
    services: String(local.services().size),
  }
}

function consulStats(
  { config, membership }: AgentContext,
  status: ServerStatus | undefined,
): Readonly<Record<string, string>> {
  const acl = config.acl.enabled ? 'enabled' : 'disabled'
  if (!config.server) {
    const servers = membership.members().filter(isAliveServer).length
    return { acl, known_servers: String(servers), server: 'false' }
  }
  return {
    acl,
    bootstrap: String(config.bootstrapExpect === 1),
    known_datacenters: '1',
    leader: String(status?.isLeader ?? false),
    leader_addr: status?.leader ?? '',
    server: 'true',
  }
}

function isAliveServer(member: Member): boolean {
  return member.status === 'alive' && member.tags['role'] === 'consul'
}

const ARCHITECTURE: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' }

function runtimeStats(): Readonly<Record<string, string>> {
  return {
    arch: ARCHITECTURE[process.arch] ?? process.arch,
    cpu_count: String(availableParallelism()),
    max_procs: '1',
    os: process.platform,
    version: `node${process.version}`,
  }
}

function poolStats(
  members: readonly Member[],
  { events }: AgentContext,
): Readonly<Record<string, string>> {
  const count = (status: Member['status']): string =>
    String(members.filter((member) => member.status === status).length)
  return {
    encrypted: 'false',
    event_time: String(events?.times.event ?? 0),
    failed: count('failed'),
    left: count('left'),
    members: String(members.length),
    query_time: String(events?.times.query ?? 0),
  }
}
