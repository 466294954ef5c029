/**
 * Makes the parts of an agent and hands each what it needs; starts nothing.
 *
 * With compose.ts the only place where server and agent meet. What one part needs of another is an
 * interface of core or the part itself, passed here and nowhere else.
 */

import { hostname } from 'node:os'
import { join } from 'node:path'
import type { AgentTokens } from '../../agent/acl/agent-tokens.ts'
import { CheckRunners } from '../../agent/checks/check-runners.ts'
import { CriticalReaper } from '../../agent/checks/critical-reaper.ts'
import { CoordinatePublisher } from '../../agent/coordinates/coordinate-publisher.ts'
import { createDnsServer, type DnsServer } from '../../agent/dns/dns-server.ts'
import { OperatorEvents } from '../../agent/events/operator-events.ts'
import type { AuditLog } from '../../agent/http/audit-log.ts'
import { createHttpApi, type HttpApi } from '../../agent/http/server.ts'
import { DefinitionFiles } from '../../agent/local/definition-files.ts'
import { LocalState } from '../../agent/local/local-state.ts'
import { createGossipPool } from '../../agent/members/gossip-pool.ts'
import { memberTags } from '../../agent/members/member-tags.ts'
import { RetryJoin } from '../../agent/members/retry-join.ts'
import { createMesh, type Mesh } from '../../agent/mesh/mesh.ts'
import { PreparedQueries } from '../../agent/queries/prepared-queries.ts'
import { AntiEntropy } from '../../agent/sync/anti-entropy.ts'
import { SubscribedViews } from '../../agent/view/catalog-views.ts'
import { FailedNodes } from '../../agent/view/failed-nodes.ts'
import { ViewFiles } from '../../agent/view/view-files.ts'
import { XdsServer } from '../../agent/xds/xds-server.ts'
import type { StringMap } from '../../core/catalog/types.ts'
import type { AgentConfig } from '../../core/config/model.ts'
import type { FairleadError } from '../../core/errors.ts'
import type { Service } from '../../core/lifecycle.ts'
import type { Logger, LogLines } from '../../core/log.ts'
import type { MemberPool, Membership } from '../../core/membership.ts'
import { AGENT_METRICS } from '../../core/metrics/catalogue/agent.ts'
import type { Rng } from '../../core/rng.ts'
import { LAN_TIMING } from '../../core/swim/timing.ts'
import type { Clock } from '../../core/time.ts'
import { LastSeen } from '../../runtime/host/last-seen.ts'
import { Telemetry } from '../../runtime/metrics/telemetry.ts'
import { createKeyAndCsr } from '../../runtime/pki/csr.ts'
import { newUuid, systemRng } from '../../runtime/random/system-random.ts'
import type { AgentTls } from '../../runtime/tls/agent-tls.ts'
import { proxyBuild } from '../version.ts'
import {
  createAgentAcl,
  createTokens,
  leafSigner,
  ownServers,
  registrants,
  sidecarRights,
} from './agent-acl.ts'
import {
  createAutoEncrypt,
  createMeshAuthorities,
  createOwnRenewal,
  showCertificate,
} from './agent-certificates.ts'
import { BootstrapEntries } from './bootstrap-entries.ts'
import { showViews } from './feed-metrics.ts'
import type { LoadedConfig } from './load-config.ts'
import { createRole, type Role, type RoleDeps } from './role.ts'
import { ConfiguredWatches } from './watches.ts'

/** For a development agent that was killed: nobody adopts its proxy. */
const ORPHAN_TIMEOUT = '30s'

export interface AgentVersions {
  readonly fairlead: string
  /** The Consul version whose formats are spoken. */
  readonly consul: string
}

export interface Parts {
  readonly telemetry: Telemetry
  /** The life of `agentTokens`, and of what DNS may show. */
  readonly tokens: Service
  readonly dnsRights: Service
  /** Absent without access control. */
  readonly agentTokens: AgentTokens | undefined
  /** The life of the agent's certificates. */
  readonly tls: Service
  readonly autoEncrypt: Service
  readonly ownRenewal: Service
  readonly meshAuthorities: Service
  readonly role: Role
  readonly pool: MemberPool
  /** The life of `pool`. */
  readonly gossip: Service
  readonly lastSeen: LastSeen
  readonly retryJoin: RetryJoin
  readonly views: SubscribedViews
  readonly local: LocalState
  readonly sync: AntiEntropy
  readonly coordinates: CoordinatePublisher
  readonly checks: CheckRunners
  readonly reaper: CriticalReaper
  readonly events: OperatorEvents
  readonly mesh: Mesh
  readonly xds: XdsServer
  readonly http: HttpApi
  readonly dns: DnsServer
  readonly watches: ConfiguredWatches
  readonly bootstrapEntries: BootstrapEntries
}

/** Of what is not there. */
const NOTHING: Service = {
  start: async () => {},
  drain: async () => {},
  stop: async () => {},
}

export interface PartsDeps extends Pick<RoleDeps, 'createServer'> {
  readonly clock: Clock
  readonly log: Logger
  readonly logLines: LogLines
  /** Where it is written who did what; absent for nowhere. */
  readonly audit: AuditLog | undefined
  /** Where a dev agent keeps its control socket. */
  readonly devFolder: string
  /** Of this process, for the handlers of watches. */
  readonly env: Readonly<Record<string, string | undefined>>
  readonly onFatal: (error: FairleadError) => void
  readonly onLeave: (options: { readonly force: boolean }) => Promise<void>
  readonly onReload: () => Promise<void>
  /** Absent where nothing speaks TLS. */
  readonly tls: AgentTls | undefined
}

export function createParts(loaded: LoadedConfig, versions: AgentVersions, deps: PartsDeps): Parts {
  const { config } = loaded
  const { clock, log } = deps
  const rng: Rng = systemRng()
  const telemetry = new Telemetry(
    { config: config.telemetry, hostname: hostname() },
    { clock, log: log.child('telemetry') },
  )
  const { metrics } = telemetry
  metrics.gauge(AGENT_METRICS.version, { version: versions.consul, pre_release: '' }).set(1)
  showCertificate(deps.tls, { metrics, clock })
  const tagsAt = (rpcPort: number): StringMap => tagsOf(config, versions, rpcPort)
  const pool = createGossipPool(
    {
      nodeName: config.nodeName,
      nodeId: config.nodeId,
      label: config.datacenter,
      bindAddress: config.gossipAddress,
      advertiseAddress: config.advertiseAddress,
      port: config.ports.serfLan,
      tags: tagsAt(config.ports.server),
      snapshotPath:
        config.dataDir === '' ? undefined : join(config.dataDir, 'serf', 'local.snapshot'),
      rejoinAfterLeave: config.rejoinAfterLeave,
      timing: {
        ...LAN_TIMING,
        ...config.gossip,
        reconnectTimeoutMs: config.reconnectTimeoutMs,
      },
      encryption: {
        key: config.gossipEncryption.key,
        keyringPath:
          config.dataDir === '' || !config.gossipEncryption.isKept
            ? undefined
            : join(config.dataDir, 'serf', 'local.keyring'),
        verifyIncoming: config.gossipEncryption.verifyIncoming,
        verifyOutgoing: config.gossipEncryption.verifyOutgoing,
      },
      hasCoordinate: !config.disableCoordinates,
      allowedNetworks: config.gossipAllowedNetworks,
    },
    { clock, log: log.child('gossip'), rng: rng.fork('gossip'), metrics },
  )
  const tokens = createTokens(config, log)
  const autoEncrypt = createAutoEncrypt(config, {
    tls: deps.tls,
    clock,
    rng: rng.fork('certificates'),
    log,
    membership: pool,
    secret: () => tokens?.agent ?? '',
  })
  const role = createRole(config, {
    ...deps,
    ...(tokens === undefined ? {} : { feedSecret: () => tokens.agent }),
    membership: pool,
    board: pool,
    version: versions.consul,
    rpcTls: deps.tls?.rpc,
    gossipKey: () => pool.gossipKey?.text ?? '',
    ...(autoEncrypt === undefined ? {} : { mayCall: () => autoEncrypt.isReady }),
    rng,
    metrics,
  })
  const gossip: Service = {
    start: async (signal) => {
      // The real port of the servers' RPC is known only now.
      if (role.server !== undefined) {
        const rpcPort = portOf(role.server.rpcAddress)
        pool.setTags(tagsAt(rpcPort))
      }
      await pool.start(signal)
    },
    drain: (deadline) => pool.drain(deadline),
    stop: () => pool.stop(),
  }
  const retryJoin = new RetryJoin(
    {
      addresses: config.retryJoin,
      intervalMs: config.retryIntervalMs,
      attemptsMax: config.retryMax,
      needsOthers: !config.server || config.bootstrapExpect !== 1,
    },
    { pool, clock, log: log.child('gossip'), onGivenUp: deps.onFatal },
  )
  const acl = createAgentAcl(config, tokens, { servers: role.servers, clock, log })
  const servers = ownServers(config, acl, role.servers)
  const membership: Membership = pool
  const views = new SubscribedViews({
    servers,
    clock,
    rng: rng.fork('views'),
    log: log.child('view'),
    failed: new FailedNodes(membership),
    ...(config.dataDir === ''
      ? {}
      : {
          files: new ViewFiles({ dataDir: config.dataDir }, { clock, log: log.child('view') }),
        }),
  })
  showViews(metrics, views)
  const local = createLocalState(loaded, { clock, log })
  const syncFor = registrants(config, acl, { local, servers: role.servers })
  const sync = new AntiEntropy(
    {
      nodeAddress: config.advertiseAddress,
      nodeTaggedAddresses: config.taggedAddresses,
      checkUpdateIntervalMs: config.checks.updateIntervalMs,
    },
    {
      clock,
      log: log.child('sync'),
      local,
      servers,
      membership,
      rng: rng.fork('sync'),
      ...(syncFor === undefined ? {} : { registrants: syncFor }),
    },
  )
  const coordinates = new CoordinatePublisher(
    { nodeName: config.nodeName },
    { clock, log: log.child('coordinates'), pool, servers, rng: rng.fork('coordinates') },
  )
  const checks = new CheckRunners(
    { outputMaxSize: config.checks.outputMaxSize },
    { clock, log: log.child('checks'), local, servers, rng: rng.fork('checks') },
  )
  const events = new OperatorEvents({
    bus: pool,
    local,
    log: log.child('events'),
    newId: newUuid,
  })
  const reaper = new CriticalReaper({ clock, log: log.child('checks'), local })
  const signer = leafSigner(config, acl, { local, servers: role.servers })
  const mesh = createMesh(config, {
    ...(signer === undefined ? {} : { signer }),
    clock,
    log,
    metrics,
    servers,
    local,
    views,
    rng: rng.fork('mesh'),
    makeKey: async (uri) => {
      const { privateKeyPem, csrPem } = await createKeyAndCsr({ uri })
      return { keyPem: privateKeyPem, csrPem }
    },
    output: (stream, text) => void process[stream].write(text),
    proxyBuild: proxyBuild(versions.fairlead),
    proxyCommand: (socketPath) => proxyCommand(config, socketPath),
    devFolder: deps.devFolder,
  })
  const xds = new XdsServer(config, {
    clock,
    log: log.child('xds'),
    local,
    mesh: mesh.controller,
    dataPlanes: mesh.dataPlanes,
    ...(acl === undefined ? {} : { assertMayServe: sidecarRights(acl) }),
    ...(deps.tls === undefined ? {} : { tls: deps.tls.grpc }),
  })
  const queries = new PreparedQueries(
    {
      nodeName: config.nodeName,
      datacenter: config.datacenter,
      disableCoordinates: config.disableCoordinates,
    },
    { clock, log: log.child('queries'), servers, rng: rng.fork('queries') },
  )
  const http = createHttpApi(
    {
      config,
      build: {
        version: versions.consul,
        revision: 'fairlead',
        date: '1970-01-01T00:00:00Z',
        fairleadVersion: versions.fairlead,
      },
    },
    {
      clock,
      log,
      logLines: deps.logLines,
      audit: deps.audit,
      telemetry,
      servers: role.servers,
      ...(acl === undefined ? {} : { acl }),
      local,
      membership,
      pool,
      events,
      leaves: mesh.leafSource,
      proxy: mesh.supervisor.observation,
      sidecars: mesh.sidecars,
      queries,
      ...(config.server ? {} : { views }),
      ...(deps.tls === undefined
        ? {}
        : { tls: deps.tls.https, authorities: () => deps.tls?.rpc.authorities ?? [] }),
      onLeave: deps.onLeave,
      onReload: deps.onReload,
    },
  )
  const watches = new ConfiguredWatches(config.watches, {
    clock,
    log: log.child('watch'),
    apiAddress: () => http.addresses[0],
    env: deps.env,
  })
  const bootstrapEntries = new BootstrapEntries(config.server ? loaded.entries : [], {
    clock,
    log: log.child('server'),
    servers,
  })
  const dns = createDnsServer(
    {
      addresses: config.dnsAddresses,
      port: config.ports.dns,
      virtualBase: config.proxy.loopbackBase,
    },
    {
      views,
      ...(acl === undefined ? {} : { rights: acl.dnsRights }),
      servers: acl === undefined ? servers : role.servers.as(() => acl.tokens.dns),
      queries,
      config,
      clock,
      rng: rng.fork('dns'),
      log: log.child('dns'),
      metrics,
    },
  )
  // A token that comes later lets through what was refused before.
  tokens?.onChange(() => void sync.syncAll())
  return {
    telemetry,
    tokens: tokens ?? NOTHING,
    dnsRights: acl?.dnsRights ?? NOTHING,
    agentTokens: tokens,
    tls: deps.tls ?? NOTHING,
    autoEncrypt: autoEncrypt ?? NOTHING,
    ownRenewal: createOwnRenewal(config, { tls: deps.tls, clock, log }) ?? NOTHING,
    meshAuthorities: createMeshAuthorities(config, deps.tls, views) ?? NOTHING,
    role,
    pool,
    gossip,
    lastSeen: new LastSeen(
      {
        dataDir: config.server ? config.dataDir : '',
        ageMaxMs: config.serverRejoinAgeMaxMs,
      },
      { clock, log: log.child('server') },
    ),
    retryJoin,
    views,
    local,
    sync,
    coordinates,
    checks,
    reaper,
    events,
    mesh,
    xds,
    http,
    dns,
    watches,
    bootstrapEntries,
  }
}

function tagsOf(config: AgentConfig, versions: AgentVersions, rpcPort: number): StringMap {
  const { nodeId, datacenter, bootstrapExpect, acl } = config
  const build = `${versions.consul}:fairlead`
  const server = config.server ? { server: { rpcPort, bootstrapExpect } } : {}
  const reconnectTimeoutMs = config.advertiseReconnectTimeoutMs
  const hasAcl = acl.enabled
  return memberTags({ nodeId, datacenter, build, reconnectTimeoutMs, hasAcl, ...server })
}

function createLocalState(
  { config, definitions }: LoadedConfig,
  { clock, log }: Pick<PartsDeps, 'clock' | 'log'>,
): LocalState {
  const localLog = log.child('local')
  return new LocalState(
    {
      nodeName: config.nodeName,
      nodeId: config.nodeId,
      nodeMeta: config.nodeMeta,
      sidecarPorts: { min: config.ports.sidecarMin, max: config.ports.sidecarMax },
      scripts: {
        enableScripts: config.checks.enableScripts,
        enableLocalScripts: config.checks.enableLocalScripts,
      },
      outputMaxSize: config.checks.outputMaxSize,
      discardOutput: config.checks.discardOutput,
      definitions,
    },
    {
      clock,
      log: localLog,
      ...(config.dataDir === ''
        ? {}
        : { files: new DefinitionFiles({ dataDir: config.dataDir }, { log: localLog }) }),
    },
  )
}

/**
 * The same program and Node; the launcher's environment is inherited. A proxy whose agent was killed serves on
 * until the next agent adopts it, however long; only without a data directory nobody could find it again.
 */
function proxyCommand(config: AgentConfig, socketPath: string): readonly [string, ...string[]] {
  const orphanTimeout = config.dataDir === '' ? ORPHAN_TIMEOUT : '0s'
  return [
    process.execPath,
    ...process.execArgv,
    join(import.meta.dirname, '..', 'main.ts'),
    'proxy',
    'run',
    `-control=${socketPath}`,
    `-orphan-timeout=${orphanTimeout}`,
    `-log-level=${config.log.level}`,
  ]
}

/** Of `host:port`. */
export function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(':') + 1))
}
