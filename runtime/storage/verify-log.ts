/**
 * Proves at start that the log on disk is the one that was acknowledged (Raft specification 14.5).
 *
 * LevelDB may lose records in the middle of its history without a word, so nothing is taken on trust:
 * checksum and chain of every entry, no gap, terms that do not decrease, and an end that agrees with the
 * hard state written in the same batch. Fed row by row; keeps the entries, nothing else.
 */

import { chainOf } from '../../core/raft/chain.ts'
import { type Entry, type LogIndex, type LogPosition, logIndex } from '../../core/raft/types.ts'
import { decodeEntry, type HardStateRecord } from './log-records.ts'

export type EntriesVerdict =
  | { readonly kind: 'good'; readonly entries: readonly Entry[] }
  | {
      readonly kind: 'damaged'
      readonly reason: string
      /** The proven prefix. */
      readonly entries: readonly Entry[]
      /** What was acknowledged and is damaged or gone reaches up to here. */
      readonly damagedTo: LogIndex
      /** Of rows above the prefix. */
      readonly rottenKeys: readonly Uint8Array[]
    }
  | { readonly kind: 'corrupt'; readonly reason: string }

export class LogVerifier {
  readonly #expected: HardStateRecord
  readonly #entries: Entry[] = []
  readonly #rottenKeys: Uint8Array[] = []
  #last: LogPosition
  #damage: string | null = null
  #beyond: number | null = null
  #decrease: string | null = null

  constructor(anchor: LogPosition, expected: HardStateRecord) {
    this.#last = anchor
    this.#expected = expected
  }

  /** Takes the next row in order of index. */
  row(index: number, key: Uint8Array, value: Uint8Array): void {
    if (index > this.#expected.last.index) this.#beyond ??= index
    if (this.#damage === null) this.#damage = this.#take(index, key, value)
    if (this.#damage !== null) this.#rottenKeys.push(key)
  }

  /** @returns what is wrong with the row, or null */
  #take(index: number, key: Uint8Array, value: Uint8Array): string | null {
    if (index !== this.#last.index + 1) return `entry ${this.#last.index + 1} is missing`
    const entry = decodeEntry(key, value, logIndex(index))
    if (entry === null) return `entry ${index} fails its checksum`
    if (entry.chain !== chainOf(this.#last.chain, entry)) {
      return `entry ${index} does not continue the log`
    }
    if (entry.term < this.#last.term) {
      this.#decrease ??= `the term falls from ${this.#last.term} to ${entry.term} at entry ${index}`
    }
    this.#entries.push(entry)
    this.#last = entry
    return null
  }

  finish(commitHint: LogIndex): EntriesVerdict {
    const { last, hardState } = this.#expected
    if (this.#beyond !== null) {
      return {
        kind: 'corrupt',
        reason: `entry ${this.#beyond} lies beyond the recorded end of the log, ${last.index}`,
      }
    }
    if (this.#decrease !== null) return { kind: 'corrupt', reason: this.#decrease }
    if (this.#damage === null && this.#last.index === last.index) {
      if (this.#last.chain === last.chain) return this.#judgeCommit(commitHint)
      return { kind: 'corrupt', reason: `entry ${last.index} is not the one that was acknowledged` }
    }
    const shorter = `the log ends at ${this.#last.index}, it was acknowledged to ${last.index}`
    const acknowledged = Math.max(last.index, hardState.commit, commitHint)
    return this.#damaged(this.#damage ?? shorter, acknowledged)
  }

  #judgeCommit(commitHint: LogIndex): EntriesVerdict {
    const { last, hardState } = this.#expected
    const commit = Math.max(commitHint, hardState.commit)
    if (commit <= last.index) return { kind: 'good', entries: this.#entries }
    return this.#damaged(
      `entries are committed to ${commit}, the log ends at ${last.index}`,
      commit,
    )
  }

  #damaged(reason: string, acknowledged: number): EntriesVerdict {
    return {
      kind: 'damaged',
      reason,
      entries: this.#entries,
      damagedTo: logIndex(acknowledged),
      rottenKeys: this.#rottenKeys,
    }
  }
}
