/**
 * The local state of this host: what runs here, registered by whom, and in what health.
 *
 * The one source of truth for this node's services and checks; anti-entropy makes the catalog agree
 * (http-api.md 10.7). Implemented by agent/local/local-state.ts; used by HTTP, DNS-free, checks and mesh.
 */

import type {
  CheckDefinition,
  CheckStatus,
  ServiceDefinition,
  StringMap,
} from '../../core/catalog/types.ts'

/** What a check does; the first set type field in the order of http-api.md 10.2 decides. Durations in ms. */
export interface CheckSpec {
  readonly checkId: string
  readonly name: string
  readonly notes: string
  /** Initial status; undefined means critical. */
  readonly status?: CheckStatus
  readonly serviceId: string
  readonly http?: {
    readonly url: string
    readonly method: string
    readonly header: Readonly<Record<string, readonly string[]>>
    readonly body: string
    readonly disableRedirects: boolean
  }
  readonly tcp?: { readonly address: string; readonly useTls: boolean }
  readonly udp?: { readonly address: string }
  readonly grpc?: { readonly target: string; readonly useTls: boolean }
  readonly h2ping?: { readonly address: string; readonly useTls: boolean }
  readonly script?: { readonly args: readonly string[] }
  readonly alias?: { readonly node: string; readonly serviceId: string }
  readonly ttlMs?: number
  /** Built in to fairlead: cpu, memory or disk of this host against thresholds in percent. */
  readonly host?: {
    readonly resource: 'cpu' | 'memory' | 'disk'
    readonly path: string
    readonly warningPercent: number
    readonly criticalPercent: number
  }
  readonly osService?: string
  readonly docker?: {
    readonly containerId: string
    readonly shell: string
    readonly args: readonly string[]
  }
  readonly tlsServerName: string
  readonly tlsSkipVerify: boolean
  readonly intervalMs: number
  readonly timeoutMs: number
  readonly successBeforePassing: number
  /** Undefined: equal to failuresBeforeCritical. */
  readonly failuresBeforeWarning?: number
  readonly failuresBeforeCritical: number
  readonly deregisterCriticalServiceAfterMs: number
  readonly outputMaxSize: number
}

/** A service as given at registration; `sidecar` is its expanded `connect.sidecar_service`, if any. */
export interface ServiceRegistration {
  readonly service: ServiceDefinition
  readonly checks: readonly CheckSpec[]
  readonly token: string
  readonly sidecar?: {
    readonly service: SidecarDefinition
    readonly checks: readonly CheckSpec[]
    readonly token: string
  }
}

/** A sidecar before expansion (mesh.md 2.2): what was left empty is undefined. */
export type SidecarDefinition = {
  readonly [K in keyof Omit<ServiceDefinition, 'id' | 'connectNative'>]?: ServiceDefinition[K]
}

export type RegistrationSource = 'api' | 'config'

export interface LocalService {
  readonly service: ServiceDefinition
  /** True for one that exists because its parent asked for a sidecar. */
  readonly isSidecar: boolean
  readonly source: RegistrationSource
  /** Structural hash, 16 hex digits, for hash-based blocking. */
  readonly contentHash: string
}

export interface LocalCheck {
  readonly check: CheckDefinition
  readonly spec: CheckSpec | null
  readonly source: RegistrationSource
}

export type LocalChange =
  | { readonly kind: 'service'; readonly id: string; readonly removed: boolean }
  | { readonly kind: 'check'; readonly id: string; readonly removed: boolean }

export type AggregatedStatus = CheckStatus | 'maintenance'

/**
 * Throws FairleadError with the texts of http-api.md 9.7, 9.10 and mesh.md 2: BAD_REQUEST for an invalid
 * definition, NOT_FOUND for an unknown id, REJECTED for what is disabled. Nothing is half applied.
 */
export interface LocalStateApi {
  readonly nodeName: string
  readonly nodeId: string
  services(): ReadonlyMap<string, LocalService>
  checks(): ReadonlyMap<string, LocalCheck>

  /** Resolves when stored, persisted and offered to the catalog (a failed sync is logged, not thrown). */
  registerService(
    registration: ServiceRegistration,
    options: { readonly source: RegistrationSource; readonly replaceExistingChecks: boolean },
  ): Promise<void>
  deregisterService(id: string): Promise<void>
  registerCheck(spec: CheckSpec, source: RegistrationSource, token: string): Promise<void>
  deregisterCheck(id: string): Promise<void>

  /** TTL report. @throws FairleadError NOT_FOUND, REJECTED when the check has no TTL */
  updateTtl(id: string, status: CheckStatus, output: string): Promise<void>

  setServiceMaintenance(serviceId: string, enabled: boolean, reason: string): Promise<void>
  setNodeMaintenance(enabled: boolean, reason: string): Promise<void>

  /** Worst of node checks and the service's own (http-api.md 9.8). */
  aggregate(serviceId: string): AggregatedStatus

  /** Node meta as synced, `consul-version` and `consul-network-segment` included. */
  nodeMeta(): StringMap
  onChange(listener: (change: LocalChange) => void): () => void
}
