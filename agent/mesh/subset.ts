/**
 * The instances of a subset: those whose encoded form, as health answers print it, matches its filter.
 *
 * An instance is a record that is never changed in place, so each is looked at once for each filter, not at every rebuild
 * of the snapshot. Bounds: FILTERS_MAX filters of a generation, and those of recent.ts for the instances of each.
 */

import type { HealthEntry } from '../../core/catalog/types.ts'
import { compileFilter } from '../../core/filter/compile.ts'
import { HEALTH_ENTRY_SCHEMA } from '../../core/filter/schemas.ts'
import { Recent } from '../http/recent.ts'
import { healthEntryJson } from '../http/wire/health-entry.ts'

const FILTERS_MAX = 256

type Verdicts = Recent<HealthEntry, boolean>

export class SubsetFilters {
  readonly #verdicts = new Recent<string, Verdicts>(verdictsOf, FILTERS_MAX)

  matching(entries: readonly HealthEntry[], filter: string): readonly HealthEntry[] {
    const verdicts = this.#verdicts.of(filter)
    return entries.filter((entry) => verdicts.of(entry))
  }
}

/** A filter that cannot be compiled comes from another version: it matches nothing. */
function verdictsOf(filter: string): Verdicts {
  const compiled = compileFilter(filter, HEALTH_ENTRY_SCHEMA)
  return new Recent((entry) => compiled.ok && compiled.matches(JSON.parse(healthEntryJson(entry))))
}
