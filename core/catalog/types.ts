/**
 * The records of the catalog, KV, sessions, intentions and CA, as the state store keeps them.
 *
 * Plain, immutable data in fairlead's own names. The Consul spelling (`ServiceID`, `ModifyIndex`, null or
 * [] or absent) is made at the HTTP border by agent/http/wire/ and nowhere else.
 * Names compare case-insensitively where http-api.md says so; the original spelling is kept for display.
 */

import type { Coordinate } from '../coordinates/coordinate.ts'

export type CheckStatus = 'passing' | 'warning' | 'critical'

export type ServiceKind =
  | ''
  | 'connect-proxy'
  | 'mesh-gateway'
  | 'terminating-gateway'
  | 'ingress-gateway'
  | 'api-gateway'

/** An opaque JSON value given by a user and returned as it was. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json }
export type JsonObject = { readonly [key: string]: Json }

export type StringMap = Readonly<Record<string, string>>

/** Raft indexes of the entry that created and last changed a record. */
export interface Indexed {
  readonly createIndex: number
  readonly modifyIndex: number
}

export interface Locality {
  readonly region: string
  readonly zone: string
}

export interface NodeRecord extends Indexed {
  /** UUID, or '' for nodes registered through the catalog API without one. */
  readonly id: string
  readonly node: string
  readonly address: string
  readonly datacenter: string
  readonly taggedAddresses: StringMap | null
  readonly meta: StringMap | null
  readonly locality?: Locality
}

export interface TaggedAddress {
  readonly address: string
  readonly port: number
}

export interface Weights {
  readonly passing: number
  readonly warning: number
}

export interface Upstream {
  /** '' means 'service' too: the catalog keeps what was written, an agent fills it in. */
  readonly destinationType: '' | 'service' | 'prepared_query'
  readonly destinationName: string
  readonly datacenter: string
  readonly localBindAddress: string
  readonly localBindPort: number
  readonly localBindSocketPath: string
  readonly localBindSocketMode: string
  readonly config: JsonObject | null
  readonly meshGatewayMode: string
}

export interface ExposePath {
  readonly path: string
  readonly localPathPort: number
  readonly listenerPort: number
  readonly protocol: string
}

/** The `Proxy` block of a connect-proxy or gateway (mesh.md 2.3). */
export interface ProxyConfig {
  readonly destinationServiceName: string
  readonly destinationServiceId: string
  readonly localServiceAddress: string
  readonly localServicePort: number
  readonly localServiceSocketPath: string
  readonly mode: '' | 'direct' | 'transparent'
  readonly config: JsonObject | null
  readonly upstreams: readonly Upstream[]
  readonly meshGatewayMode: string
  readonly exposeChecks: boolean
  readonly exposePaths: readonly ExposePath[]
  readonly transparentProxy?: {
    readonly outboundListenerPort: number
    readonly dialedDirectly: boolean
  }
}

/** What a service instance is, wherever it is registered; `id` is unique on its node. */
export interface ServiceDefinition {
  readonly kind: ServiceKind
  readonly id: string
  readonly service: string
  readonly tags: readonly string[]
  readonly address: string
  readonly port: number
  readonly socketPath: string
  readonly taggedAddresses: Readonly<Record<string, TaggedAddress>>
  readonly meta: StringMap | null
  readonly weights: Weights
  readonly enableTagOverride: boolean
  /** Present for every kind but ''. */
  readonly proxy?: ProxyConfig
  readonly connectNative: boolean
  readonly locality?: Locality
}

export interface ServiceRecord extends ServiceDefinition, Indexed {
  readonly node: string
}

export interface CheckDefinition {
  readonly checkId: string
  readonly name: string
  readonly status: CheckStatus
  readonly notes: string
  readonly output: string
  /** '' for a check of the node. */
  readonly serviceId: string
  readonly serviceName: string
  readonly serviceTags: readonly string[]
  /** http, tcp, udp, grpc, h2ping, ttl, script, alias, maintenance, session, … or ''. */
  readonly type: string
  /** Go duration strings as they print, '' when unset. */
  readonly interval: string
  readonly timeout: string
  readonly exposedPort: number
  /** The catalogue stores check definitions given to catalog/register and runs nothing. */
  readonly definition: JsonObject
}

export interface CheckRecord extends CheckDefinition, Indexed {
  readonly node: string
}

/** One instance with its node and every check that bears on it (node checks and its own). */
export interface HealthEntry {
  readonly node: NodeRecord
  readonly service: ServiceRecord
  readonly checks: readonly CheckRecord[]
}

/** All that is registered on a node. */
export interface NodeDump {
  readonly node: NodeRecord
  readonly services: readonly ServiceRecord[]
  readonly checks: readonly CheckRecord[]
}

export interface ServiceWithNode {
  readonly node: NodeRecord
  readonly service: ServiceRecord
}

export interface KvEntry extends Indexed {
  readonly key: string
  readonly value: Uint8Array
  /** Unsigned 64 bit. */
  readonly flags: bigint
  readonly lockIndex: number
  /** Id of the session that holds the lock, '' when free. */
  readonly session: string
}

export type SessionBehavior = 'release' | 'delete'

export interface SessionRecord extends Indexed {
  readonly id: string
  readonly name: string
  readonly node: string
  readonly lockDelayMs: number
  readonly behavior: SessionBehavior
  /** 0 for none. */
  readonly ttlMs: number
  /** The text the user gave, for display. */
  readonly ttl: string
  readonly nodeChecks: readonly string[]
  readonly serviceChecks: readonly { readonly id: string; readonly namespace: string }[] | null
}

export type IntentionAction = 'allow' | 'deny'

export interface IntentionHeaderMatch {
  readonly name: string
  readonly present?: boolean
  readonly exact?: string
  readonly prefix?: string
  readonly suffix?: string
  readonly contains?: string
  readonly regex?: string
  readonly invert?: boolean
  readonly ignoreCase?: boolean
}

/** Which tokens pass: one of the providers, with all its claims. */
export interface IntentionJwt {
  readonly providers: readonly {
    readonly name: string
    readonly verifyClaims?: readonly {
      readonly path: readonly string[]
      readonly value: string
    }[]
  }[]
}

export interface IntentionPermission {
  readonly action: IntentionAction
  readonly jwt?: IntentionJwt
  readonly http: {
    readonly pathExact?: string
    readonly pathPrefix?: string
    readonly pathRegex?: string
    readonly header?: readonly IntentionHeaderMatch[]
    readonly methods?: readonly string[]
  }
}

/** One source → destination rule (mesh.md 6). Exactly one of `action` and non-empty `permissions` decides. */
export interface IntentionRecord extends Indexed {
  /** UUID for the deprecated id form, else ''. */
  readonly id: string
  readonly description: string
  readonly sourceName: string
  readonly destinationName: string
  readonly action: IntentionAction | ''
  readonly permissions: readonly IntentionPermission[]
  /** Asked of every request that the rule allows; the same for all rules of an entry. */
  readonly jwt?: IntentionJwt
  readonly meta: StringMap
  readonly precedence: number
  /** Epoch milliseconds, stamped by the leader. */
  readonly createdAt: number
  readonly updatedAt: number
}

export interface CaRoot extends Indexed {
  /** SHA-1 fingerprint of the DER, colon-separated lower hex. */
  readonly id: string
  readonly name: string
  readonly serialNumber: number
  readonly signingKeyId: string
  readonly externalTrustDomain: string
  /** Epoch milliseconds. */
  readonly notBefore: number
  readonly notAfter: number
  readonly rootCertPem: string
  readonly intermediateCertsPem: readonly string[]
  readonly active: boolean
  readonly privateKeyType: 'ec' | 'rsa'
  readonly privateKeyBits: number
  /** When another root took its place, epoch milliseconds; absent for the active one. */
  readonly rotatedOutAt?: number
}

/** What the authority's provider keeps in Raft; never leaves the servers. */
export interface CaProviderState {
  readonly rootId: string
  /**
   * The secret of the provider: a private key of the built-in authority, the token of Vault; '' for none.
   * Sealed where the servers have a key for it (server/ca/sealed-secret.ts).
   */
  readonly privateKeyPem: string
}

export interface CaConfig extends Indexed {
  /** Trust domain is `<clusterId>.consul`, lower case. */
  readonly clusterId: string
  readonly provider: string
  readonly config: JsonObject
}

/** What an operator has revoked: a leaf by its serial number, or every leaf of an identity. */
export interface CaRevocation extends Indexed {
  /** `<kind>:<value>` */
  readonly id: string
  readonly kind: 'serial' | 'identity'
  /** Colon-separated lower hex, or a SPIFFE URI in its normal form. */
  readonly value: string
  readonly reason: string
  /** Epoch milliseconds, stamped by the leader. */
  readonly revokedAt: number
  /** When nothing is left to refuse; 0: never. */
  readonly endsAt: number
}

export interface CaRoots {
  readonly activeRootId: string
  readonly trustDomain: string
  readonly roots: readonly CaRoot[]
  /** Absent: none. */
  readonly revocations?: readonly CaRevocation[]
}

/** A config entry as given (already validated), keyed by kind and name. */
export interface ConfigEntryRecord extends Indexed {
  readonly kind: string
  readonly name: string
  readonly body: JsonObject
}

/**
 * What a mesh service name owns, allocated deterministically in apply: an offset, and the cluster-wide
 * address 240.0.0.0 + offset (mesh.md 1.6). Hosts add the offset to a loopback base of their own.
 */
export interface VirtualIpRecord extends Indexed {
  readonly service: string
  readonly offset: number
  readonly virtualIp: string
  /** Addresses an operator gave the service besides; absent: none. An address belongs to one service. */
  readonly manualIps?: readonly string[]
}

/** Where a node stands in the network, as it last said (gossip.md 12); goes away with its node. */
export interface CoordinateRecord {
  readonly node: string
  /** '' but for segments of a network. */
  readonly segment: string
  readonly coordinate: Coordinate
}
