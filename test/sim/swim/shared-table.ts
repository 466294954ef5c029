/**
 * The table of one member of a very large simulated pool: what all members know alike is kept once for all of them.
 *
 * Ten thousand tables of ten thousand rows do not fit into one process; a pool at rest has them all equal. A row is copied
 * into a member's own table when the rules ask for it by name, which they do before they change it. Differs from
 * the real table in this alone: the order of probing is a walk of random stride through the shared rows, new for
 * each round, instead of a shuffle of its own. Newcomers that are not of the settled pool are not probed or chosen.
 */

import { type Rng, seededRng } from '../../../core/rng.ts'
import { type MemberRecord, type Members, MemberTable } from '../../../core/swim/member-table.ts'
import { bucketOf, DIGEST_BUCKETS, StateDigest } from '../../../core/swim/state-digest.ts'
import type { MemberFacts } from '../../../core/swim/types.ts'
import type { Instant } from '../../../core/time.ts'

const INCARNATION = 1

/** Members that have known each other for long, as each of them sees them. */
export class SettledMembers {
  readonly records: readonly MemberRecord[]
  readonly digest: Uint32Array
  readonly #indexes = new Map<string, number>()

  constructor(facts: readonly MemberFacts[], now: Instant) {
    const table = new MemberTable(seededRng(0))
    for (const [i, each] of facts.entries()) {
      settle(table, each, now)
      this.#indexes.set(each.name, i)
    }
    this.records = [...table.records()]
    this.digest = table.digest()
  }

  get(name: string): MemberRecord | undefined {
    const index = this.#indexes.get(name)
    return index === undefined ? undefined : this.records[index]
  }
}

export class SharedTable implements Members {
  readonly #settled: SettledMembers
  readonly #rng: Rng
  /** Rows that are this member's own. */
  readonly #own: MemberTable
  readonly #taken = new Set<string>()
  /** Shared rows that have become own ones. */
  readonly #takenDigest = new StateDigest()
  #at = 0
  #stride = 1
  #left = 0

  constructor(settled: SettledMembers, rng: Rng) {
    this.#settled = settled
    this.#rng = rng
    this.#own = new MemberTable(rng.fork('own'))
  }

  get size(): number {
    return this.#settled.records.length - this.#taken.size + this.#own.size
  }

  get liveCount(): number {
    return this.#settled.records.length - this.#taken.size + this.#own.liveCount
  }

  get knownCount(): number {
    return this.#settled.records.length - this.#taken.size + this.#own.knownCount
  }

  get(name: string): MemberRecord | undefined {
    if (this.#taken.has(name)) return this.#own.get(name)
    const shared = this.#settled.get(name)
    if (shared === undefined) return this.#own.get(name)
    this.#take(shared)
    return settle(this.#own, shared, shared.stateSince)
  }

  *records(): IterableIterator<MemberRecord> {
    yield* this.#own.records()
    for (const shared of this.#settled.records) if (!this.#taken.has(shared.name)) yield shared
  }

  insert(facts: MemberFacts, now: Instant): MemberRecord | null {
    const shared = this.#settled.get(facts.name)
    if (shared !== undefined && !this.#taken.has(facts.name)) this.#take(shared)
    return this.#own.insert(facts, now)
  }

  setState: Members['setState'] = (...change) => this.#own.setState(...change)
  setStatus: Members['setStatus'] = (...change) => this.#own.setStatus(...change)
  setStatusTime: Members['setStatusTime'] = (...change) => this.#own.setStatusTime(...change)
  setDigested: Members['setDigested'] = (...change) => this.#own.setDigested(...change)

  forget(record: MemberRecord): void {
    this.#own.forget(record)
  }

  remove(record: MemberRecord): void {
    this.#own.remove(record)
  }

  digest(): Uint32Array {
    const words = this.#own.digest()
    const taken = this.#takenDigest.words()
    return words.map((word, i) => word ^ (taken[i] ?? 0) ^ (this.#settled.digest[i] ?? 0))
  }

  differences(other: Uint32Array): Uint8Array {
    const words = this.digest()
    const found: number[] = []
    for (let bucket = 0; bucket < DIGEST_BUCKETS; bucket++) {
      const [high, low] = [2 * bucket, 2 * bucket + 1]
      if (words[high] !== other[high] || words[low] !== other[low]) found.push(bucket)
    }
    return Uint8Array.from(found)
  }

  inBuckets(buckets: Uint8Array): MemberRecord[] {
    const wanted = new Set(buckets)
    const shared = this.#settled.records.filter(
      (record) => wanted.has(bucketOf(record.hash)) && !this.#taken.has(record.name),
    )
    return [...this.#own.inBuckets(buckets), ...shared]
  }

  nextToProbe(self: MemberRecord): MemberRecord | null {
    const { length } = this.#settled.records
    for (let checked = 0; checked <= length; checked++) {
      if (this.#left === 0) this.#newRound(length)
      this.#left--
      this.#at = (this.#at + this.#stride) % length
      const record = this.#current(this.#at)
      if (record !== undefined && record !== self && record.isLive) return record
    }
    return null
  }

  random(count: number, filter: (record: MemberRecord) => boolean): MemberRecord[] {
    const { length } = this.#settled.records
    const chosen: MemberRecord[] = []
    for (let draw = 0; draw < 3 * length && chosen.length < count; draw++) {
      const record = this.#current(this.#rng.range(0, length))
      if (record === undefined || record.isForgotten || chosen.includes(record)) continue
      if (filter(record)) chosen.push(record)
    }
    return chosen
  }

  #newRound(length: number): void {
    this.#left = length
    this.#at = this.#rng.range(0, length)
    do this.#stride = this.#rng.range(1, length)
    while (greatestCommonDivisor(this.#stride, length) !== 1)
  }

  /** As this member sees it; not to be changed without `get`. */
  #current(index: number): MemberRecord | undefined {
    const shared = this.#settled.records[index]
    if (shared === undefined || !this.#taken.has(shared.name)) return shared
    return this.#own.get(shared.name)
  }

  #take(shared: MemberRecord): void {
    this.#taken.add(shared.name)
    this.#takenDigest.toggle(shared)
  }
}

function settle(table: MemberTable, facts: MemberFacts, now: Instant): MemberRecord {
  const record = table.insert(facts, now)
  if (record === null) throw new RangeError('more members than a table holds')
  table.setState(record, INCARNATION, 'alive', now)
  table.setStatus(record, 'alive', now)
  return record
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b)
}
