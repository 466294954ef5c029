/**
 * Where this node stands in the network, learnt from round trips to others (gossip.md 12). Pure.
 *
 * Each sample pulls or pushes the own coordinate along the line to the other node, by as much as either is trusted.
 * Guarantees: the own coordinate is always valid; a sample that is not plausible, of another number of dimensions or out
 * of range changes nothing and is told apart; one moves it by POSITION_TUNING × RTT_MAX at most.
 * Does not know who the others are: samples come through a LatencyFilter of each node.
 * Source: Dabek et al. (Vivaldi with height); Lee et al., "On Suitability of Euclidean Embedding" (adjustment);
 * Ledlie et al., "Network Coordinates in the Wild" (gravity). Bound: ADJUSTMENT_WINDOW samples are kept.
 */

import type { Rng } from '../rng.ts'
import {
  areCompatible,
  type Coordinate,
  DIMENSIONS,
  distance,
  ERROR_MAX,
  HEIGHT_MIN,
  isPlausibleCoordinate,
  isValidCoordinate,
  rawDistance,
  spaceBetween,
  startCoordinate,
} from './coordinate.ts'

/** How fast the error follows, and the position. */
const ERROR_TUNING = 0.25
const POSITION_TUNING = 0.25
const ADJUSTMENT_WINDOW = 20
const GRAVITY_RHO = 150
/** Below this a length or a round trip counts as none. */
const ZERO_THRESHOLD = 1e-6
/** Seconds; a round trip beyond is a mistake. */
export const RTT_MAX = 10

export type Observation =
  | 'moved'
  /** The round trip is not a number in [0, RTT_MAX]. */
  | 'bad-rtt'
  /** The other's coordinate is none that a node can come to. */
  | 'invalid'
  /** The other's coordinate has another number of dimensions. */
  | 'incompatible'
  /** The sample led to what is no coordinate: begun anew. */
  | 'reset'

export class Vivaldi {
  readonly #rng: Rng
  readonly #start: Coordinate
  readonly #origin: readonly number[]
  /** Latest differences between measured and raw distance, a ring. */
  readonly #adjustments = new Float64Array(ADJUSTMENT_WINDOW)
  #adjustmentAt = 0
  #own: Coordinate

  constructor(rng: Rng, dimensions: number = DIMENSIONS) {
    this.#rng = rng
    this.#start = startCoordinate(dimensions)
    this.#origin = this.#start.vec
    this.#own = this.#start
  }

  /** Immutable: another object after each change. */
  get coordinate(): Coordinate {
    return this.#own
  }

  /** @param rtt seconds, filtered */
  observe(other: Coordinate, rtt: number): Observation {
    if (!areCompatible(this.#own, other)) return 'incompatible'
    if (!isPlausibleCoordinate(other)) return 'invalid'
    if (!(rtt >= 0 && rtt <= RTT_MAX)) return 'bad-rtt'
    const moved = this.#moveBy(other, Math.max(rtt, ZERO_THRESHOLD))
    const adjusted = this.#adjust(moved, other, rtt)
    const settled = this.#gravitate(adjusted)
    if (isValidCoordinate(settled)) {
      this.#own = settled
      return 'moved'
    }
    this.#own = this.#start
    this.#adjustments.fill(0)
    return 'reset'
  }

  #moveBy(other: Coordinate, rtt: number): Coordinate {
    const own = this.#own
    const expected = distance(own, other)
    const wrongness = Math.abs(expected - rtt) / rtt
    const trust = own.error / Math.max(own.error + other.error, ZERO_THRESHOLD)
    const follow = ERROR_TUNING * trust
    const error = Math.min(ERROR_MAX, follow * wrongness + own.error * (1 - follow))
    // However far away it claims to be, one sample pulls by no more than a round trip can be wrong.
    const force = POSITION_TUNING * trust * Math.max(rtt - expected, -RTT_MAX)
    return this.#pushed({ ...own, error }, force, other)
  }

  #adjust(own: Coordinate, other: Coordinate, rtt: number): Coordinate {
    this.#adjustments[this.#adjustmentAt] = rtt - rawDistance(own, other)
    this.#adjustmentAt = (this.#adjustmentAt + 1) % ADJUSTMENT_WINDOW
    let sum = 0
    for (const sample of this.#adjustments) sum += sample
    return { ...own, adjustment: sum / (2 * ADJUSTMENT_WINDOW) }
  }

  /** Keeps the whole cloud from drifting away: the further out, the stronger. */
  #gravitate(own: Coordinate): Coordinate {
    const force = -((distance(own, this.#start) / GRAVITY_RHO) ** 2)
    return this.#pushed(own, force, this.#start)
  }

  /** Moved away from `other` by `force`, or towards it where that is negative. */
  #pushed(own: Coordinate, force: number, other: Coordinate): Coordinate {
    const length = spaceBetween(own.vec, other.vec)
    const isApart = length > ZERO_THRESHOLD
    const unit = isApart
      ? own.vec.map((x, i) => (x - (other.vec[i] ?? 0)) / length)
      : this.#anyDirection()
    return {
      ...own,
      vec: own.vec.map((x, i) => x + (unit[i] ?? 0) * force),
      height: isApart
        ? Math.max(HEIGHT_MIN, own.height + ((own.height + other.height) * force) / length)
        : own.height,
    }
  }

  /** For two nodes at one point: they must part somehow. */
  #anyDirection(): readonly number[] {
    const random = this.#origin.map(() => this.#rng.float() - 0.5)
    const length = spaceBetween(random, this.#origin)
    if (length > ZERO_THRESHOLD) return random.map((x) => x / length)
    return this.#origin.map((_, i) => (i === 0 ? 1 : 0))
  }
}
