/**
 * Consistent hashing over a set of members: who owns a key, with few keys moving when members come and go.
 *
 * Immutable: a changed set is a new ring (about 0.2 ms a member). Members are opaque texts. Wraps `hashring`
 * (ketama, MD5), so that every member has the same number of points in every ring and keys do not move
 * between members that stayed.
 */

import Ketama from 'hashring'

/** Anything but hashring's default of 40, which it computes as 1 / n × 40 × n and rounds down: 39 for some n. */
const POINTS_PER_MEMBER = 41
/** Places on the ring that hashring makes of one point. */
const PLACES_PER_POINT = 4
const HASHRING_DEFAULT = 40
/** Owners looked up before are remembered, up to this many keys. */
const CACHE_MAX = 5000

export class HashRing {
  readonly #members: readonly string[]
  readonly #ring: Ketama | undefined

  /** @param size places on the whole ring; then keys also move a little where the number of members doubles or halves */
  constructor(members: Iterable<string>, size?: { readonly min: number; readonly max: number }) {
    this.#members = [...new Set(members)].sort()
    const vnodes = pointsFor(this.#members.length, size)
    const weights = this.#members.map((member) => [member, { vnodes }] as const)
    this.#ring =
      this.#members.length === 0
        ? undefined
        : new Ketama(Object.fromEntries(weights), 'md5', { 'max cache size': CACHE_MAX })
  }

  /** Sorted, each once. */
  get members(): readonly string[] {
    return this.#members
  }

  /** @returns undefined when there are no members */
  owner(key: string): string | undefined {
    return this.#ring?.get(key)
  }
}

/** A power of two of the usual number, so that it stays the same while few members come and go. */
function pointsFor(
  members: number,
  size: { readonly min: number; readonly max: number } | undefined,
): number {
  if (size === undefined || members === 0) return POINTS_PER_MEMBER
  let points = POINTS_PER_MEMBER
  while (points * PLACES_PER_POINT * members < size.min) points *= 2
  const most = Math.max(1, Math.floor(size.max / (PLACES_PER_POINT * members)))
  const bounded = Math.min(points, most)
  // hashring takes its default for "not given".
  return bounded === HASHRING_DEFAULT ? HASHRING_DEFAULT - 1 : bounded
}
