/**
 * One word for many checks: maintenance, else the worst of them (http-api.md 9.8). Pure.
 */

import type { CheckStatus } from '../catalog/types.ts'
import { isMaintenanceId } from './maintenance.ts'

const SEVERITY: Readonly<Record<CheckStatus, number>> = { passing: 0, warning: 1, critical: 2 }

/** No checks at all is passing. */
export function aggregateStatus(
  checks: Iterable<{ readonly checkId: string; readonly status: CheckStatus }>,
): CheckStatus | 'maintenance' {
  let worst: CheckStatus = 'passing'
  for (const check of checks) {
    if (isMaintenanceId(check.checkId)) return 'maintenance'
    if (SEVERITY[check.status] > SEVERITY[worst]) worst = check.status
  }
  return worst
}
