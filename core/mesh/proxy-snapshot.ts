/**
 * All that the proxy of a host needs to know, as one value: built by agent/mesh/, obeyed by proxy/.
 *
 * Complete, also where only the change was sent (snapshot-patch.ts): applying it twice changes nothing, and listeners, clusters and
 * connections that are equal in both keep running untouched. Sent over the control socket
 * (core/mesh/proxy-control.ts). Private keys are inside: the socket's folder is 0700.
 */

import type { IntentionAction, IntentionRecord, JsonObject } from '../catalog/types.ts'
import type { LogFormat } from '../exchange/log-format.ts'
import type { AdaptiveLimitSettings } from '../resilience/adaptive-limit.ts'
import type { OutlierSettings } from '../resilience/outlier.ts'
import type { RetryBudget } from '../resilience/retry-budget.ts'
import type { RateLimit } from '../resilience/token-bucket.ts'
import type { Propagation } from '../tracing/context.ts'

/**
 * How bytes are treated on a listener. `tcp` never parses. `http`, `http2` and `grpc` are requests, in HTTP/1 or
 * HTTP/2 as the caller begins; towards the application `http` is HTTP/1.1, `http2` and `grpc` are HTTP/2 with
 * prior knowledge. `auto` (no protocol configured) looks at the first bytes of the caller: an HTTP/1 request line
 * or the preface of HTTP/2 makes it requests, anything else, or silence for 100 ms (protocols where the server
 * speaks first), makes it `tcp`; the application is then spoken to in the caller's version. An inbound listener
 * learns the kind of each exchange from the mux or ALPN.
 */
export type ProxyProtocol = 'tcp' | 'http' | 'http2' | 'grpc' | 'auto'

export interface BindAddress {
  readonly address: string
  readonly port: number
}

/** A leaf certificate with its key; `id` is stable across renewals (`svc/<name>`, `agent/<node>`). */
export interface ProxyIdentity {
  readonly id: string
  readonly spiffeUri: string
  /** Leaf, then intermediates. */
  readonly certPem: string
  readonly keyPem: string
  /** Epoch ms. */
  readonly notAfter: number
}

/** The mTLS listener in front of one local service instance. */
export interface InboundListener {
  /** Id of the sidecar registration. */
  readonly id: string
  readonly serviceName: string
  readonly serviceId: string
  readonly bind: BindAddress
  readonly identityId: string
  readonly protocol: ProxyProtocol
  readonly target: BindAddress | { readonly socketPath: string }
  readonly connectTimeoutMs: number
  /** From the end of a request to the head of its response; 0: no limit. Default 15,000. */
  readonly requestTimeoutMs?: number
  /** 0: unlimited. */
  readonly maxConnections: number
  /** Absent: none. */
  readonly rateLimits?: InboundRateLimits
  /** Requests under way at the application are limited by how long it takes to answer; absent: they are not. */
  readonly adaptiveConcurrency?: AdaptiveLimitSettings
  /** Absent: none. */
  readonly sizeLimits?: SizeLimits
  /** Rules whose destination is this service, precedence descending. */
  readonly intentions: readonly IntentionRecord[]
  readonly defaultAction: IntentionAction
}

/** Of bodies, in bytes. */
export interface SizeLimits {
  readonly request: number
  readonly response: number
}

/** Of requests to one instance; answered 429 beyond it (mesh.md 10.9). */
export interface InboundRateLimits {
  /** First match wins, and `all` does not count then. */
  readonly routes: readonly { readonly path: TextMatch; readonly limit: RateLimit }[]
  readonly all?: RateLimit
}

/** A plain local listener whose calls go to a cluster. */
export interface OutboundListener {
  readonly id: string
  readonly bind: BindAddress | { readonly socketPath: string; readonly mode: string }
  /** Where calls go that no route takes elsewhere: raw streams, and requests of a service without router. */
  readonly clusterId: string
  /** Tried in this order while those before have no healthy instance. */
  readonly failover?: readonly string[]
  /** For requests, first match wins; absent: all go to `clusterId`. The last one matches everything. */
  readonly routes?: readonly RouteSpec[]
  readonly protocol: ProxyProtocol
  /**
   * Whose certificate a call carries: fixed for an explicit upstream; by the calling process on the
   * addresses that services share (docs/decisions/0005).
   */
  readonly source:
    | { readonly kind: 'identity'; readonly identityId: string }
    /** `fallbackIdentityId` here takes the place of the one in `CallerRules` for this listener. */
    | { readonly kind: 'caller'; readonly fallbackIdentityId?: string }
}

/** How a text is compared; `value` is '' for `present`. A regular expression must match the whole text. */
export interface TextMatch {
  readonly kind: 'present' | 'exact' | 'prefix' | 'suffix' | 'regex'
  readonly value: string
}

export interface NamedMatch extends TextMatch {
  /** Header: lower case. */
  readonly name: string
  readonly invert: boolean
}

/** All of it must hold (mesh.md 7.4). */
export interface RequestMatch {
  readonly path: TextMatch | undefined
  /** Of the path. */
  readonly ignoreCase: boolean
  readonly headers: readonly NamedMatch[]
  readonly query: readonly NamedMatch[]
  /** Empty: any. */
  readonly methods: readonly string[]
  /** Services that call; absent: any. */
  readonly sources?: readonly string[]
}

/** Applied in this order: remove, set, add (mesh.md 10.8). Names in lower case. */
export interface HeaderEdits {
  readonly remove: readonly string[]
  readonly set: readonly (readonly [name: string, value: string])[]
  readonly add: readonly (readonly [name: string, value: string])[]
}

/** One leg of a route. */
export interface SplitSpec {
  /** Relative to the sum of the route's. */
  readonly weight: number
  readonly clusterId: string
  readonly failover: readonly string[]
  readonly requestHeaders: HeaderEdits | undefined
  readonly responseHeaders: HeaderEdits | undefined
}

/** A route whose requests may be sent again (mesh.md 10.7). */
export interface RetrySpec {
  /** Besides the first attempt. */
  readonly retriesMax: number
  /** As `RetryOn` of a service-router has them; those of gRPC have no effect on HTTP/1. */
  readonly conditions: readonly string[]
  readonly statusCodes: readonly number[]
  /** Absent: 25 ms, and at most ten times the base. */
  readonly backoff?: { readonly baseMs: number; readonly maxMs: number }
}

/** What is put in the way of requests on purpose (mesh.md 10.9). */
export interface FaultSpec {
  readonly delayMs: number
  readonly delayPercent: number
  /** 0: none, unless the caller chooses one. */
  readonly abortStatus: number
  readonly abortPercent: number
  /** The caller may choose by `x-envoy-fault-…`. */
  readonly isHeaderControlled: boolean
  /** Requests that wait at a time; 0: any number. */
  readonly maxActive: number
  /** Epoch ms; absent: lasts until it is taken out. */
  readonly expiresAt?: number
}

/** Copies of a route's requests (mesh.md 10.9). */
export interface MirrorSpec {
  /** Of the requests, each drawn on its own. */
  readonly percent: number
  /** Else the host ends in `-shadow`. */
  readonly keepsHost: boolean
  /** One of them is drawn. */
  readonly splits: readonly SplitSpec[]
}

export interface RouteSpec {
  readonly match: RequestMatch
  readonly splits: readonly SplitSpec[]
  /** Replaces what the path match took; '' leaves the path. */
  readonly prefixRewrite: string
  /** From the end of a request to the head of its response; 0: no limit; undefined: 15,000. */
  readonly requestTimeoutMs: number | undefined
  readonly retry: RetrySpec | undefined
  /** Of one attempt; absent: as long as the request has. */
  readonly perTryTimeoutMs?: number
  /** Requests that may be sent twice are, each time that this has passed without an answer. */
  readonly hedge?: { readonly delayMs: number; readonly attemptsMax: number }
  readonly fault?: FaultSpec
  readonly mirrors?: readonly MirrorSpec[]
  /** Of each calling proxy. */
  readonly rateLimit?: RateLimit
  readonly requestHeaders: HeaderEdits | undefined
  readonly responseHeaders: HeaderEdits | undefined
}

/** Ways to tell which local service a connection on a shared address comes from. */
export interface CallerRules {
  /** Local services by the port their process listens on. */
  readonly services: readonly { readonly identityId: string; readonly port: number }[]
  /** For a process that is none of them; undefined refuses the connection. */
  readonly fallbackIdentityId?: string
}

export interface Endpoint {
  /** `<node>/<sidecar id>` */
  readonly id: string
  readonly address: string
  readonly port: number
  readonly weight: number
  readonly healthy: boolean
  /** How far away it is, where near ones are preferred: 1 in another zone, 2 in another region; absent: near. */
  readonly distance?: number
}

/** '' takes what suits the traffic: peak_ewma for requests, round_robin for raw streams. */
export type BalancePolicy =
  | ''
  | 'random'
  | 'round_robin'
  | 'least_request'
  | 'ring_hash'
  | 'maglev'
  | 'peak_ewma'
  | 'p2c_ewma_penalty'

/** What of a request decides where it goes (mesh.md 7.6). */
export interface HashPolicy {
  readonly kind: 'header' | 'cookie' | 'query' | 'source'
  /** Header: lower case. '' for `source`. */
  readonly name: string
  /** Nothing after it counts once there is a hash. */
  readonly isTerminal: boolean
  /** A cookie that is made where none came; `maxAgeS` 0: it ends with the session. */
  readonly made?: { readonly maxAgeS: number; readonly path: string }
}

export interface RingSize {
  readonly min: number
  readonly max: number
}

/** How the instances of a destination are chosen among (mesh.md 7.6, 10.3). */
export interface LoadBalancer {
  readonly policy: BalancePolicy
  /** Of least_request. */
  readonly choices: number
  /** Points on the ring of ring_hash; absent: some for each instance. */
  readonly ringSize?: RingSize
  readonly hashPolicies: readonly HashPolicy[]
  /** With less of the instances healthy, all are used; 0: never. */
  readonly panicPercent: number
  /** New instances get their share little by little (mesh.md 10.10). */
  readonly slowStart?: {
    readonly windowMs: number
    readonly aggression: number
    readonly minPercent: number
  }
  /** Absent: 20 %, and three always. */
  readonly retryBudget?: RetryBudget
}

/** What a calling service sets for an upstream (mesh.md 7.3); absent: no limit of its own, the default. */
export interface UpstreamSettings {
  /** Where no resolver says otherwise. */
  readonly connectTimeoutMs?: number
  readonly maxConnections?: number
  readonly maxPending?: number
  readonly maxRequests?: number
  readonly outlier?: OutlierSettings
}

export interface CallerSettings {
  readonly identityId: string
  readonly defaults: UpstreamSettings
  /** By id of the cluster; instead of `defaults`. */
  readonly byCluster: Readonly<Record<string, UpstreamSettings>>
}

/** A destination service: where its instances are and who they must prove to be. */
export interface Cluster {
  /** SNI of the service (mesh.md 1.4); doubles as the name in logs and metrics. */
  readonly id: string
  readonly serviceName: string
  readonly sni: string
  /** The server's URI SAN must equal one of these. */
  readonly spiffeUris: readonly string[]
  readonly endpoints: readonly Endpoint[]
  readonly connectTimeoutMs: number
  /** Of the service; absent: not configured. */
  readonly protocol?: ProxyProtocol
  /** Absent: nothing is configured. */
  readonly loadBalancer?: LoadBalancer
}

/** Where a token may be; header names in lower case. */
export type JwtLocation =
  | {
      readonly kind: 'header'
      readonly name: string
      readonly prefix: string
      /** The application gets it too. */
      readonly isForwarded: boolean
    }
  | { readonly kind: 'query' | 'cookie'; readonly name: string }

/** Who issues tokens that intentions ask for (mesh.md 7.13). */
export interface JwtProviderSpec {
  readonly name: string
  /** '' takes any. */
  readonly issuer: string
  /** Empty takes any. */
  readonly audiences: readonly string[]
  /** In the order in which they are looked at. */
  readonly locations: readonly JwtLocation[]
  /** Gets the payload of a verified token, in base64url; '' for none. */
  readonly payloadHeader: string
  readonly isPayloadPadded: boolean
  readonly clockSkewMs: number
  /** JWKs. */
  readonly keys: readonly JsonObject[]
}

export interface RevokedPeers {
  /** Colon-separated lower hex. */
  readonly serials: readonly string[]
  readonly uris: readonly string[]
}

export type SpanDestination = { readonly kind: 'otlp' | 'zipkin'; readonly url: string }

export interface TracingSettings {
  readonly to: SpanDestination
  /** Of requests that nobody decided about. */
  readonly percent: number
  /** How the context is written into requests that go on. */
  readonly propagate: readonly Propagation[]
}

export interface AccessLogSettings {
  readonly sink:
    | { readonly kind: 'stdout' | 'stderr' }
    | { readonly kind: 'file'; readonly path: string }
  readonly format: LogFormat
  /** Of all requests. */
  readonly percent: number
  /** By local service, where that differs. */
  readonly percents: Readonly<Record<string, number>>
}

export interface ProxyTelemetry {
  /** Where Prometheus may scrape the proxy itself. */
  readonly metricsBinds: readonly BindAddress[]
  /** Absent: off. */
  readonly accessLogs?: AccessLogSettings
  readonly tracing?: TracingSettings
}

export interface ProxySnapshot {
  /** Increases with every snapshot of one agent process; for logs and acknowledgements. */
  readonly version: number
  readonly datacenter: string
  readonly nodeName: string
  readonly trustDomain: string
  /** Trusted CA certificates, PEM. */
  readonly rootsPem: readonly string[]
  /** Whose certificates count no more, though they verify; absent: nobody's. */
  readonly revoked?: RevokedPeers
  /** Those that intentions of this host refer to; absent: none. */
  readonly jwtProviders?: readonly JwtProviderSpec[]
  readonly identities: readonly ProxyIdentity[]
  readonly inbound: readonly InboundListener[]
  readonly outbound: readonly OutboundListener[]
  readonly callers: CallerRules
  readonly clusters: readonly Cluster[]
  /** Absent: nothing beyond what is always counted. */
  readonly telemetry?: ProxyTelemetry
  /** Absent: nobody sets anything. */
  readonly callerSettings?: readonly CallerSettings[]
}
