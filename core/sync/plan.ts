/**
 * Anti-entropy as a pure function: the commands that make the catalog agree with an agent (http-api.md 10.7).
 *
 * Guarantees: applying all steps makes node, services and checks of the catalog equal to the local ones,
 * but for what others own: service `consul`, check `serfHealth`, tagged addresses `consul-…`, the tags of
 * services with EnableTagOverride, outputs whose sending is deferred. A catalog that agrees gives no steps.
 * One register command per changed service, carrying its changed checks; the rest one by one. Steps come in
 * phases: those of one phase may be done in any order, also at once. The node comes first: when it is refused
 * (another host holds its name) no later phase may begin.
 */

import type { Command, RegisterRequest } from '../catalog/commands.ts'
import { sameData } from '../catalog/equality.ts'
import type { CheckDefinition, ServiceDefinition, TaggedAddress } from '../catalog/types.ts'
import type { CatalogView, LocalView } from './node-view.ts'

/** Managed by the servers on every node. */
export const SERVER_SERVICE_ID = 'consul'
export const SERF_CHECK_ID = 'serfHealth'
/** Tagged addresses under this prefix are the servers'. */
const RESERVED_PREFIX = 'consul-'

export interface PlanScope {
  readonly services: ReadonlySet<string>
  readonly checks: ReadonlySet<string>
}

export interface PlanOptions {
  /** Looks at these, and at the node; absent for a full sync. */
  readonly only?: PlanScope
  /** Checks whose output may differ: it is sent later. */
  readonly deferredOutputs: ReadonlySet<string>
}

/** One command with what it makes true in the catalog. */
export interface SyncStep {
  readonly command: Command
  readonly node: boolean
  readonly services: readonly ServiceDefinition[]
  readonly checks: readonly CheckDefinition[]
  readonly removedServices: readonly string[]
  readonly removedChecks: readonly string[]
}

/** What the catalog decides about a service of the agent. */
export interface Adoption {
  readonly serviceId: string
  readonly tags?: readonly string[]
  readonly taggedAddresses?: Readonly<Record<string, TaggedAddress>>
}

/**
 * What a full sync takes over from the catalog before it plans.
 *
 * @param changed services changed here since the catalog was read: theirs is the newer word
 */
export function adoptions(
  local: LocalView,
  catalog: CatalogView,
  changed: ReadonlySet<string>,
): readonly Adoption[] {
  const found: Adoption[] = []
  for (const [serviceId, mine] of local.services) {
    const theirs = catalog.services.get(serviceId)
    if (theirs === undefined) continue
    const takesTags =
      mine.enableTagOverride && !changed.has(serviceId) && !sameData(mine.tags, theirs.tags)
    const merged = withCatalogAddresses(mine, theirs)
    const takesAddresses = !sameData(merged.taggedAddresses, mine.taggedAddresses)
    if (!takesTags && !takesAddresses) continue
    found.push({
      serviceId,
      ...(takesTags ? { tags: theirs.tags } : {}),
      ...(takesAddresses ? { taggedAddresses: merged.taggedAddresses } : {}),
    })
  }
  return found
}

/** @returns phases, none of them empty */
export function planSync(
  local: LocalView,
  catalog: CatalogView,
  options: PlanOptions,
): readonly (readonly SyncStep[])[] {
  const scope = scopeOf(local, catalog, options)
  const node = sameData(local.node, catalog.node) ? [] : [nodeStep(local)]
  const phases = [
    node,
    registrations(local, catalog, scope, options),
    removals(local, catalog, scope),
  ]
  return phases.filter(({ length }) => length > 0)
}

/** Enters an acknowledged step into what is believed of the catalog. */
export function acknowledge(catalog: CatalogView, step: SyncStep, local: LocalView): void {
  if (step.node) catalog.node = local.node
  for (const service of step.services) catalog.services.set(service.id, service)
  for (const check of step.checks) catalog.checks.set(check.checkId, check)
  for (const id of step.removedChecks) catalog.checks.delete(id)
  for (const id of step.removedServices) {
    catalog.services.delete(id)
    for (const [checkId, check] of catalog.checks) {
      if (check.serviceId === id) catalog.checks.delete(checkId)
    }
  }
}

/** Whether two versions of a check differ in their output and nothing else. */
export function differsInOutputOnly(a: CheckDefinition, b: CheckDefinition): boolean {
  return a.output !== b.output && sameData({ ...a, output: '' }, { ...b, output: '' })
}

function scopeOf(local: LocalView, catalog: CatalogView, options: PlanOptions): PlanScope {
  return (
    options.only ?? {
      services: new Set([...local.services.keys(), ...catalog.services.keys()]),
      checks: new Set([...local.checks.keys(), ...catalog.checks.keys()]),
    }
  )
}

function registrations(
  local: LocalView,
  catalog: CatalogView,
  scope: PlanScope,
  options: PlanOptions,
): readonly SyncStep[] {
  const steps: SyncStep[] = []
  const sent = new Set<string>()
  for (const id of scope.services) {
    const mine = local.services.get(id)
    const theirs = catalog.services.get(id)
    if (mine === undefined || sameService(mine, theirs)) continue
    const service = withCatalogAddresses(mine, theirs)
    const checks = changedChecksOf(id, local, catalog, scope, options)
    for (const check of checks) sent.add(check.checkId)
    steps.push(registerStep(local, { service, checks }))
  }
  for (const id of scope.checks) {
    const check = local.checks.get(id)
    if (check === undefined || sent.has(id)) continue
    if (isDifferent(check, catalog.checks.get(id), options)) {
      steps.push(registerStep(local, { checks: [check] }))
    }
  }
  return steps
}

function changedChecksOf(
  serviceId: string,
  local: LocalView,
  catalog: CatalogView,
  scope: PlanScope,
  options: PlanOptions,
): readonly CheckDefinition[] {
  const found: CheckDefinition[] = []
  for (const id of scope.checks) {
    const check = local.checks.get(id)
    if (check?.serviceId !== serviceId) continue
    if (isDifferent(check, catalog.checks.get(id), options)) found.push(check)
  }
  return found
}

function removals(local: LocalView, catalog: CatalogView, scope: PlanScope): readonly SyncStep[] {
  const steps: SyncStep[] = []
  const node = local.node.node
  const removed = new Set<string>()
  for (const id of scope.services) {
    const isForeign = !local.services.has(id) && catalog.services.has(id)
    if (!isForeign || id === SERVER_SERVICE_ID) continue
    removed.add(id)
    steps.push({
      ...EMPTY_STEP,
      command: { kind: 'deregister', request: { node, serviceId: id } },
      removedServices: [id],
    })
  }
  for (const id of scope.checks) {
    const theirs = catalog.checks.get(id)
    if (local.checks.has(id) || theirs === undefined || id === SERF_CHECK_ID) continue
    // Went with its service, or belongs to a service that is the servers'.
    if (removed.has(theirs.serviceId) || theirs.serviceId === SERVER_SERVICE_ID) continue
    steps.push({
      ...EMPTY_STEP,
      command: { kind: 'deregister', request: { node, checkId: id } },
      removedChecks: [id],
    })
  }
  return steps
}

const EMPTY_STEP: Omit<SyncStep, 'command'> = {
  node: false,
  services: [],
  checks: [],
  removedServices: [],
  removedChecks: [],
}

function nodeStep(local: LocalView): SyncStep {
  return {
    ...EMPTY_STEP,
    command: { kind: 'register', request: { ...nodeRequest(local, false), checks: [] } },
    node: true,
  }
}

function registerStep(
  local: LocalView,
  what: { readonly service?: ServiceDefinition; readonly checks: readonly CheckDefinition[] },
): SyncStep {
  return {
    ...EMPTY_STEP,
    // The node is sent along for the case that it has vanished meanwhile; it is not touched otherwise.
    command: { kind: 'register', request: { ...nodeRequest(local, true), ...what } },
    services: what.service === undefined ? [] : [what.service],
    checks: what.checks,
  }
}

function nodeRequest(
  local: LocalView,
  skipNodeUpdate: boolean,
): Omit<RegisterRequest, 'service' | 'checks'> {
  return { ...local.node, skipNodeUpdate }
}

function sameService(mine: ServiceDefinition, theirs: ServiceDefinition | undefined): boolean {
  return theirs !== undefined && sameData(withoutReserved(mine), withoutReserved(theirs))
}

function isDifferent(
  mine: CheckDefinition,
  theirs: CheckDefinition | undefined,
  options: PlanOptions,
): boolean {
  if (theirs === undefined) return true
  if (sameData(mine, theirs)) return false
  return !(options.deferredOutputs.has(mine.checkId) && differsInOutputOnly(mine, theirs))
}

/** The reserved addresses are those of the catalog, the others the agent's. */
function withCatalogAddresses(
  mine: ServiceDefinition,
  theirs: ServiceDefinition | undefined,
): ServiceDefinition {
  if (theirs === undefined) return withoutReserved(mine)
  const own = Object.entries(mine.taggedAddresses).filter(([name]) => !isReserved(name))
  const given = Object.entries(theirs.taggedAddresses).filter(([name]) => isReserved(name))
  return { ...mine, taggedAddresses: Object.fromEntries([...own, ...given]) }
}

function withoutReserved(service: ServiceDefinition): ServiceDefinition {
  const names = Object.keys(service.taggedAddresses)
  if (!names.some(isReserved)) return service
  const own = Object.entries(service.taggedAddresses).filter(([name]) => !isReserved(name))
  return { ...service, taggedAddresses: Object.fromEntries(own) }
}

function isReserved(name: string): boolean {
  return name.startsWith(RESERVED_PREFIX)
}
