/**
 * All members this core knows: by name, in the order of probing, counted, digested (gossip.md 2.1, 4, 7.2).
 *
 * Knows no rules: who may become what is decided in member-rules.ts and status-rules.ts. Keeps counts and digest in
 * step with every change, which is why state and status change only through its methods.
 * A forgotten member is dead or left for so long that the protocol treats it as unknown, while operators still see
 * it until it is reaped. Bounds: MEMBERS_MAX; `insert` says no at the bound.
 */

import type { StringMap } from '../catalog/types.ts'
import type { MemberStatus } from '../membership.ts'
import type { Rng } from '../rng.ts'
import type { Instant } from '../time.ts'
import type { LamportTime } from './messages.ts'
import { bucketOf, hashName, type NameHash, StateDigest } from './state-digest.ts'
import type { Suspicion } from './suspicion.ts'
import { decodeTags } from './tags.ts'
import type { SwimTimer } from './timer-queue.ts'
import type { MemberFacts, MemberView, ProtocolVersions, SwimState } from './types.ts'

/** Forged names must not fill the memory; far above what one pool can be. */
export const MEMBERS_MAX = 65_536

export class MemberRecord implements MemberFacts {
  readonly name: string
  readonly hash: NameHash
  id: string
  address: string
  port: number
  meta: Uint8Array
  versions: ProtocolVersions
  incarnation = 0
  state: SwimState = 'dead'
  /** When `state` last changed. */
  stateSince: Instant
  suspicion: { readonly rules: Suspicion; timer: SwimTimer } | null = null
  /** What operators see. */
  status: MemberStatus = 'none'
  statusSince: Instant
  /** Lamport time of the last word about the status. */
  statusTime = 0
  /** An operator wants it gone from the list as soon as it has left. */
  isPruned = false
  /** Dead for so long that the protocol no longer counts it. New records begin so. */
  isForgotten = true
  forgetTimer: SwimTimer | null = null
  /** Compared with other tables: live members, and the others for a while after each change. */
  isDigested = false
  digestTimer: SwimTimer | null = null
  /** In the list of those to probe; may be there although forgotten. */
  isListed = false
  #tags: StringMap | null = null

  constructor(facts: MemberFacts, now: Instant) {
    this.name = facts.name
    this.hash = hashName(facts.name)
    this.id = facts.id
    this.address = facts.address
    this.port = facts.port
    this.meta = facts.meta
    this.versions = facts.versions
    this.stateSince = now
    this.statusSince = now
  }

  get hasLeft(): boolean {
    return this.status === 'left'
  }

  get isLive(): boolean {
    return this.state === 'alive' || this.state === 'suspect'
  }

  get tags(): StringMap {
    this.#tags ??= decodeTags(this.meta)
    return this.#tags
  }

  assign(facts: MemberFacts): void {
    this.id = facts.id
    this.address = facts.address
    this.port = facts.port
    this.versions = facts.versions
    this.meta = facts.meta
    this.#tags = null
  }

  view(): MemberView {
    return {
      name: this.name,
      id: this.id,
      address: this.address,
      port: this.port,
      tags: this.tags,
      status: this.status,
      state: this.state,
      incarnation: this.incarnation,
      statusTime: this.statusTime,
    }
  }
}

/** What the rules need of a table; simulations of large pools have one that shares what all of them know. */
export interface Members {
  readonly size: number
  readonly liveCount: number
  /** Live ones, and dead ones that are not forgotten: those among whom news goes around. */
  readonly knownCount: number
  get(name: string): MemberRecord | undefined
  records(): IterableIterator<MemberRecord>
  insert(facts: MemberFacts, now: Instant): MemberRecord | null
  setState(record: MemberRecord, incarnation: number, state: SwimState, now: Instant): void
  setStatus(record: MemberRecord, status: MemberStatus, now: Instant): void
  setStatusTime(record: MemberRecord, time: LamportTime): void
  setDigested(record: MemberRecord, isDigested: boolean): void
  forget(record: MemberRecord): void
  remove(record: MemberRecord): void
  digest(): Uint32Array
  differences(other: Uint32Array): Uint8Array
  inBuckets(buckets: Uint8Array): MemberRecord[]
  nextToProbe(self: MemberRecord): MemberRecord | null
  random(count: number, filter: (record: MemberRecord) => boolean): MemberRecord[]
}

export class MemberTable implements Members {
  readonly #byName = new Map<string, MemberRecord>()
  /** Those to probe, in order, and those just forgotten. */
  #order: MemberRecord[] = []
  #next = 0
  readonly #digest = new StateDigest()
  readonly #rng: Rng
  #live = 0
  #known = 0

  constructor(rng: Rng) {
    this.#rng = rng
  }

  get size(): number {
    return this.#byName.size
  }

  /** Alive or suspected, this member included. */
  get liveCount(): number {
    return this.#live
  }

  get knownCount(): number {
    return this.#known
  }

  get(name: string): MemberRecord | undefined {
    return this.#byName.get(name)
  }

  records(): IterableIterator<MemberRecord> {
    return this.#byName.values()
  }

  /** A member heard of for the first time; it counts as dead until its state is set. @returns null at the bound */
  insert(facts: MemberFacts, now: Instant): MemberRecord | null {
    if (this.#byName.size >= MEMBERS_MAX) return null
    const record = new MemberRecord(facts, now)
    this.#byName.set(record.name, record)
    return record
  }

  setState(record: MemberRecord, incarnation: number, state: SwimState, now: Instant): void {
    this.#change(record, () => {
      record.incarnation = incarnation
      if (record.state === state) return
      record.state = state
      record.stateSince = now
    })
  }

  setStatus(record: MemberRecord, status: MemberStatus, now: Instant): void {
    if (record.status === status) return
    this.#change(record, () => {
      record.status = status
      record.statusSince = now
    })
  }

  setStatusTime(record: MemberRecord, time: LamportTime): void {
    this.#change(record, () => {
      record.statusTime = time
    })
  }

  /** Whether a dead member counts when tables are compared; live ones always do. */
  setDigested(record: MemberRecord, isDigested: boolean): void {
    if (record.isDigested === isDigested) return
    this.#toggle(record)
    record.isDigested = isDigested
  }

  /** From now on unknown to the protocol; operators still see it. */
  forget(record: MemberRecord): void {
    if (!record.isForgotten) this.#known--
    record.isForgotten = true
  }

  remove(record: MemberRecord): void {
    this.setDigested(record, false)
    if (record.isLive) this.#live--
    record.state = 'dead'
    this.forget(record)
    this.#byName.delete(record.name)
  }

  digest(): Uint32Array {
    return this.#digest.words()
  }

  differences(other: Uint32Array): Uint8Array {
    return this.#digest.differences(other)
  }

  /** Members that are compared, of these buckets. */
  inBuckets(buckets: Uint8Array): MemberRecord[] {
    const wanted = new Set(buckets)
    const found: MemberRecord[] = []
    for (const record of this.#byName.values()) {
      if (record.isDigested && wanted.has(bucketOf(record.hash))) found.push(record)
    }
    return found
  }

  /** The next live member in the order of probing, other than `self`; each comes once a round. */
  nextToProbe(self: MemberRecord): MemberRecord | null {
    for (let checked = 0; checked <= this.#order.length; checked++) {
      if (this.#next >= this.#order.length) this.#newRound()
      const record = this.#order[this.#next++]
      if (record !== undefined && record !== self && record.isLive) return record
    }
    return null
  }

  /**
   * Up to `count` different members that satisfy `filter`, at random. Large pools are sampled by up to 3 n draws, so
   * that a filter few satisfy may give fewer than there are (gossip.md 7.2).
   */
  random(count: number, filter: (record: MemberRecord) => boolean): MemberRecord[] {
    const order = this.#order
    const wanted = (record: MemberRecord): boolean => !record.isForgotten && filter(record)
    if (order.length < 3 * count) return this.#rng.shuffle(order).filter(wanted).slice(0, count)
    const chosen: MemberRecord[] = []
    for (let draw = 0; draw < 3 * order.length && chosen.length < count; draw++) {
      const record = this.#rng.pick(order)
      if (record !== undefined && wanted(record) && !chosen.includes(record)) chosen.push(record)
    }
    return chosen
  }

  #newRound(): void {
    const kept = this.#order.filter((record) => {
      record.isListed = !record.isForgotten
      return record.isListed
    })
    this.#order = this.#rng.shuffle(kept)
    this.#next = 0
  }

  /** At a random place, so that the first probe comes soon on average. */
  #list(record: MemberRecord): void {
    if (record.isListed) return
    record.isListed = true
    const at = this.#rng.range(0, this.#order.length + 1)
    const displaced = this.#order[at]
    if (displaced === undefined) {
      this.#order.push(record)
    } else {
      this.#order[at] = record
      this.#order.push(displaced)
    }
  }

  #change(record: MemberRecord, change: () => void): void {
    if (record.isDigested) this.#toggle(record)
    if (record.isLive) this.#live--
    change()
    if (record.isLive) {
      this.#live++
      if (record.isForgotten) this.#known++
      record.isForgotten = false
      record.isDigested = true
      this.#list(record)
    }
    if (record.isDigested) this.#toggle(record)
  }

  #toggle(record: MemberRecord): void {
    this.#digest.toggle(record)
  }
}
