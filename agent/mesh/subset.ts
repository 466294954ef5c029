/**
 * The instances of a subset: those whose encoded form, as health answers print it, matches its filter.
 *
 * An instance is a record that is never changed in place, so each is encoded once for each filter, not at every rebuild of
 * the snapshot. Bounds: FILTERS_MAX filters; beyond, all are forgotten. What is known of an instance goes with it.
 */

import type { HealthEntry } from '../../core/catalog/types.ts'
import { type CompiledFilter, compileFilter } from '../../core/filter/compile.ts'
import { HEALTH_ENTRY_SCHEMA } from '../../core/filter/schemas.ts'
import { healthEntryJson } from '../http/wire/health-entry.ts'

const FILTERS_MAX = 256

interface KnownFilter {
  readonly filter: CompiledFilter
  readonly verdicts: WeakMap<HealthEntry, boolean>
}

export class SubsetFilters {
  readonly #known = new Map<string, KnownFilter>()

  /** A filter that cannot be compiled comes from another version: it matches nothing. */
  matching(entries: readonly HealthEntry[], text: string): readonly HealthEntry[] {
    const { filter, verdicts } = this.#knownOf(text)
    if (!filter.ok) return []
    return entries.filter((entry) => {
      const known = verdicts.get(entry)
      if (known !== undefined) return known
      const isIn = filter.matches(JSON.parse(healthEntryJson(entry)))
      verdicts.set(entry, isIn)
      return isIn
    })
  }

  #knownOf(text: string): KnownFilter {
    const known = this.#known.get(text)
    if (known !== undefined) return known
    if (this.#known.size >= FILTERS_MAX) this.#known.clear()
    const filter = compileFilter(text, HEALTH_ENTRY_SCHEMA)
    const made = { filter, verdicts: new WeakMap<HealthEntry, boolean>() }
    this.#known.set(text, made)
    return made
  }
}
