/**
 * A life of a Raft log that can be told again: step k of a seed is always the same append job.
 *
 * Every job ends with an entry that names its step, so that what a store holds says how far it got. Jobs
 * append, truncate and append, install a snapshot, change term and vote. The model holds what the log must
 * be after a step; compaction may have moved its start up, nothing else may differ.
 */

import { CHAIN_START, chainedEntry } from '../../../core/raft/chain.ts'
import { votersOnly } from '../../../core/raft/configuration.ts'
import {
  type AppendJob,
  appendToken,
  chain,
  type Entry,
  type HardState,
  type LogPosition,
  logIndex,
  type SnapshotMeta,
  serverId,
  term,
} from '../../../core/raft/types.ts'
import { seededRng } from '../../../core/rng.ts'
import type { LogStore, StoredLog } from '../../../runtime/storage/log-store.ts'

export const OWNER = serverId('a')
export const IDENTITY = { serverId: OWNER, clusterId: 'c', epoch: 0 }
export const CONFIGURATION = votersOnly([{ id: OWNER, address: 'a:1' }])

export class LogWorkload {
  readonly #seed: number
  readonly #installsUntil: number
  #step = 0
  #anchor: LogPosition = { index: logIndex(0), term: term(0), chain: CHAIN_START }
  #entries: Entry[] = []
  #hardState: HardState = { term: term(1), vote: null, commit: logIndex(0) }

  /** @param options.installsUntil no snapshot replaces the log after this step; default never ends */
  constructor(seed: number, options: { readonly installsUntil?: number } = {}) {
    this.#seed = seed
    this.#installsUntil = options.installsUntil ?? Number.POSITIVE_INFINITY
  }

  get step(): number {
    return this.#step
  }

  get last(): LogPosition {
    return this.#entries.at(-1) ?? this.#anchor
  }

  get hardState(): HardState {
    return this.#hardState
  }

  /** The job of the next step. */
  next(): AppendJob {
    this.#step++
    const rng = seededRng(this.#seed + 7_919 * this.#step)
    let snapshot: SnapshotMeta | null = null
    let truncateFrom: number | null = null
    const { term: ofTerm, vote } = this.#hardState
    let nextTerm: number = ofTerm
    let nextVote: string | null = vote
    const kind = this.#step === 1 ? 99 : rng.range(0, 100)
    if (kind < 3 && this.#step <= this.#installsUntil) {
      snapshot = this.#install(rng.range(1, 50))
    } else if (kind < 13 && this.last.index > this.#hardState.commit) {
      // What is committed is never cut off, or compaction could have passed it.
      const uncommitted = this.last.index - this.#hardState.commit
      truncateFrom = this.last.index - rng.range(0, Math.min(20, uncommitted))
      this.#entries = this.#entries.slice(0, truncateFrom - this.#anchor.index - 1)
      nextTerm++
      nextVote = null
    } else if (kind < 18) {
      nextTerm++
      nextVote = rng.pick(['a', 'b', 'c']) ?? null
    }
    const fresh: Entry[] = []
    for (let left = rng.range(1, 12); left > 0; left--) {
      fresh.push(this.#append(nextTerm, rng.range(1, 900)))
    }
    this.#hardState = {
      term: term(nextTerm),
      vote: nextVote === null ? null : serverId(nextVote),
      commit: logIndex(Math.max(this.#hardState.commit, this.#anchor.index, this.last.index - 25)),
    }
    return {
      token: appendToken(this.#step),
      truncateFrom: truncateFrom === null ? null : logIndex(truncateFrom),
      entries: fresh,
      hardState: this.#hardState,
      last: this.last,
      snapshot,
    }
  }

  /** Advances to a step that was reached before. */
  skipTo(step: number): void {
    while (this.#step < step) this.next()
  }

  /** What a host does now and then between two jobs. */
  async compact(store: LogStore): Promise<void> {
    const at = this.compactionPoint()
    if (at === undefined) return
    await store.saveSnapshotPointer({ index: at.index, term: at.term })
    await store.compact(at)
  }

  /** An entry that is committed, for a snapshot. */
  compactionPoint(): Entry | undefined {
    return this.#entries[this.#hardState.commit - this.#anchor.index - 5]
  }

  /** @returns how the log differs from the model, or null */
  difference(log: StoredLog): string | null {
    const { anchor, entries, hardState } = log
    const end = entries.at(-1) ?? anchor
    if (end.index !== this.last.index || end.chain !== this.last.chain) {
      return `ends with ${end.index} instead of ${this.last.index}`
    }
    if (anchor.index < this.#anchor.index) return `begins below ${this.#anchor.index}`
    if (hardState.term !== this.#hardState.term || hardState.vote !== this.#hardState.vote) {
      return `has term ${hardState.term} and vote ${hardState.vote}`
    }
    const expected = this.#entries.slice(anchor.index - this.#anchor.index)
    if (entries.length !== expected.length) return `has ${entries.length} entries`
    const wrong = entries.find((entry, i) => !isSame(entry, expected[i]))
    return wrong === undefined ? null : `has another entry ${wrong.index}`
  }

  #append(ofTerm: number, bytes: number): Entry {
    const text = `${this.#step} `
    const entry = chainedEntry(this.last.chain, {
      index: logIndex(this.last.index + 1),
      term: term(ofTerm),
      type: 'normal',
      data: Buffer.from(text.padEnd(text.length + bytes, '.')),
    })
    this.#entries.push(entry)
    return entry
  }

  #install(gap: number): SnapshotMeta {
    const index = logIndex(this.last.index + gap)
    const at = { index, term: this.#hardState.term, chain: chain(index * 1_000 + this.#step) }
    this.#anchor = at
    this.#entries = []
    this.#hardState = { ...this.#hardState, commit: index }
    return { ...at, configuration: CONFIGURATION, configurationIndex: logIndex(1) }
  }
}

/** Of the newest entry; 0 when there is none. */
export function stepOf(log: Pick<StoredLog, 'entries'>): number {
  const last = log.entries.at(-1)
  return last === undefined ? 0 : Number.parseInt(Buffer.from(last.data).toString(), 10)
}

function isSame(x: Entry, y: Entry | undefined): boolean {
  if (y === undefined || x.index !== y.index || x.term !== y.term || x.chain !== y.chain)
    return false
  return Buffer.compare(x.data, y.data) === 0
}
