/**
 * The fields of every kind of config entry: their spelling and rough type (http-api.md 23, mesh.md 7).
 *
 * Names are written here as they are printed; in bodies CamelCase, snake_case and any case are the same.
 * Fields that only fairlead knows are part of the tables. Values that depend on each other are not judged
 * here.
 */

import { API_GATEWAY, HTTP_ROUTE, TCP_ROUTE } from './api-gateway-fields.ts'
import { type Fields, fields, HEADER_MODIFIERS, list, map, TEXT_MAP, TEXTS } from './field-type.ts'

const MESH_GATEWAY = fields({ Mode: 'text' })
const TRANSPARENT_PROXY = fields({ OutboundListenerPort: 'integer', DialedDirectly: 'flag' })
const EXPOSE = fields({
  Checks: 'flag',
  Paths: list(
    fields({
      ListenerPort: 'integer',
      Path: 'text',
      LocalPathPort: 'integer',
      Protocol: 'text',
      ParsedFromCheck: 'flag',
    }),
  ),
})
const ENVOY_EXTENSIONS = list(
  fields({
    Name: 'text',
    Required: 'flag',
    Arguments: 'any',
    ConsulVersion: 'text',
    EnvoyVersion: 'text',
  }),
)
const LIMITS = fields({
  MaxConnections: 'integer',
  MaxPendingRequests: 'integer',
  MaxConcurrentRequests: 'integer',
})
const PASSIVE_HEALTH_CHECK = fields({
  Interval: 'duration',
  MaxFailures: 'integer',
  EnforcingConsecutive5xx: 'integer',
  MaxEjectionPercent: 'integer',
  BaseEjectionTime: 'duration',
})
const UPSTREAM_CONFIG = fields({
  Name: 'text',
  Namespace: 'text',
  Partition: 'text',
  Peer: 'text',
  Protocol: 'text',
  ConnectTimeoutMs: 'integer',
  Limits: LIMITS,
  PassiveHealthCheck: PASSIVE_HEALTH_CHECK,
  MeshGateway: MESH_GATEWAY,
  BalanceOutboundConnections: 'text',
  EnvoyListenerJSON: 'text',
  EnvoyClusterJSON: 'text',
})
const TLS_RANGE = fields({ TLSMinVersion: 'text', TLSMaxVersion: 'text', CipherSuites: TEXTS })
const SDS = fields({ ClusterName: 'text', CertResource: 'text' })
const GATEWAY_TLS = fields({
  Enabled: 'flag',
  SDS,
  TLSMinVersion: 'text',
  TLSMaxVersion: 'text',
  CipherSuites: TEXTS,
})
const RESOLVER_TARGET = {
  Service: 'text',
  ServiceSubset: 'text',
  Namespace: 'text',
  Partition: 'text',
  Datacenter: 'text',
  Peer: 'text',
} as const

const SERVICE_DEFAULTS: Fields = {
  Protocol: 'text',
  Mode: 'text',
  TransparentProxy: TRANSPARENT_PROXY,
  MutualTLSMode: 'text',
  MeshGateway: MESH_GATEWAY,
  Expose: EXPOSE,
  ExternalSNI: 'text',
  UpstreamConfig: fields({ Overrides: list(UPSTREAM_CONFIG), Defaults: UPSTREAM_CONFIG }),
  Destination: fields({ Addresses: TEXTS, Port: 'integer' }),
  MaxInboundConnections: 'integer',
  LocalConnectTimeoutMs: 'integer',
  LocalRequestTimeoutMs: 'integer',
  BalanceInboundConnections: 'text',
  RateLimits: 'any',
  MaxRequestBytes: 'integer',
  MaxResponseBytes: 'integer',
  AdaptiveConcurrency: fields({
    Enabled: 'flag',
    MinConcurrency: 'integer',
    MaxConcurrency: 'integer',
  }),
  EnvoyExtensions: ENVOY_EXTENSIONS,
}

const PROXY_DEFAULTS: Fields = {
  Config: 'any',
  Mode: 'text',
  TransparentProxy: TRANSPARENT_PROXY,
  MutualTLSMode: 'text',
  MeshGateway: MESH_GATEWAY,
  Expose: EXPOSE,
  AccessLogs: fields({
    Enabled: 'flag',
    DisableListenerLogs: 'flag',
    Type: 'text',
    Path: 'text',
    JSONFormat: 'text',
    TextFormat: 'text',
  }),
  EnvoyExtensions: ENVOY_EXTENSIONS,
  FailoverPolicy: fields({ Mode: 'text', Regions: TEXTS }),
  PrioritizeByLocality: fields({ Mode: 'text' }),
}

const ROUTE_MATCH = fields({
  HTTP: fields({
    PathExact: 'text',
    PathPrefix: 'text',
    PathRegex: 'text',
    CaseInsensitive: 'flag',
    Header: list(
      fields({
        Name: 'text',
        Present: 'flag',
        Exact: 'text',
        Prefix: 'text',
        Suffix: 'text',
        Regex: 'text',
        Invert: 'flag',
      }),
    ),
    QueryParam: list(fields({ Name: 'text', Present: 'flag', Exact: 'text', Regex: 'text' })),
    Methods: TEXTS,
    SourceService: TEXTS,
  }),
})

const ROUTE_DESTINATION = fields({
  Service: 'text',
  ServiceSubset: 'text',
  Namespace: 'text',
  Partition: 'text',
  PrefixRewrite: 'text',
  RequestTimeout: 'duration',
  IdleTimeout: 'duration',
  NumRetries: 'integer',
  RetryOnConnectFailure: 'flag',
  RetryOn: TEXTS,
  RetryOnStatusCodes: list('integer'),
  RequestHeaders: HEADER_MODIFIERS,
  ResponseHeaders: HEADER_MODIFIERS,
  Mirror: list(
    fields({ Service: 'text', ServiceSubset: 'text', Percent: 'number', KeepHost: 'flag' }),
  ),
  Fault: 'any',
  PerTryTimeout: 'duration',
  RetryBackoff: fields({ Base: 'duration', Max: 'duration' }),
  HedgeOnPerTryTimeout: 'flag',
  RateLimit: fields({ RequestsPerSecond: 'number', RequestsMaxBurst: 'number' }),
})

const SERVICE_ROUTER: Fields = {
  Routes: list(fields({ Match: ROUTE_MATCH, Destination: ROUTE_DESTINATION })),
}

const SERVICE_SPLITTER: Fields = {
  Splits: list(
    fields({
      Weight: 'number',
      Service: 'text',
      ServiceSubset: 'text',
      Namespace: 'text',
      Partition: 'text',
      RequestHeaders: HEADER_MODIFIERS,
      ResponseHeaders: HEADER_MODIFIERS,
    }),
  ),
}

const SERVICE_RESOLVER: Fields = {
  DefaultSubset: 'text',
  Subsets: map(fields({ Filter: 'text', OnlyPassing: 'flag' })),
  Redirect: fields({ ...RESOLVER_TARGET, SamenessGroup: 'text' }),
  Failover: map(
    fields({
      Service: 'text',
      ServiceSubset: 'text',
      Namespace: 'text',
      Datacenters: TEXTS,
      Targets: list(fields(RESOLVER_TARGET)),
      Policy: fields({ Mode: 'text', Regions: TEXTS }),
      SamenessGroup: 'text',
    }),
  ),
  ConnectTimeout: 'duration',
  RequestTimeout: 'duration',
  PrioritizeByLocality: fields({ Mode: 'text' }),
  LoadBalancer: fields({
    Policy: 'text',
    RingHashConfig: fields({ MinimumRingSize: 'integer', MaximumRingSize: 'integer' }),
    LeastRequestConfig: fields({ ChoiceCount: 'integer' }),
    HashPolicies: list(
      fields({
        Field: 'text',
        FieldValue: 'text',
        CookieConfig: fields({ Session: 'flag', TTL: 'duration', Path: 'text' }),
        SourceIP: 'flag',
        Terminal: 'flag',
      }),
    ),
    SlowStart: fields({ Window: 'duration', Aggression: 'number', MinWeightPercent: 'number' }),
    PanicThreshold: 'number',
    RetryBudget: fields({ Percent: 'number', MinConcurrency: 'integer' }),
  }),
}

const MESH: Fields = {
  TransparentProxy: fields({ MeshDestinationsOnly: 'flag' }),
  AllowEnablingPermissiveMutualTLS: 'flag',
  ValidateClusters: 'flag',
  TLS: fields({ Incoming: TLS_RANGE, Outgoing: TLS_RANGE }),
  HTTP: fields({
    SanitizeXForwardedClientCert: 'flag',
    Incoming: fields({
      RequestNormalization: fields({
        InsecureDisablePathNormalization: 'flag',
        MergeSlashes: 'flag',
        PathWithEscapedSlashesAction: 'text',
        HeadersWithUnderscoresAction: 'text',
      }),
    }),
  }),
  Peering: fields({ PeerThroughMeshGateways: 'flag' }),
}

const INGRESS_GATEWAY: Fields = {
  TLS: GATEWAY_TLS,
  Defaults: fields({
    MaxConnections: 'integer',
    MaxPendingRequests: 'integer',
    MaxConcurrentRequests: 'integer',
    PassiveHealthCheck: PASSIVE_HEALTH_CHECK,
  }),
  Listeners: list(
    fields({
      Port: 'integer',
      Protocol: 'text',
      TLS: GATEWAY_TLS,
      Services: list(
        fields({
          Name: 'text',
          Namespace: 'text',
          Partition: 'text',
          Hosts: TEXTS,
          TLS: fields({ SDS }),
          RequestHeaders: HEADER_MODIFIERS,
          ResponseHeaders: HEADER_MODIFIERS,
          MaxConnections: 'integer',
          MaxPendingRequests: 'integer',
          MaxConcurrentRequests: 'integer',
          PassiveHealthCheck: PASSIVE_HEALTH_CHECK,
        }),
      ),
    }),
  ),
}

const TERMINATING_GATEWAY: Fields = {
  Services: list(
    fields({
      Name: 'text',
      Namespace: 'text',
      CAFile: 'text',
      CertFile: 'text',
      KeyFile: 'text',
      SNI: 'text',
      DisableAutoHostRewrite: 'flag',
    }),
  ),
}

const EXPORTED_SERVICES: Fields = {
  Services: list(
    fields({
      Name: 'text',
      Namespace: 'text',
      Consumers: list(
        fields({ Peer: 'text', PeerName: 'text', Partition: 'text', SamenessGroup: 'text' }),
      ),
    }),
  ),
}

const CERTIFICATE: Fields = { Certificate: 'text', PrivateKey: 'text' }

const JWT_PROVIDER: Fields = {
  JSONWebKeySet: fields({
    Local: fields({ JWKS: 'text', Filename: 'text' }),
    Remote: fields({
      URI: 'text',
      RequestTimeoutMs: 'integer',
      CacheDuration: 'duration',
      FetchAsynchronously: 'flag',
      UseSNI: 'flag',
      RetryPolicy: fields({
        NumRetries: 'integer',
        RetryPolicyBackOff: fields({ BaseInterval: 'duration', MaxInterval: 'duration' }),
      }),
      JWKSCluster: fields({
        DiscoveryType: 'text',
        TLSCertificates: fields({
          CaCertificateProviderInstance: fields({ InstanceName: 'text', CertificateName: 'text' }),
          TrustedCA: fields({
            Filename: 'text',
            EnvironmentVariable: 'text',
            InlineString: 'text',
            InlineBytes: 'text',
          }),
        }),
        ConnectTimeout: 'duration',
      }),
    }),
  }),
  Issuer: 'text',
  Audiences: TEXTS,
  Locations: list(
    fields({
      Header: fields({ Name: 'text', ValuePrefix: 'text', Forward: 'flag' }),
      QueryParam: fields({ Name: 'text' }),
      Cookie: fields({ Name: 'text' }),
    }),
  ),
  Forwarding: fields({ HeaderName: 'text', PadForwardPayloadHeader: 'flag' }),
  ClockSkewSeconds: 'integer',
  CacheConfig: fields({ Size: 'integer' }),
}

const SERVICE_INTENTIONS: Fields = {
  Sources: list(
    fields({
      Name: 'text',
      Namespace: 'text',
      Partition: 'text',
      Peer: 'text',
      SamenessGroup: 'text',
      Action: 'text',
      Permissions: list(
        fields({
          Action: 'text',
          HTTP: fields({
            PathExact: 'text',
            PathPrefix: 'text',
            PathRegex: 'text',
            Header: list(
              fields({
                Name: 'text',
                Present: 'flag',
                Exact: 'text',
                Prefix: 'text',
                Suffix: 'text',
                Contains: 'text',
                Regex: 'text',
                Invert: 'flag',
                IgnoreCase: 'flag',
              }),
            ),
            Methods: TEXTS,
          }),
          JWT: 'any',
        }),
      ),
      Precedence: 'integer',
      Type: 'text',
      Description: 'text',
      LegacyID: 'text',
      LegacyMeta: TEXT_MAP,
      LegacyCreateTime: 'text',
      LegacyUpdateTime: 'text',
    }),
  ),
  JWT: 'any',
}

/** Kinds that can be stored, with their fields. */
export const CONFIG_KINDS: ReadonlyMap<string, Fields> = new Map(
  Object.entries({
    'service-defaults': SERVICE_DEFAULTS,
    'proxy-defaults': PROXY_DEFAULTS,
    'service-router': SERVICE_ROUTER,
    'service-splitter': SERVICE_SPLITTER,
    'service-resolver': SERVICE_RESOLVER,
    'service-intentions': SERVICE_INTENTIONS,
    mesh: MESH,
    'ingress-gateway': INGRESS_GATEWAY,
    'terminating-gateway': TERMINATING_GATEWAY,
    'exported-services': EXPORTED_SERVICES,
    'api-gateway': API_GATEWAY,
    'http-route': HTTP_ROUTE,
    'tcp-route': TCP_ROUTE,
    'inline-certificate': CERTIFICATE,
    'file-system-certificate': CERTIFICATE,
    'jwt-provider': JWT_PROVIDER,
  }),
)
