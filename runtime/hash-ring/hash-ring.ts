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
/** Owners looked up before are remembered, up to this many keys. */
const CACHE_MAX = 5000

export class HashRing {
  readonly #members: readonly string[]
  readonly #ring: Ketama | undefined

  constructor(members: Iterable<string>) {
    this.#members = [...new Set(members)].sort()
    const weights = this.#members.map((member) => [member, { vnodes: POINTS_PER_MEMBER }] as const)
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
