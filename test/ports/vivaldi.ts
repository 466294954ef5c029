/**
 * Vivaldi for the function port (verification 19.2): samples in, the coordinate after them out.
 *
 * {config: {dimensionality?}, seed?, samples: [{node?, rtt, coordinate: {vec, error, adjustment, height}}]}, seconds. Fields may
 * be spelt as the API spells them (Vec, …). Samples of one node pass its filter. Other constants are fixed: a `config` that
 * wants another is refused.
 */

import {
  type Coordinate,
  DIMENSIONS,
  ERROR_MAX,
  HEIGHT_MIN,
} from '../../core/coordinates/coordinate.ts'
import { LatencyFilter } from '../../core/coordinates/latency-filter.ts'
import { Vivaldi } from '../../core/coordinates/vivaldi.ts'
import { seededRng } from '../../core/rng.ts'
import { type JsonObject, listAt, objectAt, PortError } from './json-lines.ts'

const FIXED: Readonly<Record<string, number>> = {
  errormax: ERROR_MAX,
  vivaldierrormax: ERROR_MAX,
  ce: 0.25,
  vivaldice: 0.25,
  cc: 0.25,
  vivaldicc: 0.25,
  adjustmentwindow: 20,
  adjustmentwindowsize: 20,
  heightmin: HEIGHT_MIN,
  latencyfilter: 3,
  latencyfiltersize: 3,
  gravityrho: 150,
}

export function vivaldiOf(fields: JsonObject): unknown {
  const rng = seededRng(Number(fields['seed'] ?? 1))
  const vivaldi = new Vivaldi(rng, dimensionsOf(objectAt(fields['config'] ?? {}, '"config"')))
  const filters = new Map<string, LatencyFilter>()
  const outcomes = listAt(fields, 'samples').map((given, i) => {
    const sample = objectAt(given, `"samples[${i}]"`)
    const node = String(sample['node'] ?? `sample ${i}`)
    const filter = filters.get(node) ?? new LatencyFilter()
    filters.set(node, filter)
    const other = coordinateOf(objectAt(sample['coordinate'] ?? sample['other'], '"coordinate"'))
    return vivaldi.observe(other, filter.add(Number(sample['rtt'])))
  })
  return { value: vivaldi.coordinate, outcomes }
}

function dimensionsOf(config: JsonObject): number {
  let dimensions = DIMENSIONS
  for (const [key, value] of Object.entries(config)) {
    const name = key.toLowerCase().replaceAll('_', '')
    if (name === 'dimensionality' || name === 'dimensions') dimensions = Number(value)
    else if (FIXED[name] !== value) throw new PortError(`"config.${key}" is fixed`)
  }
  if (Number.isInteger(dimensions) && dimensions >= 1 && dimensions <= 64) return dimensions
  throw new PortError('"config.dimensionality" is from 1 to 64')
}

function coordinateOf(given: JsonObject): Coordinate {
  const fields = new Map(Object.entries(given).map(([key, value]) => [key.toLowerCase(), value]))
  const vec = fields.get('vec')
  if (!Array.isArray(vec)) throw new PortError('"vec" is a list of numbers')
  const number = (key: string, fallback: number): number => Number(fields.get(key) ?? fallback)
  return {
    vec: vec.map(Number),
    error: number('error', ERROR_MAX),
    adjustment: number('adjustment', 0),
    height: number('height', HEIGHT_MIN),
  }
}
