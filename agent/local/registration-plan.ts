/**
 * What a registration will change, worked out before anything changes.
 *
 * Guarantees: after a plan has been made no rule is left that could refuse it, so that applying it cannot
 * fail half way. Changes nothing itself. Source: http-api.md 9.7; mesh.md 2.2.
 */

import type { ServiceDefinition } from '../../core/catalog/types.ts'
import { FairleadError } from '../../core/errors.ts'
import { MAINTENANCE_TYPE } from '../../core/health/maintenance.ts'
import { checkRecord, namedServiceChecks } from './check-records.ts'
import { contentHash } from './content-hash.ts'
import { CHECKS_MAX, SERVICES_MAX } from './limits.ts'
import type { LocalChecks } from './local-checks.ts'
import { assertRunnable, type ScriptPermission } from './script-permission.ts'
import { withAutoTaggedAddresses } from './service-rules.ts'
import { expandSidecar, type SidecarPorts } from './sidecar.ts'
import type {
  CheckSpec,
  LocalCheck,
  LocalService,
  RegistrationSource,
  ServiceRegistration,
} from './types.ts'

export interface RegistrationOptions {
  readonly source: RegistrationSource
  readonly replaceExistingChecks: boolean
}

/** One service with its checks, ready to be stored. */
export interface PlannedService {
  readonly local: LocalService
  readonly token: string
  readonly checks: readonly LocalCheck[]
  readonly removedChecks: readonly string[]
}

/** The state a plan is made against. */
export interface PlanContext {
  readonly services: ReadonlyMap<string, LocalService>
  readonly checks: LocalChecks
  readonly sidecarPorts: SidecarPorts
  readonly reservedPorts: ReadonlySet<number>
  readonly scripts: ScriptPermission
}

/** @throws FairleadError BAD_REQUEST | REJECTED | NOT_SUPPORTED */
export function planRegistration(
  registration: ServiceRegistration,
  options: RegistrationOptions,
  context: PlanContext,
): readonly PlannedService[] {
  const sidecar = expandSidecar(registration, {
    services: context.services,
    ports: context.sidecarPorts,
    reservedPorts: context.reservedPorts,
  })
  const plans = [planService({ ...registration, isSidecar: false }, options, context)]
  if (sidecar !== undefined) {
    plans.push(planService({ ...sidecar, isSidecar: true }, options, context))
  }
  assertRoom(plans, context)
  return plans
}

/** @throws FairleadError NOT_FOUND | BAD_REQUEST | REJECTED | NOT_SUPPORTED */
export function planCheck(
  spec: CheckSpec,
  source: RegistrationSource,
  context: PlanContext,
): LocalCheck {
  assertRunnable(spec, source, context.scripts)
  const service = context.services.get(spec.serviceId)?.service
  if (spec.serviceId !== '' && service === undefined) {
    throw new FairleadError('NOT_FOUND', `ServiceID "${spec.serviceId}" does not exist`)
  }
  assertCheckRoom([spec.checkId], context.checks)
  return { check: checkRecord(spec, service, '0s'), spec, source }
}

function planService(
  wanted: {
    readonly service: ServiceDefinition
    readonly checks: readonly CheckSpec[]
    readonly token: string
    readonly isSidecar: boolean
  },
  options: RegistrationOptions,
  context: PlanContext,
): PlannedService {
  const known = context.services.get(wanted.service.id)?.service
  const service = withServerAddresses(withAutoTaggedAddresses(wanted.service), known)
  const checks: LocalCheck[] = []
  for (const spec of namedServiceChecks(service, wanted.checks)) {
    assertRunnable(spec, options.source, context.scripts)
    checks.push({ check: checkRecord(spec, service, ''), spec, source: options.source })
  }
  const kept = new Set(checks.map(({ check }) => check.checkId))
  const removedChecks: string[] = []
  if (options.replaceExistingChecks) {
    for (const { check } of context.checks.ofService(service.id)) {
      // Maintenance is the operator's, not part of the definition.
      const isReplaced = !kept.has(check.checkId) && check.type !== MAINTENANCE_TYPE
      if (isReplaced) removedChecks.push(check.checkId)
    }
  }
  const { isSidecar, token } = wanted
  const local: LocalService = {
    service,
    isSidecar,
    source: options.source,
    contentHash: contentHash(service),
  }
  return { local, token, checks, removedChecks }
}

/** Addresses that servers gave this instance stay over a new registration. */
function withServerAddresses(
  service: ServiceDefinition,
  known: ServiceDefinition | undefined,
): ServiceDefinition {
  const entries = Object.entries(known?.taggedAddresses ?? {})
  const given = entries.filter(([name]) => name.startsWith('consul-'))
  if (given.length === 0) return service
  const taggedAddresses = { ...Object.fromEntries(given), ...service.taggedAddresses }
  return { ...service, taggedAddresses }
}

function assertRoom(plans: readonly PlannedService[], context: PlanContext): void {
  const held = context.services.size
  const added = plans.filter(({ local }) => !context.services.has(local.service.id)).length
  if (added > 0 && held + added > SERVICES_MAX) {
    throw new FairleadError(
      'BAD_REQUEST',
      `This agent holds ${held} services, at most ${SERVICES_MAX} are allowed`,
    )
  }
  const ids = plans.flatMap(({ checks }) => checks.map(({ check }) => check.checkId))
  assertCheckRoom(ids, context.checks)
}

function assertCheckRoom(ids: readonly string[], checks: LocalChecks): void {
  const added = ids.filter((id) => !checks.entries.has(id)).length
  if (added === 0 || checks.entries.size + added <= CHECKS_MAX) return
  throw new FairleadError(
    'BAD_REQUEST',
    `This agent holds ${checks.entries.size} checks, at most ${CHECKS_MAX} are allowed`,
  )
}
