/**
 * What the data directory holds at start, after the files of the configuration had their say; what a reload of those changes.
 *
 * Guarantees: a persisted service or check whose id a configuration file uses is discarded, with the checks
 * of that service (http-api.md 9.7); a TTL state that ran out while the agent was away is forgotten.
 */

import { sameData } from '../../core/catalog/equality.ts'
import type { WallTime } from '../../core/time.ts'
import type {
  DefinitionFiles,
  StoredCheck,
  StoredCheckState,
  StoredService,
} from './definition-files.ts'
import type { ConfiguredDefinitions } from './definitions.ts'
import {
  type PlanContext,
  planCheck,
  planRegistration,
  type RegistrationOptions,
} from './registration-plan.ts'
import { sidecarIdOf } from './sidecar.ts'

export interface LoadedDefinitions {
  readonly services: readonly StoredService[]
  readonly checks: readonly StoredCheck[]
  readonly states: ReadonlyMap<string, StoredCheckState>
  /** Ports that persisted sidecars hold, not to be given to others meanwhile. */
  readonly sidecarPorts: ReadonlySet<number>
}

/** Checks that others added to a service of a file stay. */
export const FROM_FILES: RegistrationOptions = { source: 'config', replaceExistingChecks: false }

const NOTHING: LoadedDefinitions = {
  services: [],
  checks: [],
  states: new Map(),
  sidecarPorts: new Set(),
}

/** @throws FairleadError STORAGE_FAILED */
export async function loadDefinitions(
  configured: ConfiguredDefinitions,
  context: { readonly files: DefinitionFiles | undefined; readonly wall: WallTime },
): Promise<LoadedDefinitions> {
  const { files, wall } = context
  if (files === undefined) return NOTHING
  await files.open()
  const overridden = configuredServices(configured)
  const configuredChecks = new Set(configured.checks.map(({ spec }) => spec.checkId))
  const services: StoredService[] = []
  for (const stored of await files.loadServices()) {
    if (overridden.has(stored.service.id)) await files.removeService(stored.service.id)
    else services.push(stored)
  }
  const checks: StoredCheck[] = []
  const discarded = new Set<string>()
  for (const stored of await files.loadChecks()) {
    const { checkId, serviceId } = stored.check
    if (configuredChecks.has(checkId) || overridden.has(serviceId)) discarded.add(checkId)
    else checks.push(stored)
  }
  const states = new Map<string, StoredCheckState>()
  for (const state of await files.loadStates()) {
    const isOver = state.ttlExpiresAt !== undefined && state.ttlExpiresAt <= wall
    if (isOver) files.removeState(state.checkId)
    else states.set(state.checkId, state)
  }
  // Only the definition goes: the state is that of the check of the same id in the configuration.
  for (const checkId of discarded) await files.removeDefinition(checkId)
  const sidecars = services.filter((stored) => stored.isSidecar)
  return {
    services,
    checks,
    states,
    sidecarPorts: new Set(sidecars.map((stored) => stored.service.port)),
  }
}

/** What a reload would leave, or why it is refused; nothing changes here. */
export interface ReloadPlan {
  readonly problems: readonly string[]
  /** Ids of all that the definitions give rise to, sidecars and checks inside services included. */
  readonly services: ReadonlySet<string>
  readonly checks: ReadonlySet<string>
  /** The definitions that are not what they were, or no longer in place. */
  readonly differing: ConfiguredDefinitions
}

export function planReload(
  former: ConfiguredDefinitions,
  definitions: ConfiguredDefinitions,
  present: PlanContext,
): ReloadPlan {
  const problems: string[] = []
  const attempt = (what: string, act: () => void): void => {
    try {
      act()
    } catch (error) {
      problems.push(`${what}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  const services = configuredServices(definitions)
  // A check cannot stay with a service that goes.
  const staying = [...present.services].filter(([id, { source }]) => {
    return source !== 'config' || services.has(id)
  })
  const context = { ...present, services: new Map(staying) }
  const checks = new Set(definitions.checks.map(({ spec }) => spec.checkId))
  for (const registration of definitions.services) {
    attempt(`service "${registration.service.id}"`, () => {
      for (const plan of planRegistration(registration, FROM_FILES, context)) {
        for (const { check } of plan.checks) checks.add(check.checkId)
      }
    })
  }
  for (const { spec } of definitions.checks) {
    attempt(`check "${spec.checkId}"`, () => {
      // Its service may be one that only these definitions bring.
      const owned = services.has(spec.serviceId) ? { ...spec, serviceId: '' } : spec
      planCheck(owned, 'config', context)
    })
  }
  return { problems, services, checks, differing: differing(former, definitions, present) }
}

function differing(
  former: ConfiguredDefinitions,
  wanted: ConfiguredDefinitions,
  { services, checks }: PlanContext,
): ConfiguredDefinitions {
  const registrations = new Map(former.services.map((one) => [one.service.id, one]))
  const specs = new Map(former.checks.map((one) => [one.spec.checkId, one]))
  return {
    services: wanted.services.filter((one) => {
      const { id } = one.service
      return services.get(id)?.source !== 'config' || !sameData(registrations.get(id), one)
    }),
    checks: wanted.checks.filter((one) => {
      const { checkId } = one.spec
      return checks.entries.get(checkId)?.source !== 'config' || !sameData(specs.get(checkId), one)
    }),
  }
}

function configuredServices(definitions: ConfiguredDefinitions): ReadonlySet<string> {
  const services = new Set<string>()
  for (const { service, sidecar } of definitions.services) {
    services.add(service.id)
    if (sidecar !== undefined) services.add(sidecarIdOf(service.id))
  }
  return services
}
