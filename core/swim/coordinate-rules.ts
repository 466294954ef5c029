/**
 * This member's place in the network, by the round trips of its probes (gossip.md 4, 12).
 *
 * Acks of pings in packets carry the coordinate of who answers; acks over streams and on behalf of others carry none.
 * Guarantees: what is no coordinate, or not a plausible one, is counted and changes nothing; a member that knows of no
 * coordinates is probed as any other. Bound: one filter a member, gone with its record.
 */

import { decodeCoordinate, encodeCoordinate } from '../coordinates/codec.ts'
import type { Coordinate } from '../coordinates/coordinate.ts'
import { LatencyFilter } from '../coordinates/latency-filter.ts'
import { Vivaldi } from '../coordinates/vivaldi.ts'
import type { MemberRecord } from './member-table.ts'
import type { Pool } from './pool.ts'

const NO_PAYLOAD = new Uint8Array(0)

export class CoordinateRules {
  readonly #pool: Pool
  readonly #vivaldi: Vivaldi | null
  readonly #filters = new WeakMap<MemberRecord, LatencyFilter>()
  #payload: Uint8Array = NO_PAYLOAD
  /** What the payload was made of. */
  #encoded: Coordinate | null = null

  constructor(isWanted: boolean, pool: Pool) {
    this.#pool = pool
    this.#vivaldi = isWanted ? new Vivaldi(pool.rng.fork('coordinate')) : null
  }

  get own(): Coordinate | null {
    return this.#vivaldi?.coordinate ?? null
  }

  /** Of an ack. */
  get payload(): Uint8Array {
    const { own } = this
    if (own !== null && own !== this.#encoded) {
      this.#encoded = own
      this.#payload = encodeCoordinate(own)
    }
    return this.#payload
  }

  onRoundTrip(target: MemberRecord, rttMs: number, payload: Uint8Array): void {
    if (this.#vivaldi === null) return
    const other = decodeCoordinate(payload)
    let filter = this.#filters.get(target)
    if (filter === undefined) {
      filter = new LatencyFilter()
      this.#filters.set(target, filter)
    }
    const rtt = filter.add(rttMs / 1000)
    if (other !== undefined && this.#vivaldi.observe(other, rtt) === 'moved') return
    this.#pool.counters.coordinatesRefused++
  }
}
