/**
 * `Mirror` of a route's destination (mesh.md 10.9): its rules, and where the copies go. Pure.
 */

import type { JsonObject } from '../catalog/types.ts'
import { flagAt, hasField, numberAt, objectsIn, textAt } from './read-field.ts'

/** Each copy is another request that somebody has to answer. */
const MIRRORS_MAX = 4

export interface RouteMirror {
  readonly service: string
  readonly subset: string
  /** Of the requests. */
  readonly percent: number
  /** Else the host ends in `-shadow`. */
  readonly keepsHost: boolean
}

export function mirrorProblem(destination: JsonObject): string | undefined {
  const mirrors = objectsIn(destination, 'Mirror')
  if (mirrors.length > MIRRORS_MAX) return `Mirror may name at most ${MIRRORS_MAX} destinations`
  for (const [i, mirror] of mirrors.entries()) {
    if (textAt(mirror, 'Service') === '' && textAt(mirror, 'ServiceSubset') === '') {
      return `Mirror[${i}] needs a Service, a ServiceSubset or both`
    }
    const percent = numberAt(mirror, 'Percent')
    if (percent < 0 || percent > 100) return `Mirror[${i}].Percent must be 0 to 100`
  }
  return undefined
}

/** @param service of the router, which a mirror that names none means. A percentage that is absent is 100 */
export function mirrorsOf(
  destination: JsonObject | undefined,
  service: string,
): readonly RouteMirror[] {
  return objectsIn(destination, 'Mirror').map((mirror) => ({
    service: textAt(mirror, 'Service') || service,
    subset: textAt(mirror, 'ServiceSubset'),
    percent: hasField(mirror, 'Percent') ? numberAt(mirror, 'Percent') : 100,
    keepsHost: flagAt(mirror, 'KeepHost'),
  }))
}
