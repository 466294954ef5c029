/**
 * The disk of a core in the port: what is durable, what is still being written, and what a restart reads.
 */

import { CHAIN_START } from '../../../core/raft/chain.ts'
import {
  type AppendJob,
  type AppendToken,
  type Entry,
  type HardState,
  type LogPosition,
  logIndex,
  type PersistedState,
  type SnapshotMeta,
  term,
} from '../../../core/raft/types.ts'

interface Image {
  hardState: HardState
  snapshot: SnapshotMeta | null
  anchor: LogPosition
  entries: Entry[]
}

export class ModelStorage {
  readonly #image: Image
  readonly #writing: AppendJob[] = []

  constructor(persisted: PersistedState) {
    const { hardState, snapshot, anchor, entries } = persisted
    this.#image = { hardState, snapshot, anchor, entries: [...entries] }
  }

  /** Handed to the disk, not durable yet. */
  begin(job: AppendJob): void {
    this.#writing.push(job)
  }

  /** Everything up to `token` is durable. @returns the tokens, in order */
  complete(token: AppendToken): AppendToken[] {
    const done: AppendToken[] = []
    while (this.#writing.length > 0) {
      const job = this.#writing[0] as AppendJob
      if (job.token > token) break
      this.#writing.shift()
      this.#execute(job)
      done.push(job.token)
    }
    return done
  }

  compact(index: number, snapshot: SnapshotMeta): void {
    const image = this.#image
    const at = image.entries[index - image.anchor.index - 1]
    image.snapshot = snapshot
    if (at === undefined) return
    image.entries = image.entries.slice(index - image.anchor.index)
    image.anchor = { index: at.index, term: at.term, chain: at.chain }
  }

  /** @param keep 'all': writes on their way arrive; 'durable': they are lost */
  restart(keep: 'all' | 'durable'): PersistedState {
    if (keep === 'all') for (const job of this.#writing.splice(0)) this.#execute(job)
    this.#writing.length = 0
    const { hardState, snapshot, anchor, entries } = this.#image
    return { hardState, snapshot, anchor, entries: [...entries], damagedTo: null }
  }

  #execute(job: AppendJob): void {
    const image = this.#image
    if (job.snapshot !== null) {
      image.snapshot = job.snapshot
      const { index, term: at, chain } = job.snapshot
      image.anchor = { index, term: at, chain }
      image.entries = []
    }
    if (job.truncateFrom !== null) {
      image.entries.length = Math.max(0, job.truncateFrom - image.anchor.index - 1)
    }
    image.entries.push(...job.entries)
    image.hardState = job.hardState
  }
}

export const ORIGIN: LogPosition = { index: logIndex(0), term: term(0), chain: CHAIN_START }
