/**
 * The local state of this host: what runs here, registered by whom, and in what health.
 *
 * Guarantees: a registration is applied as a whole or not at all, and is on disk before it is visible; one
 * changes at a time. The status of a check survives registering again and, with a data directory, a
 * restart, so that nothing flaps. What files define wins over what was persisted under the same id.
 * Does not run checks (agent/checks/) and does not talk to servers (agent/sync/ binds itself here).
 * Source: http-api.md 9.4, 9.7, 9.10, 10; mesh.md 2. Bounds: agent/local/limits.ts.
 */

import { sameData } from '../../core/catalog/equality.ts'
import type {
  CheckDefinition,
  CheckStatus,
  StringMap,
  TaggedAddress,
} from '../../core/catalog/types.ts'
import { FairleadError } from '../../core/errors.ts'
import { aggregateStatus } from '../../core/health/aggregate.ts'
import { NODE_MAINTENANCE_ID, serviceMaintenanceId } from '../../core/health/maintenance.ts'
import type { Service } from '../../core/lifecycle.ts'
import type { Logger } from '../../core/log.ts'
import type { Clock, Instant } from '../../core/time.ts'
import { maintenanceRecord } from './check-records.ts'
import { contentHash } from './content-hash.ts'
import type { DefinitionFiles, StoredCheck } from './definition-files.ts'
import type { ConfiguredDefinitions } from './definitions.ts'
import { FROM_FILES, loadDefinitions, planReload } from './load-definitions.ts'
import { LocalChecks, type LocalChecksOptions, unknownCheck } from './local-checks.ts'
import {
  type PlanContext,
  type PlannedService,
  planCheck,
  planRegistration,
  type RegistrationOptions,
} from './registration-plan.ts'
import { assertRunnable, type ScriptPermission } from './script-permission.ts'
import { isDnsName } from './service-rules.ts'
import { type SidecarPorts, sidecarIdOf } from './sidecar.ts'
import type {
  AggregatedStatus,
  CheckSpec,
  LocalChange,
  LocalCheck,
  LocalService,
  LocalStateApi,
  RegistrationSource,
  ServiceRegistration,
} from './types.ts'

/** The version whose behaviour fairlead offers; a node meta that tools read. */
export const COMPATIBLE_VERSION = '1.21.4'

export interface LocalStateOptions extends LocalChecksOptions {
  readonly nodeName: string
  readonly nodeId: string
  /** As configured; the two `consul-` keys are added. */
  readonly nodeMeta: StringMap
  readonly sidecarPorts: SidecarPorts
  readonly scripts: ScriptPermission
  /** From configuration files, already decoded; registered at start. */
  readonly definitions: ConfiguredDefinitions
}

export interface LocalStateDeps {
  readonly clock: Clock
  readonly log: Logger
  /** Absent without a data directory (dev mode): nothing survives the process then. */
  readonly files?: DefinitionFiles
}

export class LocalState implements LocalStateApi, Service {
  readonly nodeName: string
  readonly nodeId: string
  readonly #options: LocalStateOptions
  readonly #clock: Clock
  readonly #log: Logger
  readonly #files: DefinitionFiles | undefined
  readonly #services = new Map<string, LocalService>()
  readonly #serviceTokens = new Map<string, string>()
  readonly #checks: LocalChecks
  readonly #listeners = new Set<(change: LocalChange) => void>()
  #reservedPorts: ReadonlySet<number> = new Set()
  #queue: Promise<void> = Promise.resolve()
  #nodeMeta: StringMap
  /** What the configuration files said last. */
  #configured: ConfiguredDefinitions
  #sync: (() => Promise<void>) | undefined
  #started: Promise<void> | undefined

  constructor(options: LocalStateOptions, deps: LocalStateDeps) {
    this.nodeName = options.nodeName
    this.nodeId = options.nodeId
    this.#options = options
    this.#nodeMeta = options.nodeMeta
    this.#configured = options.definitions
    this.#clock = deps.clock
    this.#log = deps.log
    this.#files = deps.files
    this.#checks = new LocalChecks(options, {
      ...deps,
      files: deps.files,
      onChange: (id, removed) => this.#notify({ kind: 'check', id, removed }),
    })
  }

  /** Loads what files define and what was persisted. @throws FairleadError INVALID_CONFIG | STORAGE_FAILED */
  start(_signal?: AbortSignal): Promise<void> {
    this.#started ??= this.#exclusive(() => this.#load())
    return this.#started
  }

  async drain(): Promise<void> {
    await this.#queue
  }

  async stop(): Promise<void> {
    await this.#queue
    this.#checks.stop()
    await this.#files?.flush()
  }

  /** Anti-entropy offers itself: it is awaited after each registration and logs its failures itself. */
  bindSync(sync: (() => Promise<void>) | undefined): void {
    this.#sync = sync
  }

  services(): ReadonlyMap<string, LocalService> {
    return this.#services
  }

  checks(): ReadonlyMap<string, LocalCheck> {
    return this.#checks.entries
  }

  onChange(listener: (change: LocalChange) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Takes over what a reload may change. The catalog learns it with the next full sync. */
  reconfigure(options: Pick<LocalStateOptions, 'nodeMeta' | 'discardOutput'>): void {
    const { nodeMeta, discardOutput } = options
    this.#nodeMeta = nodeMeta
    this.#checks.discardOutput = discardOutput
  }

  nodeMeta(): StringMap {
    return {
      ...this.#nodeMeta,
      'consul-network-segment': '',
      'consul-version': COMPATIBLE_VERSION,
    }
  }

  aggregate(serviceId: string): AggregatedStatus {
    const bearing: CheckDefinition[] = []
    for (const { check } of this.#checks.entries.values()) {
      if (check.serviceId === '' || check.serviceId === serviceId) bearing.push(check)
    }
    return aggregateStatus(bearing)
  }

  /** When this agent saw the check turn critical; undefined when it is not critical. */
  criticalSince(checkId: string): Instant | undefined {
    return this.#checks.criticalSince(checkId)
  }

  /** Token given with the service, '' when none. */
  serviceToken(serviceId: string): string {
    return this.#serviceTokens.get(serviceId) ?? ''
  }

  checkToken(checkId: string): string {
    return this.#checks.token(checkId)
  }

  async registerService(
    registration: ServiceRegistration,
    options: RegistrationOptions,
  ): Promise<void> {
    await this.#exclusive(() => this.#registerService(registration, options))
    await this.#offer()
  }

  async deregisterService(id: string): Promise<void> {
    await this.#exclusive(async () => {
      if (!this.#services.has(id)) throw unknownService(id)
      const sidecarId = sidecarIdOf(id)
      const hasSidecar = this.#services.get(sidecarId)?.isSidecar === true
      for (const serviceId of hasSidecar ? [id, sidecarId] : [id]) {
        await this.#removeService(serviceId)
      }
    })
    await this.#offer()
  }

  async registerCheck(spec: CheckSpec, source: RegistrationSource, token: string): Promise<void> {
    await this.#exclusive(async () => {
      const entry = planCheck(spec, source, this.#planContext())
      await this.#persistCheck(entry, token)
      this.#checks.put(entry, token)
    })
    await this.#offer()
  }

  async deregisterCheck(id: string): Promise<void> {
    await this.#exclusive(async () => {
      if (!this.#checks.entries.has(id)) throw unknownCheck(id)
      await this.#files?.removeCheck(id)
      this.#checks.drop(id)
    })
    await this.#offer()
  }

  async updateTtl(id: string, status: CheckStatus, output: string): Promise<void> {
    // Heartbeats that change nothing but the output do not wait for the servers.
    if (this.#checks.reportTtl(id, status, output)) await this.#offer()
  }

  /**
   * What a runner found out; no effect for a check that is gone.
   *
   * @param output already within the check's limit
   */
  reportCheck(id: string, status: CheckStatus, output: string): void {
    this.#checks.report(id, status, output)
  }

  async setServiceMaintenance(serviceId: string, enabled: boolean, reason: string): Promise<void> {
    await this.#setMaintenance(serviceMaintenanceId(serviceId), enabled, () => {
      const service = this.#services.get(serviceId)?.service
      if (service === undefined) throw unknownService(serviceId)
      return maintenanceRecord(service, reason)
    })
  }

  async setNodeMaintenance(enabled: boolean, reason: string): Promise<void> {
    await this.#setMaintenance(NODE_MAINTENANCE_ID, enabled, () =>
      maintenanceRecord(undefined, reason),
    )
  }

  /**
   * Takes over what the catalog may decide about a service of this agent: its tags (EnableTagOverride) and
   * the tagged addresses that servers add (http-api.md 10.7).
   */
  adoptFromCatalog(
    serviceId: string,
    found: {
      readonly tags?: readonly string[]
      readonly taggedAddresses?: Readonly<Record<string, TaggedAddress>>
    },
  ): void {
    const local = this.#services.get(serviceId)
    if (local !== undefined) {
      this.#storeService({ ...local, service: { ...local.service, ...found } })
    }
  }

  /**
   * Takes over new contents of the configuration files: what is gone there is deregistered, what differs is
   * registered again with its status kept, the rest is left alone (agent-config.md 14). On a refusal nothing changes.
   *
   * @throws FairleadError INVALID_CONFIG naming every definition that is refused
   */
  async reload(definitions: ConfiguredDefinitions): Promise<void> {
    await this.#exclusive(async () => {
      const plan = planReload(this.#configured, definitions, this.#planContext())
      if (plan.problems.length > 0) {
        throw new FairleadError('INVALID_CONFIG', plan.problems.join('\n'))
      }
      for (const { service, source } of [...this.#services.values()]) {
        const isGone = source === 'config' && !plan.services.has(service.id)
        if (isGone) await this.#removeService(service.id)
      }
      for (const { check, source } of [...this.#checks.entries.values()]) {
        const isGone = source === 'config' && !plan.checks.has(check.checkId)
        if (isGone) this.#checks.drop(check.checkId)
      }
      for (const registration of plan.differing.services) {
        await this.#registerService(registration, FROM_FILES)
      }
      for (const { spec, token } of plan.differing.checks) {
        this.#checks.put(planCheck(spec, 'config', this.#planContext()), token)
      }
      this.#configured = definitions
    })
    await this.#offer()
  }

  async #setMaintenance(
    checkId: string,
    enabled: boolean,
    record: () => CheckDefinition,
  ): Promise<void> {
    await this.#exclusive(async () => {
      const check = record()
      if (enabled === this.#checks.entries.has(checkId)) return
      if (enabled) {
        const entry: LocalCheck = { check, spec: null, source: 'api' }
        await this.#persistCheck(entry, '')
        this.#checks.put(entry, '')
      } else {
        await this.#files?.removeCheck(checkId)
        this.#checks.drop(checkId)
      }
      const message = enabled ? 'maintenance mode enabled' : 'maintenance mode disabled'
      this.#log.info(message, { service: check.serviceId, reason: check.notes })
    })
    await this.#offer()
  }

  async #registerService(
    registration: ServiceRegistration,
    options: RegistrationOptions,
  ): Promise<void> {
    const { service } = registration
    if (!isDnsName(service.service)) {
      this.#log.warn('service name cannot be resolved by dns', { service: service.service })
    }
    const plans = planRegistration(registration, options, this.#planContext())
    await this.#persistServices(plans)
    for (const plan of plans) this.#applyService(plan)
  }

  #planContext(): PlanContext {
    return {
      services: this.#services,
      checks: this.#checks,
      sidecarPorts: this.#options.sidecarPorts,
      reservedPorts: this.#reservedPorts,
      scripts: this.#options.scripts,
    }
  }

  /** Each file waits for the disk twice; side by side they wait as long as one does. */
  async #persistServices(plans: readonly PlannedService[]): Promise<void> {
    const files = this.#files
    if (files === undefined) return
    const saves = plans.map((plan) => this.#persistService(plan, files))
    const failed = (await Promise.allSettled(saves)).find(({ status }) => status === 'rejected')
    if (failed?.status !== 'rejected') return
    // Services that were refused must not come back at the next start; checks do not without theirs.
    for (const { local } of plans) {
      const { id } = local.service
      if (!this.#services.has(id)) await files.removeService(id)
    }
    throw failed.reason
  }

  async #persistService(plan: PlannedService, files: DefinitionFiles): Promise<void> {
    const { service, isSidecar, source } = plan.local
    for (const id of plan.removedChecks) await files.removeCheck(id)
    const saves = plan.checks.map((entry) => this.#persistCheck(entry, plan.token))
    if (source === 'api') saves.push(files.saveService({ service, isSidecar, token: plan.token }))
    const failed = (await Promise.allSettled(saves)).find(({ status }) => status === 'rejected')
    if (failed?.status === 'rejected') throw failed.reason
  }

  async #persistCheck(entry: LocalCheck, token: string): Promise<void> {
    if (entry.source === 'config') return
    await this.#files?.saveCheck({ check: entry.check, spec: entry.spec, token })
  }

  #applyService(plan: PlannedService): void {
    for (const id of plan.removedChecks) this.#checks.drop(id)
    this.#serviceTokens.set(plan.local.service.id, plan.token)
    this.#storeService(plan.local)
    for (const entry of plan.checks) this.#checks.put(entry, plan.token)
  }

  #storeService(local: LocalService): void {
    const { service } = local
    const before = this.#services.get(service.id)
    this.#services.set(service.id, { ...local, contentHash: contentHash(service) })
    if (!sameData(before?.service, service)) {
      this.#notify({ kind: 'service', id: service.id, removed: false })
    }
    this.#checks.refreshOwner(service)
  }

  async #removeService(id: string): Promise<void> {
    await this.#files?.removeService(id)
    const checkIds = this.#checks.ofService(id).map(({ check }) => check.checkId)
    for (const checkId of checkIds) await this.#files?.removeCheck(checkId)
    for (const checkId of checkIds) this.#checks.drop(checkId)
    this.#services.delete(id)
    this.#serviceTokens.delete(id)
    this.#notify({ kind: 'service', id, removed: true })
  }

  async #load(): Promise<void> {
    const { definitions } = this.#options
    const found = await loadDefinitions(definitions, {
      files: this.#files,
      wall: this.#clock.wall(),
    })
    this.#checks.restoreFrom(found.states)
    this.#reservedPorts = found.sidecarPorts
    const problems: string[] = []
    const attempt = async (what: string, act: () => Promise<void>): Promise<void> => {
      try {
        await act()
      } catch (error) {
        problems.push(`${what}: ${error instanceof Error ? error.message : String(error)}`)
      }
    }
    for (const registration of definitions.services) {
      await attempt(`service "${registration.service.id}"`, () =>
        this.#registerService(registration, FROM_FILES),
      )
    }
    for (const { service, isSidecar, token } of found.services) {
      this.#serviceTokens.set(service.id, token)
      this.#storeService({ service, isSidecar, source: 'api', contentHash: '' })
    }
    for (const { spec, token } of definitions.checks) {
      await attempt(`check "${spec.checkId}"`, async () =>
        this.#checks.put(planCheck(spec, 'config', this.#planContext()), token),
      )
    }
    for (const stored of found.checks) await this.#restoreCheck(stored)
    this.#checks.restoreFrom(new Map())
    this.#reservedPorts = new Set()
    if (problems.length > 0) throw new FairleadError('INVALID_CONFIG', problems.join('\n'))
  }

  async #restoreCheck(stored: StoredCheck): Promise<void> {
    const { checkId, serviceId } = stored.check
    if (serviceId !== '' && !this.#services.has(serviceId)) {
      this.#log.warn('persisted check dropped, its service is gone', { check: checkId })
      await this.#files?.removeCheck(checkId)
      return
    }
    if (stored.spec !== null) {
      try {
        assertRunnable(stored.spec, 'api', this.#options.scripts)
      } catch (err) {
        this.#log.error('persisted check cannot run on this agent', { check: checkId, err })
        return
      }
    }
    // Without a remembered state a TTL has run out meanwhile; the status of any other check has not changed
    // since it was registered.
    const hasExpired = stored.spec?.ttlMs !== undefined
    const check: CheckDefinition = hasExpired
      ? { ...stored.check, status: 'critical' }
      : stored.check
    this.#checks.put({ check, spec: stored.spec, source: 'api' }, stored.token)
  }

  #notify(change: LocalChange): void {
    for (const listener of this.#listeners) listener(change)
  }

  async #offer(): Promise<void> {
    await this.#sync?.()
  }

  /** Runs one mutation at a time; a failed one does not hold up the next. */
  #exclusive(act: () => Promise<void>): Promise<void> {
    const done = this.#queue.then(act)
    this.#queue = done.catch(() => {})
    return done
  }
}

function unknownService(id: string): FairleadError {
  return new FairleadError(
    'NOT_FOUND',
    `Unknown service ID "${id}". Ensure that the service ID is passed, not the service name.`,
  )
}
