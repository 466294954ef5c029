/**
 * Expansion of `connect.sidecar_service`: the proxy that is registered beside a service (mesh.md 2.2). Pure.
 *
 * Guarantees: the same sidecar keeps its port over re-registrations while it is in range; otherwise it gets
 * the lowest port that no service of this agent uses. What the user set is kept, the id excepted.
 */

import type { ProxyConfig, ServiceDefinition } from '../../core/catalog/types.ts'
import { FairleadError } from '../../core/errors.ts'
import { EMPTY_PROXY } from './proxy-definitions.ts'
import { multiError, serviceProblems } from './service-rules.ts'
import type { CheckSpec, LocalService, ServiceRegistration } from './types.ts'

export interface SidecarPorts {
  /** Inclusive; 0 switches assignment off. */
  readonly min: number
  readonly max: number
}

export interface ExpandedSidecar {
  readonly service: ServiceDefinition
  readonly checks: readonly CheckSpec[]
  readonly token: string
}

const LISTENING_INTERVAL_MS = 10_000

export function sidecarIdOf(serviceId: string): string {
  return `${serviceId}-sidecar-proxy`
}

/**
 * @param services what this agent runs now
 * @param reservedPorts ports of sidecars that are about to be loaded
 * @throws FairleadError BAD_REQUEST with the texts of mesh.md 2.2, 2.3
 */
export function expandSidecar(
  registration: ServiceRegistration,
  context: {
    readonly services: ReadonlyMap<string, LocalService>
    readonly ports: SidecarPorts
    readonly reservedPorts: ReadonlySet<number>
  },
): ExpandedSidecar | undefined {
  const sidecar = registration.sidecar
  if (sidecar === undefined) return undefined
  const parent = registration.service
  const own = sidecar.service
  const id = sidecarIdOf(parent.id)
  const ownWeights = own.weights
  const hasOwnWeights =
    ownWeights !== undefined && !(ownWeights.passing === 1 && ownWeights.warning === 1)
  const locality = own.locality ?? parent.locality
  const service: ServiceDefinition = {
    kind: own.kind ?? 'connect-proxy',
    id,
    service: own.service ?? `${parent.service}-sidecar-proxy`,
    tags: own.tags ?? parent.tags,
    address: own.address ?? parent.address,
    port: own.port ?? (own.socketPath === undefined ? assignPort(id, context) : 0),
    socketPath: own.socketPath ?? '',
    taggedAddresses: own.taggedAddresses ?? {},
    meta: own.meta ?? parent.meta,
    weights: hasOwnWeights ? ownWeights : parent.weights,
    enableTagOverride: own.enableTagOverride ?? false,
    proxy: sidecarProxy(parent, own.proxy ?? EMPTY_PROXY),
    connectNative: false,
    ...(locality === undefined ? {} : { locality }),
  }
  const problems = serviceProblems(service)
  if (problems.length > 0) {
    throw new FairleadError('BAD_REQUEST', `Failed Validation: ${multiError(problems, 'json')}`)
  }
  return {
    service,
    checks: sidecar.checks.length > 0 ? sidecar.checks : defaultChecks(registration, service),
    token: sidecar.token || registration.token,
  }
}

function sidecarProxy(parent: ServiceDefinition, own: ProxyConfig): ProxyConfig {
  const named: ProxyConfig = {
    ...own,
    destinationServiceName: own.destinationServiceName || parent.service,
    destinationServiceId: own.destinationServiceId || parent.id,
  }
  if (own.localServiceSocketPath !== '') return named
  const hasLocalAddress = own.localServiceAddress !== '' || own.localServicePort !== 0
  if (parent.socketPath !== '' && !hasLocalAddress) {
    return { ...named, localServiceSocketPath: parent.socketPath }
  }
  return {
    ...named,
    localServiceAddress: own.localServiceAddress || '127.0.0.1',
    localServicePort: own.localServicePort || parent.port,
  }
}

function assignPort(
  id: string,
  context: {
    readonly services: ReadonlyMap<string, LocalService>
    readonly ports: SidecarPorts
    readonly reservedPorts: ReadonlySet<number>
  },
): number {
  const { min, max } = context.ports
  if (min < 1 || max < 1) {
    throw invalidSidecar(
      'no port provided for sidecar_service and auto-assignment disabled in config',
    )
  }
  const kept = context.services.get(id)?.service.port
  if (kept !== undefined && kept >= min && kept <= max) return kept
  const used = new Set(context.reservedPorts)
  for (const { service } of context.services.values()) used.add(service.port)
  for (let port = min; port <= max; port++) if (!used.has(port)) return port
  throw invalidSidecar(
    `no port provided for sidecar_service and none left in the configured range [${min}, ${max}]`,
  )
}

function invalidSidecar(reason: string): FairleadError {
  return new FairleadError('BAD_REQUEST', `Invalid SidecarService: ${reason}`)
}

function defaultChecks(
  registration: ServiceRegistration,
  sidecar: ServiceDefinition,
): readonly CheckSpec[] {
  const parent = registration.service
  const deregisterAfterMs = registration.checks.reduce(
    (longest, check) => Math.max(longest, check.deregisterCriticalServiceAfterMs),
    0,
  )
  const base = {
    checkId: '',
    notes: '',
    serviceId: '',
    tlsServerName: '',
    tlsSkipVerify: false,
    timeoutMs: 0,
    successBeforePassing: 0,
    failuresBeforeCritical: 0,
    deregisterCriticalServiceAfterMs: deregisterAfterMs,
    outputMaxSize: 0,
  }
  const alias: CheckSpec = {
    ...base,
    name: `Connect Sidecar Aliasing ${parent.id}`,
    intervalMs: 0,
    alias: { node: '', serviceId: parent.id },
  }
  if (sidecar.port === 0) return [alias]
  const host = sidecar.address || sidecar.proxy?.localServiceAddress || '127.0.0.1'
  const listening: CheckSpec = {
    ...base,
    name: 'Connect Sidecar Listening',
    intervalMs: LISTENING_INTERVAL_MS,
    tcp: { address: joinHostPort(host, sidecar.port), useTls: false },
  }
  return [listening, alias]
}

function joinHostPort(host: string, port: number): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]:${port}` : `${host}:${port}`
}
