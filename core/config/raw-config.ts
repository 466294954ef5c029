/**
 * Configuration values by dotted key, each with the place it came from; and how two sources merge.
 *
 * Merge rules (agent-config.md section 2): a later scalar wins, maps overlay key by key, lists and
 * definitions are appended in order.
 */

import type { Json, StringMap } from '../catalog/types.ts'
import type { Origin } from './problem.ts'

export type RawValue =
  | { readonly type: 'scalar'; readonly value: string | number | boolean }
  | { readonly type: 'list'; readonly value: readonly string[] }
  | { readonly type: 'map'; readonly value: StringMap }
  | { readonly type: 'durations'; readonly value: Readonly<Record<string, number>> }
  | { readonly type: 'definitions'; readonly value: readonly Definition[] }
  | { readonly type: 'any'; readonly value: Json }

export interface Definition {
  readonly body: Json
  readonly origin: Origin
}

export interface RawEntry {
  readonly value: RawValue
  readonly origin: Origin
}

export type RawConfig = ReadonlyMap<string, RawEntry>

export function mergeConfigs(sources: readonly RawConfig[]): RawConfig {
  const merged = new Map<string, RawEntry>()
  for (const source of sources) {
    for (const [key, entry] of source) {
      const earlier = merged.get(key)
      merged.set(key, earlier === undefined ? entry : mergeEntries(earlier, entry))
    }
  }
  return merged
}

function mergeEntries(earlier: RawEntry, later: RawEntry): RawEntry {
  const a = earlier.value
  const b = later.value
  const origin = `${earlier.origin}, ${later.origin}`
  if (a.type === 'list' && b.type === 'list') {
    return { value: { type: 'list', value: [...a.value, ...b.value] }, origin }
  }
  if (a.type === 'definitions' && b.type === 'definitions') {
    return { value: { type: 'definitions', value: [...a.value, ...b.value] }, origin }
  }
  if (a.type === 'map' && b.type === 'map') {
    return { value: { type: 'map', value: { ...a.value, ...b.value } }, origin }
  }
  if (a.type === 'durations' && b.type === 'durations') {
    return { value: { type: 'durations', value: { ...a.value, ...b.value } }, origin }
  }
  return later
}
