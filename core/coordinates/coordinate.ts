/**
 * A network coordinate, and what two of them say about the round trip between their nodes (gossip.md 12). Pure.
 *
 * A point in space, plus a height for the time that every packet of a node takes before it gets anywhere. All in
 * seconds, as Consul's API has them. Guarantees: a distance between two valid coordinates is finite and not negative.
 * Source: Dabek et al., "Vivaldi: A Decentralized Network Coordinate System"; constants as gossip.md 12.
 */

export interface Coordinate {
  readonly vec: readonly number[]
  /** How far its owner trusts it: ERROR_MAX is not at all. */
  readonly error: number
  /** Corrects for what the space cannot show; may be negative. */
  readonly adjustment: number
  readonly height: number
}

export const DIMENSIONS = 8
export const ERROR_MAX = 1.5
export const HEIGHT_MIN = 10e-6
/** Of a part of a coordinate, either way: ten times the longest round trip that counts (vivaldi.ts). */
const SECONDS_MAX = 100

/** Where every node begins. */
export function startCoordinate(dimensions: number = DIMENSIONS): Coordinate {
  return {
    vec: new Array<number>(dimensions).fill(0),
    error: ERROR_MAX,
    adjustment: 0,
    height: HEIGHT_MIN,
  }
}

/** Every number is finite; says nothing about their size. */
export function isValidCoordinate({ vec, error, adjustment, height }: Coordinate): boolean {
  return (
    vec.every(Number.isFinite) &&
    Number.isFinite(error) &&
    Number.isFinite(adjustment) &&
    Number.isFinite(height)
  )
}

/** Why a coordinate cannot be kept beside the others, in the reference's words; undefined when it can. */
export function coordinateFault(coordinate: Coordinate): string | undefined {
  if (!isValidCoordinate(coordinate)) return 'invalid coordinate'
  return coordinate.vec.length === DIMENSIONS ? undefined : 'incompatible coordinate'
}

/** What an honest node can have come to: a lie beyond it must not carry others away. Implies valid. */
export function isPlausibleCoordinate(coordinate: Coordinate): boolean {
  const { vec, error, adjustment, height } = coordinate
  const isNear = (seconds: number): boolean => Math.abs(seconds) <= SECONDS_MAX
  return (
    vec.every(isNear) &&
    error >= 0 &&
    error <= ERROR_MAX &&
    isNear(adjustment) &&
    height >= 0 &&
    isNear(height)
  )
}

/** Distances can be taken between them. */
export function areCompatible(a: Coordinate, b: Coordinate): boolean {
  return a.vec.length === b.vec.length
}

/** Without the adjustments, seconds. @param b compatible with `a` */
export function rawDistance(a: Coordinate, b: Coordinate): number {
  return spaceBetween(a.vec, b.vec) + a.height + b.height
}

/** The round trip to expect, seconds; adjustments that would make it negative are left out. */
export function distance(a: Coordinate, b: Coordinate): number {
  const raw = rawDistance(a, b)
  const adjusted = raw + a.adjustment + b.adjustment
  return adjusted > 0 ? adjusted : raw
}

/** Length of the straight line. @param b of the length of `a` */
export function spaceBetween(a: readonly number[], b: readonly number[]): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0)
    sum += difference * difference
  }
  return Math.sqrt(sum)
}
