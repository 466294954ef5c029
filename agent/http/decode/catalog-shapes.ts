/**
 * Nodes, services and checks as bodies of catalog/register and txn spell them (http-api.md 11.1, 17).
 *
 * Unlike agent registrations they take no snake_case. What clients send back from a read (indexes, names of
 * tenancies that exist) is accepted and ignored. Refused combinations throw with the texts of section 11.1.
 */

import { goQuote } from '../../../core/catalog/go-quote.ts'
import type {
  CheckDefinition,
  Json,
  JsonObject,
  ProxyConfig,
  ServiceDefinition,
  ServiceKind,
  Weights,
} from '../../../core/catalog/types.ts'
import {
  boolean,
  integer,
  list,
  mapOf,
  opaque,
  opaqueObject,
  raftIndex,
  string,
  stringMap,
} from '../../../core/decode/decoder.ts'
import { field, object, optional } from '../../../core/decode/object.ts'
import { durationFault, formatDuration, parseDuration } from '../../../core/duration.ts'
import { FairleadError } from '../../../core/errors.ts'
import { isCheckStatus } from '../../local/check-definitions.ts'
import { PROXY } from '../../local/definition-schema.ts'
import { convertProxy, EMPTY_PROXY } from '../../local/proxy-definitions.ts'
import { isServiceKind } from '../../local/service-rules.ts'

/** What a read printed and a write does not take from the client. */
const ECHOED = {
  createIndex: optional('CreateIndex', opaque),
  modifyIndex: field('ModifyIndex', raftIndex, 0),
  peerName: field('PeerName', string, ''),
} as const

export const LOCALITY = object('Locality', {
  region: field('Region', string, ''),
  zone: field('Zone', string, ''),
})

const SERVICE_ADDRESS = object('ServiceAddress', {
  address: field('Address', string, ''),
  port: field('Port', integer, 0),
})

const WEIGHTS = object('Weights', {
  passing: field('Passing', integer, 1),
  warning: field('Warning', integer, 1),
})

const CONNECT = object(
  'ServiceConnect',
  { native: field('Native', boolean, false) },
  { unknownFields: 'ignore' },
)

export const NODE = object('Node', {
  ...ECHOED,
  id: field('ID', string, ''),
  node: field('Node', string, ''),
  address: field('Address', string, ''),
  datacenter: field('Datacenter', string, ''),
  taggedAddresses: optional('TaggedAddresses', stringMap),
  meta: optional('Meta', stringMap),
  locality: optional('Locality', LOCALITY),
})

export const SERVICE = object('NodeService', {
  ...ECHOED,
  kind: field('Kind', string, ''),
  id: field('ID', string, ''),
  service: field('Service', string, ''),
  tags: field<readonly string[]>('Tags', list(string), []),
  address: field('Address', string, ''),
  taggedAddresses: field('TaggedAddresses', mapOf(SERVICE_ADDRESS), {}),
  meta: optional('Meta', stringMap),
  port: field('Port', integer, 0),
  socketPath: field('SocketPath', string, ''),
  weights: optional('Weights', WEIGHTS),
  enableTagOverride: field('EnableTagOverride', boolean, false),
  proxy: optional('Proxy', PROXY),
  connect: optional('Connect', CONNECT),
  locality: optional('Locality', LOCALITY),
  datacenter: field('Datacenter', string, ''),
  contentHash: field('ContentHash', string, ''),
})
export type DecodedNodeService = Exclude<ReturnType<typeof SERVICE.read>, symbol>

export const CHECK = object('HealthCheck', {
  ...ECHOED,
  node: field('Node', string, ''),
  checkId: field('CheckID', string, ''),
  name: field('Name', string, ''),
  status: field('Status', string, ''),
  notes: field('Notes', string, ''),
  output: field('Output', string, ''),
  serviceId: field('ServiceID', string, ''),
  serviceName: field('ServiceName', string, ''),
  serviceTags: field<readonly string[]>('ServiceTags', list(string), []),
  type: field('Type', string, ''),
  interval: field('Interval', string, ''),
  timeout: field('Timeout', string, ''),
  exposedPort: field('ExposedPort', integer, 0),
  definition: field<JsonObject>('Definition', opaqueObject, {}),
})
export type DecodedHealthCheck = Exclude<ReturnType<typeof CHECK.read>, symbol>

/** @throws FairleadError REJECTED */
export function serviceOf(decoded: DecodedNodeService): ServiceDefinition {
  const kind = kindOf(decoded.kind)
  return {
    kind,
    id: decoded.id === '' ? decoded.service : decoded.id,
    service: decoded.service,
    tags: decoded.tags,
    address: decoded.address,
    port: decoded.port,
    socketPath: decoded.socketPath,
    taggedAddresses: decoded.taggedAddresses,
    meta: decoded.meta ?? null,
    weights: weightsOf(decoded),
    enableTagOverride: decoded.enableTagOverride,
    ...(kind === '' ? {} : { proxy: proxyOf(decoded) }),
    connectNative: decoded.connect?.native ?? false,
    ...(decoded.locality === undefined ? {} : { locality: decoded.locality }),
  }
}

function kindOf(kind: string): ServiceKind {
  // The client library names the absence of a kind in its constants.
  if (kind === 'typical') return ''
  if (isServiceKind(kind)) return kind
  throw rejected(`unknown service kind ${goQuote(kind)}`)
}

/** The Go client always sends some, zeros where it was given none; what else makes no sense is the store's to refuse. */
function weightsOf({ weights }: DecodedNodeService): Weights {
  const isGiven = weights !== undefined && (weights.passing !== 0 || weights.warning !== 0)
  return isGiven ? weights : { passing: 1, warning: 1 }
}

function proxyOf(decoded: DecodedNodeService): ProxyConfig {
  if (decoded.proxy === undefined) return EMPTY_PROXY
  const { proxy, problems } = convertProxy(decoded.proxy)
  const [first] = problems
  if (first !== undefined) throw rejected(first)
  const given = decoded.proxy.upstreams
  const upstreams = proxy.upstreams.map((upstream, i) =>
    given[i]?.destinationType === '' ? { ...upstream, destinationType: '' as const } : upstream,
  )
  return { ...proxy, upstreams }
}

/** @throws FairleadError REJECTED */
export function checkOf(decoded: DecodedHealthCheck): CheckDefinition {
  const status = decoded.status === '' ? 'critical' : decoded.status
  if (!isCheckStatus(status)) throw rejected(`Invalid check status: '${status}'`)
  const definition = definitionOf(decoded.definition)
  return {
    checkId: decoded.checkId === '' ? decoded.name : decoded.checkId,
    name: decoded.name,
    status,
    notes: decoded.notes,
    output: decoded.output,
    serviceId: decoded.serviceId,
    serviceName: decoded.serviceName,
    serviceTags: decoded.serviceTags,
    type: decoded.type === '' ? typeOf(definition) : decoded.type,
    interval: decoded.interval,
    timeout: decoded.timeout,
    exposedPort: decoded.exposedPort,
    definition,
  }
}

/** In the order that decides (http-api.md 10.2); all but two kinds run at an interval. */
const TYPES: readonly (readonly [field: string, type: string])[] = [
  ['GRPC', 'grpc'],
  ['HTTP', 'http'],
  ['TTL', 'ttl'],
  ['TCP', 'tcp'],
  ['UDP', 'udp'],
  ['AliasNode', 'alias'],
  ['AliasService', 'alias'],
  ['DockerContainerID', 'docker'],
  ['ScriptArgs', 'script'],
  ['H2PING', 'h2ping'],
  ['OSService', 'os_service'],
]
const WITHOUT_INTERVAL: ReadonlySet<string> = new Set(['ttl', 'alias'])

/** What a check without a type does by its definition; '' when that runs nothing. */
function typeOf(definition: JsonObject): string {
  const found = TYPES.find(
    ([field, type]) =>
      definition[field] !== undefined &&
      (WITHOUT_INTERVAL.has(type) || definition['Interval'] !== undefined),
  )
  return found?.[1] ?? ''
}

/** Names of `Definition` in the spelling they are printed in. */
const DEFINITION_NAMES: ReadonlyMap<string, string> = new Map(
  [
    'HTTP',
    'Method',
    'Header',
    'Body',
    'DisableRedirects',
    'TLSServerName',
    'TLSSkipVerify',
    'TCP',
    'TCPUseTLS',
    'UDP',
    'GRPC',
    'GRPCUseTLS',
    'H2PING',
    'H2PingUseTLS',
    'OSService',
    'ScriptArgs',
    'DockerContainerID',
    'Shell',
    'AliasNode',
    'AliasService',
    'Interval',
    'Timeout',
    'TTL',
    'OutputMaxSize',
    'DeregisterCriticalServiceAfter',
    'SessionName',
  ].map((name) => [name.toLowerCase(), name]),
)

const DURATIONS: ReadonlySet<string> = new Set([
  'Interval',
  'Timeout',
  'DeregisterCriticalServiceAfter',
])

/** Stored as it is printed: known names only, nothing that is empty, durations as text, TTL as a number. */
function definitionOf(given: JsonObject): JsonObject {
  const entries: [string, Json][] = []
  for (const [key, value] of Object.entries(given)) {
    const name = DEFINITION_NAMES.get(key.toLowerCase())
    if (name === undefined) continue
    const kept = definitionValue(name, value)
    if (!isEmpty(kept)) entries.push([name, kept])
  }
  return Object.fromEntries(entries)
}

function definitionValue(name: string, value: Json): Json {
  if (name === 'TTL') return nanoseconds(value)
  if (!DURATIONS.has(name)) return value
  const ns = nanoseconds(value)
  return ns === 0 ? '' : formatDuration(ns)
}

function nanoseconds(value: Json): number {
  if (typeof value === 'number') return Math.trunc(value)
  if (value === null || value === '') return 0
  const ns = typeof value === 'string' ? parseDuration(value) : undefined
  if (ns !== undefined) return ns
  throw new FairleadError('BAD_REQUEST', `Request decode failed: ${durationFault(String(value))}`)
}

function isEmpty(value: Json): boolean {
  if (value === null || value === '' || value === 0 || value === false) return true
  return typeof value === 'object' && Object.keys(value).length === 0
}

function rejected(message: string): FairleadError {
  return new FairleadError('REJECTED', message)
}
