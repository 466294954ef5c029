/**
 * The fields of service and check definitions, as HTTP bodies and configuration files spell them.
 *
 * Only names, aliases and types; the rules are in check-definitions.ts and service-definitions.ts.
 * Source: http-api.md 9.7, 9.10, 10.1; mesh.md 2.1, 2.3, 2.4; agent-config.md 4, 5. `Host` of a check is
 * fairlead's own (cpu, memory, disk).
 */

import {
  boolean,
  type Decoder,
  durationMs,
  integer,
  list,
  mapOf,
  nullable,
  number,
  opaque,
  opaqueObject,
  string,
  stringMap,
} from '../../core/decode/decoder.ts'
import { type Field, field, object, optional, snakeCase } from '../../core/decode/object.ts'

/** A field whose snake_case form is accepted over HTTP too. */
function both<T>(name: string, decoder: Decoder<T>, fallback: T): Field<T> {
  return field(name, decoder, fallback, { alias: snakeCase(name) })
}

function bothOptional<T>(name: string, decoder: Decoder<T>): Field<T | undefined> {
  return optional(name, decoder, { alias: snakeCase(name) })
}

const strings = list(string)

const HOST_CHECK = object('HostCheck', {
  resource: field('Resource', string, ''),
  path: field('Path', string, '/'),
  warningPercent: field('WarningPercent', number, 80),
  criticalPercent: field('CriticalPercent', number, 95),
})

const CHECK_FIELDS = {
  name: field('Name', string, ''),
  notes: field('Notes', string, ''),
  status: field('Status', string, ''),
  serviceId: both('ServiceID', string, ''),
  http: field('HTTP', string, ''),
  method: field('Method', string, ''),
  header: field('Header', mapOf(strings), {}),
  body: field('Body', string, ''),
  disableRedirects: both('DisableRedirects', boolean, false),
  tcp: field('TCP', string, ''),
  tcpUseTls: both('TCPUseTLS', boolean, false),
  udp: field('UDP', string, ''),
  grpc: field('GRPC', string, ''),
  grpcUseTls: both('GRPCUseTLS', boolean, false),
  h2ping: field('H2PING', string, '', { config: 'h2ping' }),
  h2pingUseTls: field('H2PingUseTLS', boolean, true, { alias: 'h2ping_use_tls' }),
  osService: field('OSService', string, ''),
  args: field<readonly string[]>('ScriptArgs', strings, [], { alias: ['script_args', 'args'] }),
  dockerContainerId: both('DockerContainerID', string, ''),
  shell: field('Shell', string, ''),
  ttlMs: field('TTL', durationMs, 0),
  aliasNode: field('AliasNode', string, ''),
  aliasService: field('AliasService', string, ''),
  host: optional('Host', HOST_CHECK),
  intervalMs: field('Interval', durationMs, 0),
  timeoutMs: field('Timeout', durationMs, 0),
  tlsServerName: both('TLSServerName', string, ''),
  tlsSkipVerify: both('TLSSkipVerify', boolean, false),
  successBeforePassing: field('SuccessBeforePassing', integer, 0),
  failuresBeforeWarning: optional('FailuresBeforeWarning', integer),
  failuresBeforeCritical: field('FailuresBeforeCritical', integer, 0),
  deregisterAfterMs: both('DeregisterCriticalServiceAfter', durationMs, 0),
  outputMaxSize: field('OutputMaxSize', integer, 0),
} as const

/** A check inside a service. */
export const CHECK_TYPE = object('CheckType', {
  ...CHECK_FIELDS,
  id: field('CheckID', string, '', { config: ['id', 'check_id'] }),
})
export type DecodedCheckType = Exclude<ReturnType<typeof CHECK_TYPE.read>, symbol>

/** A check of its own: the body of check/register, `check` of a configuration file. */
export const CHECK_DEFINITION = object('CheckDefinition', {
  ...CHECK_FIELDS,
  id: field('ID', string, '', { alias: 'CheckID', config: 'check_id' }),
  token: field('Token', string, ''),
})
export type DecodedCheckDefinition = Exclude<ReturnType<typeof CHECK_DEFINITION.read>, symbol>

const TAGGED_ADDRESS = object('ServiceAddress', {
  address: field('Address', string, ''),
  port: field('Port', integer, 0),
})

const MESH_GATEWAY = object('MeshGatewayConfig', { mode: field('Mode', string, '') })

const UPSTREAM = object('Upstream', {
  destinationType: both('DestinationType', string, ''),
  destinationName: both('DestinationName', string, ''),
  destinationNamespace: both('DestinationNamespace', string, ''),
  destinationPartition: both('DestinationPartition', string, ''),
  destinationPeer: both('DestinationPeer', string, ''),
  datacenter: field('Datacenter', string, ''),
  localBindAddress: both('LocalBindAddress', string, ''),
  localBindPort: both('LocalBindPort', integer, 0),
  localBindSocketPath: both('LocalBindSocketPath', string, ''),
  localBindSocketMode: both('LocalBindSocketMode', string, ''),
  config: optional('Config', opaqueObject),
  meshGateway: bothOptional('MeshGateway', MESH_GATEWAY),
})
export type DecodedUpstream = Exclude<ReturnType<typeof UPSTREAM.read>, symbol>

const EXPOSE_PATH = object('ExposePath', {
  path: field('Path', string, ''),
  localPathPort: both('LocalPathPort', integer, 0),
  listenerPort: both('ListenerPort', integer, 0),
  protocol: field('Protocol', string, ''),
  /** Output only; what a client read may be sent back. */
  parsedFromCheck: both('ParsedFromCheck', boolean, false),
})

const EXPOSE = object('ExposeConfig', {
  checks: field('Checks', boolean, false),
  paths: field('Paths', list(EXPOSE_PATH), []),
})

const TRANSPARENT_PROXY = object('TransparentProxyConfig', {
  outboundListenerPort: both('OutboundListenerPort', integer, 0),
  dialedDirectly: both('DialedDirectly', boolean, false),
})

export const PROXY = object('ConnectProxyConfig', {
  destinationServiceName: both('DestinationServiceName', string, ''),
  destinationServiceId: both('DestinationServiceID', string, ''),
  localServiceAddress: both('LocalServiceAddress', string, ''),
  localServicePort: both('LocalServicePort', integer, 0),
  localServiceSocketPath: both('LocalServiceSocketPath', string, ''),
  mode: field('Mode', string, ''),
  transparentProxy: bothOptional('TransparentProxy', TRANSPARENT_PROXY),
  config: optional('Config', opaqueObject),
  upstreams: field('Upstreams', list(UPSTREAM), []),
  meshGateway: bothOptional('MeshGateway', MESH_GATEWAY),
  expose: optional('Expose', EXPOSE),
  accessLogs: both('AccessLogs', opaque, null),
  envoyExtensions: both('EnvoyExtensions', opaque, null),
})
export type DecodedProxy = Exclude<ReturnType<typeof PROXY.read>, symbol>

const WEIGHTS = object('Weights', {
  passing: optional('Passing', integer),
  warning: optional('Warning', integer),
})

const LOCALITY = object('Locality', {
  region: field('Region', string, ''),
  zone: field('Zone', string, ''),
})

const SERVICE_FIELDS = {
  kind: field('Kind', string, ''),
  id: field('ID', string, ''),
  name: field('Name', string, ''),
  tags: optional('Tags', strings),
  address: field('Address', string, ''),
  taggedAddresses: bothOptional('TaggedAddresses', mapOf(TAGGED_ADDRESS)),
  meta: optional('Meta', stringMap),
  port: field('Port', integer, 0),
  socketPath: both('SocketPath', string, ''),
  proxy: optional('Proxy', PROXY),
  check: optional('Check', CHECK_TYPE),
  checks: field('Checks', list(nullable(CHECK_TYPE)), []),
  weights: optional('Weights', WEIGHTS),
  enableTagOverride: both('EnableTagOverride', boolean, false),
  token: field('Token', string, ''),
  locality: optional('Locality', LOCALITY),
} as const

/** The `Connect` block ignores what it does not know (http-api.md 3). */
function connectBlock<T>(sidecar: Decoder<T>) {
  return object(
    'ServiceConnect',
    {
      native: field('Native', boolean, false),
      sidecarService: bothOptional('SidecarService', sidecar),
    },
    { unknownFields: 'ignore' },
  )
}

/** A sidecar is a service definition; that it nests no further is a rule with its own message. */
const SIDECAR = object('ServiceDefinition', {
  ...SERVICE_FIELDS,
  connect: optional('Connect', connectBlock(opaque)),
})
export type DecodedSidecar = Exclude<ReturnType<typeof SIDECAR.read>, symbol>

export const SERVICE_DEFINITION = object('ServiceDefinition', {
  ...SERVICE_FIELDS,
  connect: optional('Connect', connectBlock(SIDECAR)),
})
export type DecodedService = Exclude<ReturnType<typeof SERVICE_DEFINITION.read>, symbol>
