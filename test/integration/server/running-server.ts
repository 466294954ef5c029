/**
 * A whole server for tests: real Raft, store, RPC on a free port of loopback; memory or a folder.
 */

import { AUTOPILOT_DEFAULTS } from '../../../core/autopilot/defaults.ts'
import type { AgentConfig } from '../../../core/config/model.ts'
import { RawReader } from '../../../core/config/raw-reader.ts'
import { resolveTls } from '../../../core/config/tls.ts'
import { silentLogger } from '../../../core/log.ts'
import type { Member, Membership } from '../../../core/membership.ts'
import { unrecordedMetrics } from '../../../core/metrics/metrics.ts'
import { seededRng } from '../../../core/rng.ts'
import { LAN_TIMING } from '../../../core/swim/timing.ts'
import { systemClock } from '../../../runtime/clock/system-clock.ts'
import { createServer, type Server } from '../../../server/server.ts'
import type { ServerDeps } from '../../../server/server-parts.ts'

export const NODE_ID = '11111111-aaaa-4444-8888-0000000000a1'
export const CLUSTER_ID = '11111111-2222-3333-4444-555555555555'

export const TLS_OFF: AgentConfig['tls'] = resolveTls(new RawReader(new Map()), {
  server: true,
  datacenter: 'dc1',
  domain: 'consul',
})

export const ACL_OFF: AgentConfig['acl'] = {
  enabled: false,
  defaultPolicy: 'allow',
  downPolicy: 'extend-cache',
  tokenTtlMs: 30_000,
  listsKeysByPolicy: false,
  keepsTokens: false,
  initialManagement: '',
  tokens: {
    agent: '',
    default: '',
    agent_recovery: '',
    replication: '',
    config_file_service_registration: '',
    dns: '',
  },
}

/** Membership that a test changes by hand. */
export class HandMembership implements Membership {
  #members: readonly Member[]
  readonly #listeners = new Set<(members: readonly Member[]) => void>()

  constructor(members: readonly Member[]) {
    this.#members = members
  }

  self(): Member {
    const [self] = this.#members
    if (self === undefined) throw new Error('the first member is self')
    return self
  }

  members(): readonly Member[] {
    return this.#members
  }

  onChange(listener: (members: readonly Member[]) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  set(members: readonly Member[]): void {
    this.#members = members
    for (const listener of this.#listeners) listener(members)
  }

  get listeners(): number {
    return this.#listeners.size
  }
}

export function member(name: string, change: Partial<Member> = {}): Member {
  return { name, address: '127.0.0.1', port: 8301, tags: {}, status: 'alive', ...change }
}

export function serverConfig(change: Partial<AgentConfig> = {}): AgentConfig {
  return {
    devMode: true,
    server: true,
    bootstrapExpect: 1,
    datacenter: 'dc1',
    nodeName: 'n1',
    nodeId: NODE_ID,
    nodeMeta: {},
    domain: 'consul',
    altDomain: '',
    dataDir: '',
    pidFile: '',
    bindAddress: '127.0.0.1',
    gossipAddress: '127.0.0.1',
    advertiseAddress: '127.0.0.1',
    clientAddresses: ['127.0.0.1'],
    httpAddresses: ['127.0.0.1'],
    httpsAddresses: ['127.0.0.1'],
    dnsAddresses: ['127.0.0.1'],
    grpcAddresses: ['127.0.0.1'],
    grpcTlsAddresses: ['127.0.0.1'],
    taggedAddresses: {},
    ports: {
      http: -1,
      https: -1,
      dns: -1,
      grpc: -1,
      grpcIsOptional: true,
      grpcTls: -1,
      grpcTlsIsOptional: true,
      server: 0,
      serfLan: -1,
      sidecarMin: 21_000,
      sidecarMax: 21_255,
    },
    retryJoin: [],
    retryIntervalMs: 30_000,
    retryMax: 0,
    gossip: LAN_TIMING,
    gossipEncryption: {
      key: undefined,
      verifyIncoming: true,
      verifyOutgoing: true,
      isKept: true,
    },
    rejoinAfterLeave: false,
    gossipAllowedNetworks: null,
    disableCoordinates: false,
    reconnectTimeoutMs: 72 * 3_600_000,
    advertiseReconnectTimeoutMs: 0,
    serverRejoinAgeMaxMs: 168 * 3_600_000,
    leave: { onTerminate: false, onInterrupt: false, drainMs: 5000 },
    raft: {
      multiplier: 1,
      snapshotThreshold: 16_384,
      snapshotIntervalMs: 30_000,
      trailingLogs: 10_240,
      defaultRead: 'quorum',
    },
    rpcHoldTimeoutMs: 7000,
    discoveryMaxStaleMs: 0,
    autopilot: AUTOPILOT_DEFAULTS,
    checks: {
      updateIntervalMs: 300_000,
      outputMaxSize: 4096,
      discardOutput: false,
      enableScripts: false,
      enableLocalScripts: false,
    },
    acl: ACL_OFF,
    tls: TLS_OFF,
    sessionTtlMinMs: 10_000,
    kvMaxValueSize: 524_288,
    txnMaxReqLen: 524_288,
    requestLimits: { mode: 'disabled', read: undefined, write: undefined },
    rpcRate: undefined,
    httpMaxConnsPerClient: 200,
    enableDebug: false,
    autoReload: false,
    http: {
      queryTimeDefaultMs: 300_000,
      queryTimeMaxMs: 600_000,
      headerBytesMax: 65_536,
      useCache: true,
      takesUnprintable: false,
      sockets: [],
      socketPermissions: { user: '', group: '', mode: undefined },
      blockedEndpoints: [],
      writersFrom: [],
    },
    httpResponseHeaders: {},
    dns: {
      allowStale: true,
      maxStaleMs: 0,
      nodeTtlSeconds: 0,
      serviceTtlSeconds: {},
      onlyPassing: false,
      enableTruncate: false,
      udpAnswerLimit: 3,
      aRecordLimit: 0,
      disableCompression: false,
      recursors: [],
      recursorTimeoutMs: 2000,
      recursorStrategy: 'sequential',
      enableAdditionalNodeMetaTxt: true,
      soa: { refresh: 3600, retry: 600, expire: 86_400, minTtl: 0 },
    },
    connect: {
      enabled: true,
      leafCertTtlMs: 72 * 3_600_000,
      rootCertTtlMs: 87_600 * 3_600_000,
      clusterId: CLUSTER_ID,
      caProvider: 'consul',
      caCommand: [],
      leafChangeSpreadMs: 30_000,
      caSealingKeys: [],
    },
    defaultIntentionPolicy: 'allow',
    proxy: { keepOnAgentStop: false, loopbackBase: '127.128.0.0', virtualPorts: [80] },
    watches: [],
    audit: undefined,
    telemetry: {
      prefix: 'consul',
      disableHostname: false,
      filter: { rules: [], default: true },
      prometheusRetentionMs: 0,
      statsd: undefined,
      dogstatsd: undefined,
    },
    log: { level: 'info', json: false, file: undefined },
    services: [],
    checkDefinitions: [],
    ...change,
  }
}

export interface RunningServer extends AsyncDisposable {
  readonly server: Server
  readonly membership: HandMembership
  readonly fatal: unknown[]
}

export async function startServer(
  change: Partial<AgentConfig> = {},
  deps: Partial<ServerDeps> = {},
): Promise<RunningServer> {
  const membership = new HandMembership([member('n1')])
  const fatal: unknown[] = []
  const server = createServer(serverConfig(change), {
    clock: systemClock,
    rng: seededRng(1),
    log: silentLogger,
    metrics: unrecordedMetrics,
    membership,
    version: '1.21.4',
    onFatal: (error) => fatal.push(error),
    ...deps,
  })
  await server.start(new AbortController().signal)
  return {
    server,
    membership,
    fatal,
    [Symbol.asyncDispose]: () => server.stop(),
  }
}
