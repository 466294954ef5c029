/**
 * One instance with node and checks as health/service and health/connect print it (http-api.md section 12).
 *
 * The parts come from their own caches, so an entry costs a few look-ups and one concatenation.
 */

import type { HealthEntry } from '../../../core/catalog/types.ts'
import { checkJson } from './check.ts'
import { list } from './json.ts'
import { nodeJson } from './node.ts'
import { serviceJson } from './service.ts'

export function healthEntryJson(entry: HealthEntry): string {
  return (
    `{"Node":${nodeJson(entry.node)},"Service":${serviceJson(entry.service)},` +
    `"Checks":${list(entry.checks, checkJson)}}`
  )
}

export function healthEntriesJson(entries: readonly HealthEntry[]): string {
  return list(entries, healthEntryJson)
}

/** Whether both are made of the very same records. */
export function areSameEntries(a: readonly HealthEntry[], b: readonly HealthEntry[]): boolean {
  if (a === b) return true
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) {
    const x = a[i]
    const y = b[i]
    if (x === y) continue
    if (x === undefined || y === undefined || x.node !== y.node || x.service !== y.service) {
      return false
    }
    if (x.checks.length !== y.checks.length) return false
    for (let k = 0; k < x.checks.length; k++) if (x.checks[k] !== y.checks[k]) return false
  }
  return true
}
