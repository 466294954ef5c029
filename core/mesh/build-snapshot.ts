/**
 * The proxy's configuration as a function of what is known: services here, instances elsewhere, rules,
 * certificates. Pure: the same inputs give the same snapshot, in the same order.
 *
 * What lacks a piece that must not be missing is left out rather than half described: a listener without
 * its certificate is not opened yet, and a protected service whose rules are not known stays closed.
 * Source: mesh.md 1.4, 2.4, 8.3, 10.2; the shared addresses are docs/decisions/0005.
 */

import type {
  CaRevocation,
  HealthEntry,
  IntentionAction,
  IntentionRecord,
  JsonObject,
  Locality,
  ServiceDefinition,
  Upstream,
  VirtualIpRecord,
} from '../catalog/types.ts'
import type { CompiledChain } from '../chain/types.ts'

import { adaptiveConcurrencyOf } from '../config-entries/adaptive-concurrency.ts'
import { rateLimitsOf } from '../config-entries/rate-limits.ts'
import { objectAt } from '../config-entries/read-field.ts'
import { sizeLimitsOf } from '../config-entries/size-limits.ts'

import { ClusterMemo } from './cluster-memo.ts'

import { clustersOf } from './clusters.ts'
import { agentIdentityId, localProxies, serviceIdentityId, virtualServices } from './demand.ts'
import { protocolOf } from './protocol.ts'
import type {
  CallerRules,
  InboundListener,
  JwtProviderSpec,
  OutboundListener,
  ProxyIdentity,
  ProxySnapshot,
} from './proxy-snapshot.ts'
import { routingOf } from './routes.ts'
import { transparentListeners } from './transparent.ts'
import { callerSettings } from './upstream-settings.ts'
import { virtualAddress } from './virtual-address.ts'

const CONNECT_TIMEOUT_MS = 5000
export interface MeshInputs {
  readonly version: number
  readonly datacenter: string
  readonly nodeName: string
  readonly trustDomain: string
  readonly rootsPem: readonly string[]
  readonly revocations?: readonly CaRevocation[]
  readonly jwtProviders?: readonly JwtProviderSpec[]
  readonly services: readonly ServiceDefinition[]
  /** Ids of sidecars whose listeners another data plane opens (docs/decisions/0037). */
  readonly servedElsewhere: ReadonlySet<string>
  readonly virtualIps: readonly VirtualIpRecord[]
  /** Added to a service's offset to give its shared address on this host. */
  readonly loopbackBase: string
  /** Ports bound on every shared address besides the services' own. */
  readonly virtualPorts: readonly number[]
  readonly identities: ReadonlyMap<string, ProxyIdentity>
  /** By destination; a missing key means not known yet. */
  readonly instances: ReadonlyMap<string, readonly HealthEntry[]>
  /** By protected service, precedence descending; a missing key means not known yet. */
  readonly intentions: ReadonlyMap<string, readonly IntentionRecord[]>
  /** By upstream; a missing key means not known yet, or that it does not compile. */
  readonly chains: ReadonlyMap<string, CompiledChain>
  /** @returns what config entries say of a service's protocol, undefined when they say nothing */
  readonly protocolOf: (service: string) => string | undefined
  /** @returns the body of a service's service-defaults */
  readonly serviceDefaultsOf: (service: string) => JsonObject | undefined
  /** Instances of a subset. */
  readonly matching: (entries: readonly HealthEntry[], filter: string) => readonly HealthEntry[]
  readonly defaultAction: IntentionAction
  /** Where inbound listeners bind when the sidecar names no address. */
  readonly bindAddress: string
}

/** @param memo of the snapshot before, if these inputs come from one: unchanged clusters are the same objects */
export function buildProxySnapshot(inputs: MeshInputs, memo = new ClusterMemo()): ProxySnapshot {
  const outbound = [
    ...explicitUpstreams(inputs),
    ...sharedAddresses(inputs),
    ...transparent(inputs),
  ]
  const clusters = clustersOf({ ...inputs, locality: hostLocality(inputs) }, memo)
  const known = new Set(clusters.map((c) => c.id))
  const settings = callerSettings({
    sidecars: ownProxies(inputs),
    chains: inputs.chains,
    upstreamConfigOf: (service) => objectAt(inputs.serviceDefaultsOf(service), 'UpstreamConfig'),
  })
  return {
    version: inputs.version,
    datacenter: inputs.datacenter,
    nodeName: inputs.nodeName,
    trustDomain: inputs.trustDomain,
    rootsPem: inputs.rootsPem,
    ...revokedPeers(inputs.revocations ?? []),
    ...((inputs.jwtProviders ?? []).length === 0
      ? {}
      : { jwtProviders: inputs.jwtProviders ?? [] }),
    identities: [...inputs.identities.values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
    inbound: inboundListeners(inputs),
    outbound: outbound.filter((listener) => known.has(listener.clusterId)),
    callers: callerRules(inputs),
    clusters,
    ...(settings.length === 0 ? {} : { callerSettings: settings }),
  }
}

/** All services of a host are at one place: the first that says where. */
function hostLocality({ services }: MeshInputs): Locality | undefined {
  for (const { locality } of localProxies(services)) {
    if (locality !== undefined && locality.region !== '') return locality
  }
  return undefined
}

function revokedPeers(revocations: readonly CaRevocation[]): Pick<ProxySnapshot, 'revoked'> {
  if (revocations.length === 0) return {}
  const of = (kind: CaRevocation['kind']): string[] =>
    revocations.filter((each) => each.kind === kind).map(({ value }) => value)
  return { revoked: { serials: of('serial'), uris: of('identity') } }
}

function inboundListeners(inputs: MeshInputs): InboundListener[] {
  const listeners: InboundListener[] = []
  for (const sidecar of ownProxies(inputs)) {
    const proxy = sidecar.proxy
    if (proxy === undefined) continue
    const identityId = serviceIdentityId(proxy.destinationServiceName)
    const intentions = inputs.intentions.get(proxy.destinationServiceName)
    if (intentions === undefined || !inputs.identities.has(identityId)) continue
    const requestTimeoutMs = number(proxy.config, 'local_request_timeout_ms')
    const defaults = inputs.serviceDefaultsOf(proxy.destinationServiceName)
    const rateLimits = rateLimitsOf(defaults)
    const adaptiveConcurrency = adaptiveConcurrencyOf(defaults)
    const sizeLimits = sizeLimitsOf(defaults)
    listeners.push({
      id: sidecar.id,
      serviceName: proxy.destinationServiceName,
      serviceId: proxy.destinationServiceId,
      bind: {
        address: text(proxy.config, 'bind_address') ?? (sidecar.address || inputs.bindAddress),
        port: number(proxy.config, 'bind_port') ?? sidecar.port,
      },
      identityId,
      protocol: protocolOf(
        text(proxy.config, 'protocol') ?? inputs.protocolOf(proxy.destinationServiceName),
      ),
      target:
        proxy.localServiceSocketPath === ''
          ? {
              address: proxy.localServiceAddress || '127.0.0.1',
              port: proxy.localServicePort,
            }
          : { socketPath: proxy.localServiceSocketPath },
      connectTimeoutMs: number(proxy.config, 'local_connect_timeout_ms') ?? CONNECT_TIMEOUT_MS,
      ...(requestTimeoutMs === undefined ? {} : { requestTimeoutMs }),
      maxConnections: number(proxy.config, 'max_inbound_connections') ?? 0,
      ...(rateLimits === undefined ? {} : { rateLimits }),
      ...(sizeLimits === undefined ? {} : { sizeLimits }),
      ...(adaptiveConcurrency === undefined ? {} : { adaptiveConcurrency }),
      intentions,
      defaultAction: inputs.defaultAction,
    })
  }
  return listeners
}

/** Those whose listeners are opened by the proxy that the snapshot is for. */
function ownProxies({ services, servedElsewhere }: MeshInputs): ServiceDefinition[] {
  return localProxies(services).filter((sidecar) => !servedElsewhere.has(sidecar.id))
}

function explicitUpstreams(inputs: MeshInputs): OutboundListener[] {
  const listeners: OutboundListener[] = []
  for (const sidecar of ownProxies(inputs)) {
    const identityId = serviceIdentityId(sidecar.proxy?.destinationServiceName ?? '')
    if (!inputs.identities.has(identityId)) continue
    for (const upstream of sidecar.proxy?.upstreams ?? []) {
      if (!isSupportedUpstream(upstream, inputs.datacenter)) continue
      const routing = routingTo(inputs, upstream.destinationName)
      if (routing === undefined) continue
      listeners.push({
        id: `upstream:${sidecar.id}:${upstream.destinationName}`,
        bind:
          upstream.localBindSocketPath === ''
            ? { address: upstream.localBindAddress || '127.0.0.1', port: upstream.localBindPort }
            : { socketPath: upstream.localBindSocketPath, mode: upstream.localBindSocketMode },
        ...routing,
        protocol: protocolOf(
          text(upstream.config, 'protocol') ?? inputs.protocolOf(upstream.destinationName),
        ),
        source: { kind: 'identity', identityId },
      })
    }
  }
  return listeners
}

/** Prepared queries and other datacentres have no endpoints here; the controller says so in the log. */
export function isSupportedUpstream(upstream: Upstream, datacenter: string): boolean {
  return (
    upstream.destinationType !== 'prepared_query' &&
    (upstream.datacenter === '' || upstream.datacenter === datacenter)
  )
}

/** Where calls to a service go; undefined while its chain is not known. */
function routingTo(
  inputs: MeshInputs,
  service: string,
): Pick<OutboundListener, 'clusterId' | 'failover' | 'routes'> | undefined {
  const chain = inputs.chains.get(service)
  if (chain === undefined) return undefined
  const { clusterId, failover, routes } = routingOf(chain)
  return {
    clusterId,
    ...(failover.length > 0 ? { failover } : {}),
    ...(routes === undefined ? {} : { routes }),
  }
}

function sharedAddresses(inputs: MeshInputs): OutboundListener[] {
  const listeners: OutboundListener[] = []
  for (const record of virtualServices(inputs.virtualIps)) {
    const routing = routingTo(inputs, record.service)
    if (routing === undefined) continue
    const ports = new Set(inputs.virtualPorts)
    for (const entry of inputs.instances.get(record.service) ?? []) {
      const port = entry.service.proxy?.localServicePort ?? entry.service.port
      if (port > 0) ports.add(port)
    }
    const fallback = fallbackIdentity(inputs, record.service)
    for (const port of [...ports].sort((a, b) => a - b)) {
      listeners.push({
        id: `virtual:${record.service}:${port}`,
        bind: { address: virtualAddress(inputs.loopbackBase, record.offset), port },
        ...routing,
        protocol: port === 80 ? 'http' : protocolOf(inputs.protocolOf(record.service)),
        source:
          fallback === undefined
            ? { kind: 'caller' }
            : { kind: 'caller', fallbackIdentityId: fallback },
      })
    }
  }
  return listeners
}

function transparent(inputs: MeshInputs): OutboundListener[] {
  const listeners: OutboundListener[] = []
  for (const { id, sidecar, service, bind } of transparentListeners(inputs)) {
    if (inputs.servedElsewhere.has(sidecar.id)) continue
    const identityId = serviceIdentityId(sidecar.proxy?.destinationServiceName ?? '')
    const routing = routingTo(inputs, service)
    if (routing === undefined || !inputs.identities.has(identityId)) continue
    const protocol = protocolOf(inputs.protocolOf(service))
    listeners.push({ id, bind, ...routing, protocol, source: { kind: 'identity', identityId } })
  }
  return listeners
}

/**
 * Who a process that is no registered service speaks as: the only mesh service of this host apart from the
 * one it calls, as on the usual one-service VM; otherwise the host itself, which only `*` rules match.
 */
function fallbackIdentity(inputs: MeshInputs, destination: string): string | undefined {
  const names = new Set<string>()
  for (const sidecar of localProxies(inputs.services)) {
    const name = sidecar.proxy?.destinationServiceName ?? ''
    if (name !== destination) names.add(name)
  }
  const [only, ...others] = names
  const id =
    only !== undefined && others.length === 0
      ? serviceIdentityId(only)
      : agentIdentityId(inputs.nodeName)
  return inputs.identities.has(id) ? id : undefined
}

function callerRules(inputs: MeshInputs): CallerRules {
  const services: { identityId: string; port: number }[] = []
  for (const sidecar of localProxies(inputs.services)) {
    const identityId = serviceIdentityId(sidecar.proxy?.destinationServiceName ?? '')
    const port = sidecar.proxy?.localServicePort ?? 0
    if (port > 0 && inputs.identities.has(identityId)) services.push({ identityId, port })
  }
  const host = agentIdentityId(inputs.nodeName)
  return inputs.identities.has(host) ? { services, fallbackIdentityId: host } : { services }
}

function text(config: JsonObject | null, key: string): string | undefined {
  const value = config?.[key]
  return typeof value === 'string' && value !== '' ? value : undefined
}

function number(config: JsonObject | null, key: string): number | undefined {
  const value = config?.[key]
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}
