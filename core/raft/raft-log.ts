/**
 * The log as the core sees it: one window of entries above an anchor, all in memory.
 *
 * Guarantees that indexes are contiguous and that each entry's chain continues the one before. The window
 * is bounded by compaction: the host snapshots at 16,384 entries or 64 MiB and keeps 10,240 trailing
 * entries. Does not know what is durable (append-tracker.ts) or committed.
 */

import { assert } from '../assert.ts'
import type { Chain, Entry, LogIndex, LogPosition, Term } from './types.ts'
import { logIndex } from './types.ts'

/** What an entry takes on the wire beside its data, at most. */
export const ENTRY_HEAD_BYTES = 40

/** As all limits of entries in bytes count it: so many tiny ones are no small message. */
export function entryBytes(entry: Pick<Entry, 'data'>): number {
  return ENTRY_HEAD_BYTES + entry.data.length
}

export class RaftLog {
  #anchor: LogPosition
  #entries: Entry[]

  constructor(anchor: LogPosition, entries: readonly Entry[]) {
    this.#anchor = anchor
    this.#entries = []
    this.append(entries)
  }

  get firstIndex(): LogIndex {
    return logIndex(this.#anchor.index + 1)
  }

  get lastIndex(): LogIndex {
    return logIndex(this.#anchor.index + this.#entries.length)
  }

  get last(): LogPosition {
    return this.#entries[this.#entries.length - 1] ?? this.#anchor
  }

  entry(index: number): Entry | undefined {
    return this.#entries[index - this.#anchor.index - 1]
  }

  /** Term at `index`; undefined above the end and below the anchor. */
  term(index: number): Term | undefined {
    return index === this.#anchor.index ? this.#anchor.term : this.entry(index)?.term
  }

  chain(index: number): Chain | undefined {
    return index === this.#anchor.index ? this.#anchor.chain : this.entry(index)?.chain
  }

  /** Entries of [from, to), cut before the one that exceeds `bytesMax` but never empty for that reason. */
  slice(from: number, to: number, bytesMax = Number.POSITIVE_INFINITY): Entry[] {
    assert(from > this.#anchor.index, 'entries asked for below the start of the log')
    const out: Entry[] = []
    let bytes = 0
    for (let index = from; index < to; index++) {
      const entry = this.entry(index)
      if (entry === undefined) break
      bytes += entryBytes(entry)
      if (out.length > 0 && bytes > bytesMax) break
      out.push(entry)
    }
    return out
  }

  append(entries: readonly Entry[]): void {
    for (const entry of entries) {
      assert(entry.index === this.lastIndex + 1, 'log entries are contiguous')
      assert(entry.term >= this.last.term, 'terms do not decrease along the log')
      this.#entries.push(entry)
    }
  }

  /** Drops entries at and above `index`. */
  truncateFrom(index: LogIndex): void {
    assert(index > this.#anchor.index, 'compacted entries cannot be truncated')
    this.#entries.length = Math.max(
      0,
      Math.min(this.#entries.length, index - this.#anchor.index - 1),
    )
  }

  /** Puts an entry that this server made at the end. */
  push(entry: Entry): void {
    assert(entry.index === this.lastIndex + 1, 'log entries are contiguous')
    this.#entries.push(entry)
  }

  /** Drops everything: the log now starts above `anchor`. */
  replaceWith(anchor: LogPosition): void {
    this.#anchor = anchor
    this.#entries = []
  }

  /** Drops entries up to and including `index`, which becomes the anchor. Cost O(entries kept). */
  compactTo(index: LogIndex): void {
    if (index <= this.#anchor.index) return
    const entry = this.entry(index)
    assert(entry !== undefined, 'compaction beyond the end of the log')
    this.#entries = this.#entries.slice(index - this.#anchor.index)
    this.#anchor = { index: entry.index, term: entry.term, chain: entry.chain }
  }

  /** True when a log ending at (`index`, `term`) is at least as complete as this one (4.4). */
  isUpToDate(index: LogIndex, term: Term): boolean {
    const last = this.last
    return term > last.term || (term === last.term && index >= last.index)
  }

  /** Highest index at or below `from` whose term does not exceed `term`, with its term (5.3). */
  highestWithTermAtMost(from: number, term: Term): { index: LogIndex; term: Term } {
    let index = Math.min(from, this.lastIndex)
    while (index > this.#anchor.index) {
      const own = this.term(index) as Term
      if (own <= term) return { index: logIndex(index), term: own }
      index--
    }
    return { index: logIndex(index), term: this.term(index) ?? (0 as Term) }
  }
}
