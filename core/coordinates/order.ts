/**
 * Things in the order of their distance from a node (http-api.md 8). Pure.
 *
 * Guarantees: stable; what stands nowhere comes last, also what cannot be compared with the source.
 */

import { areCompatible, type Coordinate, distance } from './coordinate.ts'

/** @param coordinateOf undefined for what stands nowhere */
export function orderedByDistance<T>(
  items: readonly T[],
  source: Coordinate,
  coordinateOf: (item: T) => Coordinate | undefined,
): readonly T[] {
  return items
    .map((item) => {
      const coordinate = coordinateOf(item)
      const isPlaced = coordinate !== undefined && areCompatible(source, coordinate)
      return { item, far: isPlaced ? distance(source, coordinate) : Number.POSITIVE_INFINITY }
    })
    .toSorted((a, b) => (a.far === b.far ? 0 : a.far - b.far))
    .map(({ item }) => item)
}
