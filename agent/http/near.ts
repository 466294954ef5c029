/**
 * `?near=` (http-api.md section 8): the named node first, the rest in the order they came.
 *
 * No network coordinates exist in this version, so no other distance is known.
 */

export function nearFirst<T>(
  items: readonly T[],
  near: string,
  nodeOf: (item: T) => string,
): readonly T[] {
  if (near === '' || items.length < 2) return items
  const wanted = near.toLowerCase()
  const isNear = (item: T): boolean => nodeOf(item).toLowerCase() === wanted
  const first = items.filter(isNear)
  return first.length === 0 ? items : [...first, ...items.filter((item) => !isNear(item))]
}
