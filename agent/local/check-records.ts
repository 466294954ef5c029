/**
 * The catalogue record of a local check: ids and names by default, times as they print (http-api.md 9.7, 9.9).
 *
 * Pure. Status and output are those of a check of the same id that exists already, so that registering
 * again does not make anything flap.
 */

import type { CheckDefinition, ServiceDefinition } from '../../core/catalog/types.ts'
import { formatDurationMs } from '../../core/duration.ts'
import {
  defaultMaintenanceReason,
  MAINTENANCE_TYPE,
  NODE_MAINTENANCE_ID,
  NODE_MAINTENANCE_NAME,
  SERVICE_MAINTENANCE_NAME,
  serviceMaintenanceId,
} from '../../core/health/maintenance.ts'
import { checkTypeOf } from './check-type.ts'
import type { CheckSpec } from './types.ts'

/** Gives the checks of a service their ids and names. */
export function namedServiceChecks(
  service: ServiceDefinition,
  checks: readonly CheckSpec[],
): readonly CheckSpec[] {
  return checks.map((spec, i) => {
    const suffix = checks.length > 1 ? `:${i + 1}` : ''
    return {
      ...spec,
      checkId: spec.checkId || `service:${service.id}${suffix}`,
      name: spec.name || `Service '${service.service}' check`,
      serviceId: service.id,
    }
  })
}

/** @param absent how unset times print: '' for checks of a service, '0s' for those of check/register */
export function checkRecord(
  spec: CheckSpec,
  service: ServiceDefinition | undefined,
  absent: '' | '0s',
): CheckDefinition {
  const time = (ms: number): string => (ms === 0 ? absent : formatDurationMs(ms))
  return {
    checkId: spec.checkId,
    name: spec.name,
    status: spec.status ?? 'critical',
    notes: spec.notes,
    output: '',
    ...ownerFields(service),
    type: checkTypeOf(spec),
    interval: time(spec.intervalMs),
    timeout: time(spec.timeoutMs),
    exposedPort: 0,
    definition: {},
  }
}

/** The critical check that stands for maintenance of a service, or of the node. */
export function maintenanceRecord(
  service: ServiceDefinition | undefined,
  reason: string,
): CheckDefinition {
  const isNode = service === undefined
  return {
    checkId: isNode ? NODE_MAINTENANCE_ID : serviceMaintenanceId(service.id),
    name: isNode ? NODE_MAINTENANCE_NAME : SERVICE_MAINTENANCE_NAME,
    status: 'critical',
    notes: reason || defaultMaintenanceReason(isNode ? 'node' : 'service'),
    output: '',
    ...ownerFields(service),
    type: MAINTENANCE_TYPE,
    interval: '',
    timeout: '',
    exposedPort: 0,
    definition: {},
  }
}

/** What a check says of its service; all empty for a check of the node. */
export function ownerFields(
  service: ServiceDefinition | undefined,
): Pick<CheckDefinition, 'serviceId' | 'serviceName' | 'serviceTags'> {
  return {
    serviceId: service?.id ?? '',
    serviceName: service?.service ?? '',
    serviceTags: service?.tags ?? [],
  }
}
