/**
 * A short digest of a table of members, kept up to date by each change, to find where two tables differ (gossip.md 8).
 *
 * 256 buckets by the hash of the name; each is the exclusive or of a 64-bit hash of what is known of each of its members
 * (DigestedFacts), as two 32-bit words. Guarantees: equal tables give equal digests, in whatever order they came about.
 * Different tables give equal buckets with a chance of 2^-64; it does not resist who wants a collision, which
 * costs them a missed repair and nothing else.
 */

import type { LamportTime } from './messages.ts'
import { SWIM_STATES, type SwimState } from './types.ts'

export const DIGEST_BUCKETS = 256
export const DIGEST_WORDS = 2 * DIGEST_BUCKETS

/** Two independent 32-bit hashes of a name; kept by who needs them often. */
export interface NameHash {
  readonly high: number
  readonly low: number
}

export function hashName(name: string): NameHash {
  let high = 0x811c9dc5
  let low = 0x9747b28c
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i)
    high = Math.imul(high ^ code, 0x01000193)
    low = Math.imul(low ^ code, 0x5bd1e995) ^ (low >>> 15)
  }
  return { high: mix(high), low: mix(low) }
}

export function bucketOf(hash: NameHash): number {
  return hash.high & (DIGEST_BUCKETS - 1)
}

export interface DigestedFacts {
  readonly hash: NameHash
  readonly incarnation: number
  readonly state: SwimState
  readonly statusTime: LamportTime
  readonly hasLeft: boolean
}

export class StateDigest {
  readonly #words = new Uint32Array(DIGEST_WORDS)

  /** Puts a member in, or takes the same one out again. */
  toggle({ hash, incarnation, state, statusTime, hasLeft }: DigestedFacts): void {
    const at = 2 * bucketOf(hash)
    const rank = SWIM_STATES.indexOf(state) * 2 + (hasLeft ? 1 : 0)
    const word = mix(Math.imul(incarnation, 0x9e3779b1) ^ (rank + 1))
    const time = Math.imul(statusTime >>> 0, 0x85ebca6b) ^ Math.floor(statusTime / 2 ** 32)
    const high = mix(hash.high ^ mix(word ^ time))
    const low = mix(hash.low ^ mix(word + Math.imul(time, 5) + 7))
    this.#words[at] = (this.#words[at] ?? 0) ^ high
    this.#words[at + 1] = (this.#words[at + 1] ?? 0) ^ low
  }

  words(): Uint32Array {
    return this.#words.slice()
  }

  /** Buckets in which the other table differs, ascending. */
  differences(other: Uint32Array): Uint8Array {
    const found: number[] = []
    for (let bucket = 0; bucket < DIGEST_BUCKETS; bucket++) {
      const at = 2 * bucket
      if (this.#words[at] !== other[at] || this.#words[at + 1] !== other[at + 1]) {
        found.push(bucket)
      }
    }
    return Uint8Array.from(found)
  }
}

/** The finaliser of MurmurHash3: every bit of the result depends on every bit given. */
function mix(value: number): number {
  let h = value >>> 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
