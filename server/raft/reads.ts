/**
 * Linearizable reads on their way: waiting for the leader's confirmation, then for apply (specification 8.2).
 *
 * Reads that come together share one attempt, and one promise. Guarantees: every attempt, also a repeated one, has a
 * context never used before and begins after its reads have arrived; an answer to an attempt that was given
 * up is ignored; a change of term or leader voids every attempt, also one whose answer is already here.
 * A message that was lost is made good by another attempt, at most `ATTEMPTS_MAX`.
 * Bound: `READS_MAX` reads; beyond it BUSY.
 */

import { FairleadError } from '../../core/errors.ts'
import type { ReadMode, ReadState } from '../../core/raft/types.ts'

/** One change may wake every blocked read of a server (WAITERS_MAX, blocking-read.ts); others come beside them. */
export const READS_MAX = 81_920
const ATTEMPTS_MAX = 4

export interface ReadAttempt {
  readonly context: string
  readonly mode: ReadMode
}

/** Reads that came together. */
interface Group {
  readonly mode: ReadMode
  readonly index: Promise<number>
  readonly resolve: (index: number) => void
  readonly reject: (error: FairleadError) => void
  count: number
  attempts: number
  /** In ticks of this host; see `elapsed`. */
  begunAt: number
}

export class Reads {
  readonly #prefix: string
  readonly #attemptTicks: number
  #counter = 0
  #count = 0
  #ticks = 0
  #arrived: Record<ReadMode, Group | null> = { quorum: null, lease: null }
  #again: Group[] = []
  readonly #unconfirmed = new Map<string, Group>()
  /** Confirmed, waiting for apply. */
  #unapplied: { readonly index: number; readonly group: Group }[] = []

  /**
   * @param prefix unique to this server and this run of it
   * @param attemptTicks after so many ticks without an answer an attempt is given up
   */
  constructor(prefix: string, attemptTicks: number) {
    this.#prefix = prefix
    this.#attemptTicks = attemptTicks
  }

  get isEmpty(): boolean {
    return this.#count === 0
  }

  add(mode: ReadMode): Promise<number> {
    if (this.#count >= READS_MAX) {
      return Promise.reject(new FairleadError('BUSY', 'Too many consistent reads are waiting'))
    }
    this.#count++
    this.#arrived[mode] ??= newGroup(mode)
    const group = this.#arrived[mode]
    group.count++
    return group.index
  }

  /** Reads that need a round and that no attempt was made for yet. */
  get arrivedCount(): number {
    return this.#arrived.quorum?.count ?? 0
  }

  /** Reads whose attempt is not answered yet. */
  get unconfirmedCount(): number {
    let count = 0
    for (const group of this.#unconfirmed.values()) count += group.count
    return count
  }

  /**
   * Attempts that the core has not seen yet.
   *
   * @param options.withRound false: only those that need no round of messages, or are made again
   */
  takeNew(options: { readonly withRound: boolean } = { withRound: true }): readonly ReadAttempt[] {
    const groups = this.#again
    this.#again = []
    for (const mode of ['quorum', 'lease'] as const) {
      if (mode === 'quorum' && !options.withRound) continue
      const group = this.#arrived[mode]
      if (group === null) continue
      this.#arrived[mode] = null
      groups.push(group)
    }
    return groups.map((group) => this.#begin(group))
  }

  confirmed(reads: readonly ReadState[], applied: number): void {
    for (const { context, index } of reads) {
      const group = this.#unconfirmed.get(context)
      if (group === undefined) continue
      this.#unconfirmed.delete(context)
      if (applied >= index) this.#answer(group, index)
      else this.#unapplied.push({ index, group })
    }
  }

  applied(index: number): void {
    if (this.#unapplied.length === 0) return
    const ready = this.#unapplied.filter((read) => read.index <= index)
    this.#unapplied = this.#unapplied.filter((read) => read.index > index)
    for (const read of ready) this.#answer(read.group, read.index)
  }

  /** Time passes. Attempts without an answer are given up and made again, or fail with `error`. */
  elapsed(ticks: number, error: () => FairleadError): void {
    this.#ticks += ticks
    for (const [context, group] of this.#unconfirmed) {
      if (this.#ticks - group.begunAt < this.#attemptTicks) continue
      this.#unconfirmed.delete(context)
      if (group.attempts >= ATTEMPTS_MAX) this.#reject(group, error())
      else this.#again.push(group)
    }
  }

  failOne(context: string, error: FairleadError): void {
    const group = this.#unconfirmed.get(context)
    if (group === undefined) return
    this.#unconfirmed.delete(context)
    this.#reject(group, error)
  }

  /** Term or leader have changed: no attempt counts any more. Reads that were not submitted yet go on. */
  voidAttempts(error: FairleadError): void {
    const groups = [...this.#unconfirmed.values(), ...this.#unapplied.map((read) => read.group)]
    this.#unconfirmed.clear()
    this.#unapplied = []
    for (const group of groups) this.#reject(group, error)
  }

  failAll(error: FairleadError): void {
    for (const attempt of this.takeNew()) this.failOne(attempt.context, error)
    this.voidAttempts(error)
  }

  #begin(group: Group): ReadAttempt {
    this.#counter++
    const context = `${this.#prefix}/${this.#counter}`
    group.attempts++
    group.begunAt = this.#ticks
    this.#unconfirmed.set(context, group)
    return { context, mode: group.mode }
  }

  #answer(group: Group, index: number): void {
    this.#count -= group.count
    group.resolve(index)
  }

  #reject(group: Group, error: FairleadError): void {
    this.#count -= group.count
    group.reject(error)
  }
}

function newGroup(mode: ReadMode): Group {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  return { mode, index: promise, resolve, reject, count: 0, attempts: 0, begunAt: 0 }
}
