/**
 * What differs between two readings of the configuration that only a restart takes over (agent-config.md 14). Pure.
 */

import { leaves } from './key-table.ts'
import { KEYS } from './keys.ts'
import type { Origin } from './problem.ts'
import type { RawConfig, RawEntry } from './raw-config.ts'

export interface ConfigChange {
  readonly key: string
  /** Where it is now; where it was, for a key that is gone. */
  readonly origin: Origin
}

/** In the order of the table of keys. */
export function changesNeedingRestart(former: RawConfig, next: RawConfig): readonly ConfigChange[] {
  return [...leaves(KEYS)].flatMap(([key, leaf]) => {
    if (leaf.reload) return []
    const before = former.get(key)
    const after = next.get(key)
    if (isSame(before, after)) return []
    return [{ key, origin: (after ?? before)?.origin ?? '' }]
  })
}

/** Both are plain data made by one reader, so that equal data prints alike but for the order of a map. */
function isSame(a: RawEntry | undefined, b: RawEntry | undefined): boolean {
  return printed(a) === printed(b)
}

function printed(entry: RawEntry | undefined): string {
  if (entry === undefined) return ''
  const { value } = entry
  if (value.type !== 'map' && value.type !== 'durations') return JSON.stringify(value)
  return JSON.stringify(Object.entries(value.value).sort(([a], [b]) => (a < b ? -1 : 1)))
}
