/**
 * The agent's configuration after merging, defaults and validation: every value is present and typed.
 *
 * Made by core/config/ from flags and files (agent-config.md); the roles read this and nothing else.
 * Ports: -1 is off. Durations in ms.
 */

import type { AutopilotSettings } from '../autopilot/types.ts'
import type { IntentionAction, JsonObject, StringMap } from '../catalog/types.ts'
import type { IpNetwork } from '../ip-network.ts'
import type { NameFilter } from '../metrics/naming.ts'
import type { RateLimit } from '../resilience/token-bucket.ts'
import type { GossipKey } from '../swim/gossip-key.ts'
import type { GossipTiming } from '../swim/timing.ts'
import type { AclConfig } from './acl.ts'
import type { RequestLimits } from './limits.ts'
import type { TlsConfig } from './tls.ts'
import type { WatchDefinition } from './watches.ts'

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error'

export type GossipSettings = Pick<
  GossipTiming,
  | 'gossipIntervalMs'
  | 'gossipNodes'
  | 'retransmitMult'
  | 'probeIntervalMs'
  | 'probeTimeoutMs'
  | 'suspicionMult'
>

export interface LogFileConfig {
  /** A file whose name gets the time, or a folder when it ends in a slash. */
  readonly path: string
  /** 0 is any size. */
  readonly bytesMax: number
  readonly ageMaxMs: number
  /** Files besides the one that is written to; 0 keeps all, below 0 none. */
  readonly filesMax: number
}

export interface AgentConfig {
  readonly devMode: boolean
  readonly server: boolean
  /** 0: wait to be added by others; 1: elect itself. */
  readonly bootstrapExpect: number
  readonly datacenter: string
  readonly nodeName: string
  /** '' asks the agent to make or load one. */
  readonly nodeId: string
  readonly nodeMeta: StringMap
  /** Without a trailing dot. */
  readonly domain: string
  readonly altDomain: string
  /** '' only in dev mode. */
  readonly dataDir: string
  readonly pidFile: string

  readonly bindAddress: string
  /** Where gossip is bound. */
  readonly gossipAddress: string
  readonly advertiseAddress: string
  /** Where clients are served unless a listener has addresses of its own. */
  readonly clientAddresses: readonly string[]
  readonly httpAddresses: readonly string[]
  readonly httpsAddresses: readonly string[]
  readonly dnsAddresses: readonly string[]
  readonly grpcAddresses: readonly string[]
  readonly grpcTlsAddresses: readonly string[]
  readonly taggedAddresses: StringMap
  readonly ports: {
    readonly http: number
    readonly https: number
    readonly dns: number
    /** Envoy's. */
    readonly grpc: number
    /** Nobody asked for it: where its port is taken the agent does without. */
    readonly grpcIsOptional: boolean
    /** Envoy's, over TLS. */
    readonly grpcTls: number
    readonly grpcTlsIsOptional: boolean
    readonly server: number
    readonly serfLan: number
    readonly sidecarMin: number
    readonly sidecarMax: number
  }
  readonly retryJoin: readonly string[]
  readonly retryIntervalMs: number
  readonly retryMax: number

  /** Probes and news of the gossip pool; the rest of its numbers is LAN_TIMING's. */
  readonly gossip: GossipSettings
  readonly gossipEncryption: {
    /** Prints as `…`. */
    readonly key: GossipKey | undefined
    readonly verifyIncoming: boolean
    readonly verifyOutgoing: boolean
    /** Kept in the data directory, where there is one. */
    readonly isKept: boolean
  }
  /** Where members of the gossip pool may be; null for anywhere. */
  readonly gossipAllowedNetworks: readonly IpNetwork[] | null
  readonly disableCoordinates: boolean
  /** Rejoin the pool that was known from before also after a farewell. */
  readonly rejoinAfterLeave: boolean
  /** After which a failed node is forgotten. */
  readonly reconnectTimeoutMs: number
  /** A server that did not run for longer refuses to start. */
  readonly serverRejoinAgeMaxMs: number
  /** What this node asks of others in place of theirs; 0: nothing. */
  readonly advertiseReconnectTimeoutMs: number
  readonly leave: {
    readonly onTerminate: boolean
    readonly onInterrupt: boolean
    readonly drainMs: number
  }

  readonly raft: {
    /** 1 to 10; scales election and heartbeat times (raft.md 17). */
    readonly multiplier: number
    readonly snapshotThreshold: number
    readonly snapshotIntervalMs: number
    readonly trailingLogs: number
    /** How reads of the default mode are made sure of (raft.md 8.2, 8.3). */
    readonly defaultRead: 'quorum' | 'lease'
  }
  readonly rpcHoldTimeoutMs: number
  /** Reads of catalog and health that ask for no mode may be so old; 0: not at all. */
  readonly discoveryMaxStaleMs: number
  /** Of a new cluster; afterwards the replicated settings count. */
  readonly autopilot: AutopilotSettings

  readonly checks: {
    readonly updateIntervalMs: number
    readonly outputMaxSize: number
    readonly discardOutput: boolean
    readonly enableScripts: boolean
    readonly enableLocalScripts: boolean
  }
  readonly sessionTtlMinMs: number
  readonly kvMaxValueSize: number
  readonly txnMaxReqLen: number
  /** Of a server. */
  readonly requestLimits: RequestLimits
  /** Of a client agent; undefined for no limit. */
  readonly rpcRate: RateLimit | undefined
  readonly httpMaxConnsPerClient: number
  readonly http: HttpConfig
  readonly httpResponseHeaders: StringMap
  /** Profiles are served. */
  readonly enableDebug: boolean

  readonly dns: DnsConfig

  readonly connect: {
    readonly enabled: boolean
    readonly leafCertTtlMs: number
    readonly rootCertTtlMs: number
    readonly clusterId: string
    /** What a new cluster begins with. */
    readonly caProvider: string
    /** Program and arguments of the provider `command`. */
    readonly caCommand: readonly string[]
    /** Over how long the leaves of a host are signed anew once another key signs. */
    readonly leafChangeSpreadMs: number
    /** 32 bytes each; the first seals the secret of the authority, each opens it. */
    readonly caSealingKeys: readonly GossipKey[]
    /** `ca_config` as given, keys of mesh.md 4.5 in CamelCase; read when the CA is first made. */
    readonly caConfig?: JsonObject
  }
  readonly defaultIntentionPolicy: IntentionAction
  readonly acl: AclConfig
  readonly tls: TlsConfig

  readonly proxy: {
    /** The proxy outlives a stopped agent, so that the next one adopts it (systemd units set this). */
    readonly keepOnAgentStop: boolean
    /** Base of the range in 127.0.0.0/8 in which services have their addresses on this host. */
    readonly loopbackBase: string
    /** These addresses are bound on these ports, besides each service's own. */
    readonly virtualPorts: readonly number[]
  }

  readonly watches: readonly WatchDefinition[]
  /** Reload when a configuration file changes. */
  readonly autoReload: boolean

  readonly telemetry: TelemetryConfig
  /** Where user interfaces read figures of services; absent where they cannot. */
  readonly metricsProxy?: MetricsProxyConfig

  readonly log: {
    readonly level: LogLevel
    readonly json: boolean
    /** Besides standard output; undefined for none. */
    readonly file: LogFileConfig | undefined
  }

  /** Where it is written who did what; undefined for nowhere. */
  readonly audit: LogFileConfig | undefined

  /** Definitions found in configuration files, as given (decoded by agent/local/definitions.ts). */
  readonly services: readonly unknown[]
  readonly checkDefinitions: readonly unknown[]
}

/** agent-config.md 12. */
export interface TelemetryConfig {
  readonly prefix: string
  readonly disableHostname: boolean
  readonly filter: NameFilter
  /** 0: the format of Prometheus is off. */
  readonly prometheusRetentionMs: number
  readonly statsd: UdpTarget | undefined
  readonly dogstatsd: (UdpTarget & { readonly tags: readonly string[] }) | undefined
}

export interface MetricsProxyConfig {
  /** Without a slash at the end. */
  readonly baseUrl: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** Whole paths, that of the URL included; empty for all. */
  readonly pathAllowlist: readonly string[]
}

export interface UdpTarget {
  /** A name or an address. */
  readonly host: string
  readonly port: number
}

/** agent-config.md 3.4. */
export interface HttpConfig {
  /** Of blocking queries that ask for no time, and of all. */
  readonly queryTimeDefaultMs: number
  readonly queryTimeMaxMs: number
  /** Request line and headers together; long KV keys travel in the request line. */
  readonly headerBytesMax: number
  /** Whether `?cached` is understood. */
  readonly useCache: boolean
  readonly takesUnprintable: boolean
  /** Socket files to listen at, beside `httpAddresses`. */
  readonly sockets: readonly string[]
  /** Of socket files: names or numbers, '' for those of the process. */
  readonly socketPermissions: {
    readonly user: string
    readonly group: string
    readonly mode: number | undefined
  }
  /** Beginnings of paths that are answered with 403. */
  readonly blockedEndpoints: readonly string[]
  /** Networks from which writes are taken; none is from everywhere. */
  readonly writersFrom: readonly IpNetwork[]
}

/** agent-config.md 3.6 and dns.md 16. */
export interface DnsConfig {
  readonly allowStale: boolean
  readonly maxStaleMs: number
  readonly nodeTtlSeconds: number
  /** By service name; `*` and `prefix*` are allowed. Seconds. */
  readonly serviceTtlSeconds: Readonly<Record<string, number>>
  readonly onlyPassing: boolean
  readonly enableTruncate: boolean
  readonly udpAnswerLimit: number
  readonly aRecordLimit: number
  readonly disableCompression: boolean
  readonly recursors: readonly string[]
  readonly recursorTimeoutMs: number
  readonly recursorStrategy: 'sequential' | 'random'
  readonly enableAdditionalNodeMetaTxt: boolean
  readonly soa: {
    readonly refresh: number
    readonly retry: number
    readonly expire: number
    readonly minTtl: number
  }
}
