/**
 * Names and texts of the checks that stand for maintenance mode (http-api.md 9.4). Pure.
 */

export const NODE_MAINTENANCE_ID = '_node_maintenance'
export const NODE_MAINTENANCE_NAME = 'Node Maintenance Mode'
export const SERVICE_MAINTENANCE_PREFIX = '_service_maintenance:'
export const SERVICE_MAINTENANCE_NAME = 'Service Maintenance Mode'
export const MAINTENANCE_TYPE = 'maintenance'

export function serviceMaintenanceId(serviceId: string): string {
  return `${SERVICE_MAINTENANCE_PREFIX}${serviceId}`
}

export function isMaintenanceId(checkId: string): boolean {
  return checkId.startsWith(NODE_MAINTENANCE_ID) || checkId.startsWith(SERVICE_MAINTENANCE_PREFIX)
}

/** Notes of the check when the operator gave no reason. */
export function defaultMaintenanceReason(of: 'node' | 'service'): string {
  return `Maintenance mode is enabled for this ${of}, but no reason was provided. This is a default message.`
}
