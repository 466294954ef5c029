/**
 * What filters may select, one schema per kind of object the HTTP API lists (http-api.md section 7).
 *
 * Not selectable by rule: indexes, `Locality`, check `Definition`, opaque `Config` blocks, dates and hashes.
 */

import { list, map, struct } from './schema.ts'

const STRING_MAP = map('string')
const WEIGHTS = struct({ Passing: 'int', Warning: 'int' })
const SERVICE_ADDRESSES = map(struct({ Address: 'string', Port: 'int' }))
const MESH_GATEWAY = struct({ Mode: 'string' })
const CONNECT = struct({ Native: 'bool' })

const EXPOSE = struct({
  Checks: 'bool',
  Paths: list(
    struct({
      ListenerPort: 'int',
      Path: 'string',
      LocalPathPort: 'int',
      Protocol: 'string',
      ParsedFromCheck: 'bool',
    }),
  ),
})

const UPSTREAM = struct({
  DestinationType: 'string',
  DestinationNamespace: 'string',
  DestinationPartition: 'string',
  DestinationPeer: 'string',
  DestinationName: 'string',
  Datacenter: 'string',
  LocalBindAddress: 'string',
  LocalBindPort: 'int',
  LocalBindSocketPath: 'string',
  LocalBindSocketMode: 'string',
  MeshGateway: MESH_GATEWAY,
})

const PROXY = struct({
  DestinationServiceName: 'string',
  DestinationServiceID: 'string',
  LocalServiceAddress: 'string',
  LocalServicePort: 'int',
  LocalServiceSocketPath: 'string',
  Mode: 'string',
  MeshGateway: MESH_GATEWAY,
  Expose: EXPOSE,
  TransparentProxy: struct({ OutboundListenerPort: 'int', DialedDirectly: 'bool' }),
  Upstreams: list(UPSTREAM),
})

const SERVICE_FIELDS = {
  Kind: 'string',
  ID: 'string',
  Service: 'string',
  Tags: list('string'),
  Address: 'string',
  TaggedAddresses: SERVICE_ADDRESSES,
  Meta: STRING_MAP,
  Port: 'int',
  SocketPath: 'string',
  Weights: WEIGHTS,
  EnableTagOverride: 'bool',
  Proxy: PROXY,
  Connect: CONNECT,
  PeerName: 'string',
} as const

/** catalog/nodes, and `Node` of health entries. */
export const NODE_SCHEMA = struct({
  ID: 'string',
  Node: 'string',
  Address: 'string',
  Datacenter: 'string',
  TaggedAddresses: STRING_MAP,
  Meta: STRING_MAP,
  PeerName: 'string',
})

/** catalog/service, catalog/connect, and the instances behind catalog/services. */
export const CATALOG_SERVICE_SCHEMA = struct({
  ID: 'string',
  Node: 'string',
  Address: 'string',
  Datacenter: 'string',
  TaggedAddresses: STRING_MAP,
  NodeMeta: STRING_MAP,
  ServiceKind: 'string',
  ServiceID: 'string',
  ServiceName: 'string',
  ServiceTags: list('string'),
  ServiceAddress: 'string',
  ServiceTaggedAddresses: SERVICE_ADDRESSES,
  ServiceWeights: WEIGHTS,
  ServiceMeta: STRING_MAP,
  ServicePort: 'int',
  ServiceSocketPath: 'string',
  ServiceEnableTagOverride: 'bool',
  ServiceProxy: PROXY,
  ServiceConnect: CONNECT,
  PeerName: 'string',
})

/** `Services` of catalog/node and catalog/node-services, and `Service` of health entries. */
export const NODE_SERVICE_SCHEMA = struct(SERVICE_FIELDS)

/** agent/services. */
export const AGENT_SERVICE_SCHEMA = struct({ ...SERVICE_FIELDS, Datacenter: 'string' })

/** health/node, health/checks, health/state, agent/checks, and `Checks` of health entries. */
export const HEALTH_CHECK_SCHEMA = struct({
  Node: 'string',
  CheckID: 'string',
  Name: 'string',
  Status: 'string',
  Notes: 'string',
  Output: 'string',
  ServiceID: 'string',
  ServiceName: 'string',
  ServiceTags: list('string'),
  Type: 'string',
  Interval: 'string',
  Timeout: 'string',
  ExposedPort: 'int',
  PeerName: 'string',
})

/** health/service, health/connect, health/ingress, and subsets of service resolvers. */
export const HEALTH_ENTRY_SCHEMA = struct({
  Node: NODE_SCHEMA,
  Service: NODE_SERVICE_SCHEMA,
  Checks: list(HEALTH_CHECK_SCHEMA),
})

/** internal/ui/nodes. */
export const NODE_DUMP_SCHEMA = struct({
  ID: 'string',
  Node: 'string',
  Address: 'string',
  TaggedAddresses: STRING_MAP,
  Meta: STRING_MAP,
  PeerName: 'string',
  Services: list(NODE_SERVICE_SCHEMA),
  Checks: list(HEALTH_CHECK_SCHEMA),
})

/** connect/intentions. */
export const INTENTION_SCHEMA = struct({
  ID: 'string',
  Description: 'string',
  SourcePeer: 'string',
  SourcePartition: 'string',
  SourceNS: 'string',
  SourceName: 'string',
  SourceType: 'string',
  DestinationPartition: 'string',
  DestinationNS: 'string',
  DestinationName: 'string',
  Action: 'string',
  Meta: STRING_MAP,
  Precedence: 'int',
})

/** agent/members. */
export const MEMBER_SCHEMA = struct({
  Name: 'string',
  Addr: 'string',
  Port: 'int',
  Tags: STRING_MAP,
  Status: 'int',
  ProtocolMin: 'int',
  ProtocolMax: 'int',
  ProtocolCur: 'int',
  DelegateMin: 'int',
  DelegateMax: 'int',
  DelegateCur: 'int',
})

/** config/service-defaults, the only kind of config entry that can be filtered. */
export const SERVICE_DEFAULTS_SCHEMA = struct({
  Kind: 'string',
  Name: 'string',
  Protocol: 'string',
  Mode: 'string',
  ExternalSNI: 'string',
  BalanceInboundConnections: 'string',
  MaxInboundConnections: 'int',
  LocalConnectTimeoutMs: 'int',
  LocalRequestTimeoutMs: 'int',
  MutualTLSMode: 'string',
  MeshGateway: MESH_GATEWAY,
  TransparentProxy: struct({ OutboundListenerPort: 'int', DialedDirectly: 'bool' }),
  Expose: EXPOSE,
  Destination: struct({ Addresses: list('string'), Port: 'int' }),
  Meta: STRING_MAP,
})
