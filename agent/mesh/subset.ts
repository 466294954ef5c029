/**
 * The instances of a subset: those whose encoded form, as health answers print it, matches its filter.
 */

import type { HealthEntry } from '../../core/catalog/types.ts'
import { compileFilter } from '../../core/filter/compile.ts'
import { HEALTH_ENTRY_SCHEMA } from '../../core/filter/schemas.ts'
import { healthEntryJson } from '../http/wire/health-entry.ts'

/** A filter that cannot be compiled comes from another version: it matches nothing. */
export function instancesMatching(
  entries: readonly HealthEntry[],
  filter: string,
): readonly HealthEntry[] {
  const compiled = compileFilter(filter, HEALTH_ENTRY_SCHEMA)
  if (!compiled.ok) return []
  return entries.filter((entry) => compiled.matches(JSON.parse(healthEntryJson(entry))))
}
