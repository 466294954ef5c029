/**
 * Rules of service-splitter (mesh.md 7.5): weights in steps of 0.01 that make 100, each destination once.
 */

import type { JsonObject } from '../catalog/types.ts'
import { headerEditsProblem } from './header-edits.ts'
import { numberAt, objectsIn, textAt } from './read-field.ts'

/** In steps of 0.01. */
const WHOLE = 10_000

export function serviceSplitterProblem(name: string, body: JsonObject): string | undefined {
  const splits = objectsIn(body, 'Splits')
  if (splits.length === 0) return 'no splits configured'
  const seen = new Set<string>()
  let sum = 0
  for (const split of splits) {
    const weight = numberAt(split, 'Weight')
    if (!(weight >= 0 && weight <= 100)) return `the split weight must be 0 to 100, not ${weight}`
    sum += stepsOf(weight)
    const headers = headerEditsProblem(split)
    if (headers !== undefined) return headers
    const service = textAt(split, 'Service') || name
    const subset = textAt(split, 'ServiceSubset')
    const key = `${service}\0${subset}`
    if (seen.has(key)) {
      return `split destination occurs more than once: service="${service}", subset="${subset}", namespace="default", partition="default"`
    }
    seen.add(key)
  }
  if (sum === WHOLE) return undefined
  return `the sum of all split weights must be 100, not ${Number((sum / 100).toFixed(2))}`
}

function stepsOf(weight: number): number {
  return Math.round(weight * 100)
}
