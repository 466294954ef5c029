/**
 * The disk of a simulated server: what a power cut leaves, written without code of the real store.
 *
 * A write is atomic and becomes durable when it completes; one that runs at the moment of a crash is there
 * or not, as the world decides. Checks the discipline of the jobs it is given.
 */

import assert from 'node:assert/strict'
import type { AppendJob, Entry, HardState, SnapshotMeta } from '../../../core/raft/types.ts'
import { logIndex, term } from '../../../core/raft/types.ts'

export class ModelDisk {
  hardState: HardState = { term: term(0), vote: null, commit: logIndex(0) }
  snapshot: SnapshotMeta | null = null
  /** entries[i] has index i + 1; holes below `firstIndex` stand for compacted ones. */
  #entries: (Entry | undefined)[] = []
  #firstIndex = 1
  #running: readonly AppendJob[] = []
  truncations = 0

  get lastIndex(): number {
    return this.#entries.length
  }

  get firstIndex(): number {
    return this.#firstIndex
  }

  entry(index: number): Entry | undefined {
    return this.#entries[index - 1]
  }

  /** Entries that a restart reads. */
  entries(): Entry[] {
    return this.#entries.slice(this.#firstIndex - 1) as Entry[]
  }

  begin(jobs: readonly AppendJob[]): void {
    assert.equal(this.#running.length, 0, 'one write at a time')
    this.#running = jobs
  }

  /** The running write reaches the platter. */
  complete(): void {
    for (const job of this.#running) this.#execute(job)
    this.#running = []
  }

  crash(runningSurvives: boolean): void {
    if (runningSurvives) this.complete()
    this.#running = []
  }

  compact(anchorIndex: number, snapshot: SnapshotMeta): void {
    this.snapshot = snapshot
    for (let index = this.#firstIndex; index < anchorIndex; index++) {
      this.#entries[index - 1] = undefined
    }
    this.#firstIndex = anchorIndex + 1
  }

  #execute(job: AppendJob): void {
    assert.ok(job.hardState.term >= this.hardState.term, 'I8: the durable term never decreases')
    if (job.truncateFrom !== null) {
      assert.ok(job.truncateFrom > this.hardState.commit, 'committed entries are never truncated')
      assert.ok(job.truncateFrom <= this.lastIndex, 'a truncation removes something')
      this.#entries.length = job.truncateFrom - 1
      this.truncations++
    }
    for (const entry of job.entries) {
      assert.equal(entry.index, this.lastIndex + 1, 'entries on disk are contiguous')
      this.#entries.push(entry)
    }
    assert.equal(job.last.index, this.lastIndex, 'the job names the end of the log')
    this.hardState = job.hardState
  }
}
