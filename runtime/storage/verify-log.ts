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
  | { readonly kind: 'damaged'; readonly reason: string; readonly lastGood: LogPosition }
  | { readonly kind: 'corrupt'; readonly reason: string }

export class LogVerifier {
  readonly #expected: HardStateRecord
  readonly #entries: Entry[] = []
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
    if (this.#damage !== null) return
    if (index !== this.#last.index + 1) {
      this.#damage = `entry ${this.#last.index + 1} is missing`
      return
    }
    const entry = decodeEntry(key, value, logIndex(index))
    if (entry === null) {
      this.#damage = `entry ${index} fails its checksum`
      return
    }
    if (entry.chain !== chainOf(this.#last.chain, entry)) {
      this.#damage = `entry ${index} does not continue the log`
      return
    }
    if (entry.term < this.#last.term) {
      this.#decrease ??= `the term falls from ${this.#last.term} to ${entry.term} at entry ${index}`
    }
    this.#entries.push(entry)
    this.#last = entry
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
    if (this.#damage !== null) return this.#damaged(this.#damage)
    if (this.#last.index < last.index) {
      return this.#damaged(
        `the log ends at ${this.#last.index}, it was acknowledged to ${last.index}`,
      )
    }
    if (this.#last.index === last.index && this.#last.chain !== last.chain) {
      return { kind: 'corrupt', reason: `entry ${last.index} is not the one that was acknowledged` }
    }
    const commit = Math.max(commitHint, hardState.commit)
    if (commit > last.index) {
      return this.#damaged(`entries are committed to ${commit}, the log ends at ${last.index}`)
    }
    return { kind: 'good', entries: this.#entries }
  }

  #damaged(reason: string): EntriesVerdict {
    const { index, term, chain } = this.#last
    return { kind: 'damaged', reason, lastGood: { index, term, chain } }
  }
}
