/**
 * The disk of a simulated server: what a crash leaves, written without code of the real store.
 *
 * A write is atomic and synced when it completes (one batch, one checksum); one that runs at the moment of a
 * crash is there or not. Deletes behind a snapshot and the commit hint are not synced: a power cut may undo
 * what no later write has flushed, a killed process may not. Images either exist whole or not at all; what a
 * broken transfer left is kept. Checks the discipline of the jobs it is given.
 */

import assert from 'node:assert/strict'
import { CHAIN_START } from '../../../core/raft/chain.ts'
import type {
  AppendJob,
  Entry,
  HardState,
  LogPosition,
  SnapshotMeta,
} from '../../../core/raft/types.ts'
import { logIndex, term } from '../../../core/raft/types.ts'

export interface StoredImage {
  readonly meta: SnapshotMeta
  readonly bytes: Uint8Array
  readonly digest: number
}

/** An image on its way from a leader. */
export interface PartialImage {
  readonly meta: SnapshotMeta
  readonly sizeBytes: number
  readonly digest: number
  received: number
}

interface DiskCopy {
  readonly hardState: HardState
  readonly snapshot: SnapshotMeta | null
  readonly images: ReadonlyMap<string, StoredImage>
  readonly anchor: LogPosition
  readonly entries: readonly Entry[]
}

export type CrashKind = 'kill' | 'power-cut'

const NOTHING: HardState = { term: term(0), vote: null, commit: logIndex(0) }
const LOG_START: LogPosition = { index: logIndex(0), term: term(0), chain: CHAIN_START }

export class ModelDisk {
  hardState: HardState = NOTHING
  /** What the snapshot pointer says. */
  snapshot: SnapshotMeta | null = null
  partial: PartialImage | null = null
  readonly images = new Map<string, StoredImage>()
  #anchor: LogPosition = LOG_START
  /** entries[i] has index anchor.index + 1 + i. */
  #entries: Entry[] = []
  #hint = 0
  #syncedHint = 0
  /** The log as it was before deletes that nothing has flushed yet. */
  #undeleted: { readonly anchor: LogPosition; readonly entries: Entry[] } | null = null
  #running: readonly AppendJob[] = []
  #copy: DiskCopy | null = null
  /** Acknowledged entries up to here were found damaged and are not all back yet (14.5); kept over restarts. */
  damagedTo: number | null = null
  /** What damage took: it was honestly acknowledged, and others may have counted it. */
  readonly #lost = new Map<number, number>()
  /** What was acknowledged up to here is gone, and nothing on the disk tells: known to the simulator alone. */
  #forgottenTo = 0
  truncations = 0
  writes = 0

  get anchor(): LogPosition {
    return this.#anchor
  }

  get firstIndex(): number {
    return this.#anchor.index + 1
  }

  get lastIndex(): number {
    return this.#anchor.index + this.#entries.length
  }

  get commitHint(): number {
    return Math.max(this.#hint, this.hardState.commit)
  }

  get isEmpty(): boolean {
    return this.hardState === NOTHING && this.lastIndex === 0 && this.snapshot === null
  }

  /** It lacks what it once acknowledged, without knowing. */
  get isForgetful(): boolean {
    return this.lastIndex < this.#forgottenTo
  }

  entry(index: number): Entry | undefined {
    return this.#entries[index - this.#anchor.index - 1]
  }

  /** The entry, or the proof that it was part of what a snapshot replaced. */
  holds(index: number, termThere: number): boolean {
    if (index <= this.#anchor.index) return true
    return this.entry(index)?.term === termThere
  }

  /** It was there and was lost to damage that the fault model allows. */
  hadLost(index: number, termThere: number): boolean {
    return this.#lost.get(index) === termThere
  }

  entries(): readonly Entry[] {
    return this.#entries
  }

  begin(jobs: readonly AppendJob[]): void {
    assert.equal(this.#running.length, 0, 'one write at a time')
    this.#running = jobs
  }

  /** The running write reaches the platter, and with it everything written before. */
  complete(): void {
    for (const job of this.#running) this.#execute(job)
    this.#running = []
    this.#flush()
    this.writes++
  }

  crash(kind: CrashKind, runningSurvives: boolean, unsyncedSurvives: boolean): void {
    if (runningSurvives && this.#running.length > 0) this.complete()
    this.#running = []
    if (kind === 'kill' || unsyncedSurvives) {
      this.#flush()
      return
    }
    this.#hint = this.#syncedHint
    if (this.#undeleted !== null) {
      this.#anchor = this.#undeleted.anchor
      this.#entries = this.#undeleted.entries
      this.#undeleted = null
    }
    if (this.partial !== null) this.partial.received = Math.floor(this.partial.received / 2)
  }

  /** Not synced. */
  writeHint(commit: number): void {
    this.#hint = Math.max(this.#hint, commit)
  }

  /** Synced: from now on the image, not the log, is what a restart begins with. */
  pointTo(snapshot: SnapshotMeta): void {
    this.snapshot = snapshot
    this.#flush()
  }

  /** Not synced. */
  deleteTo(index: number): void {
    if (index <= this.#anchor.index) return
    const entry = this.entry(index)
    assert.ok(entry !== undefined, 'what is deleted is there')
    assert.ok(index <= (this.snapshot?.index ?? 0), 'I21: only what the snapshot covers is deleted')
    this.#undeleted ??= { anchor: this.#anchor, entries: this.#entries }
    this.#entries = this.#entries.slice(index - this.#anchor.index)
    this.#anchor = { index: entry.index, term: entry.term, chain: entry.chain }
  }

  keepImage(image: StoredImage): void {
    this.images.set(nameOf(image.meta), image)
  }

  image(meta: Pick<SnapshotMeta, 'index' | 'term'>): StoredImage | undefined {
    return this.images.get(nameOf(meta))
  }

  /** Keeps the newest two and the one that the pointer names. */
  prune(): void {
    const byIndex = [...this.images.values()].sort((x, y) => y.meta.index - x.meta.index)
    for (const { meta } of byIndex.slice(2)) {
      if (this.snapshot === null || nameOf(meta) !== nameOf(this.snapshot)) {
        this.images.delete(nameOf(meta))
      }
    }
  }

  /** Everything is gone, as when the disk is replaced. */
  wipe(): void {
    // With the disk goes what told of damage before: what that took is now forgotten too.
    this.#forgottenTo = Math.max(this.#forgottenTo, this.lastIndex, this.damagedTo ?? 0)
    this.hardState = NOTHING
    this.snapshot = null
    this.partial = null
    this.images.clear()
    this.#anchor = LOG_START
    this.#entries = []
    this.#hint = 0
    this.#syncedHint = 0
    this.#undeleted = null
    this.#running = []
    this.damagedTo = null
  }

  /** A copy is put aside, for `goBack`. */
  copyAway(): void {
    this.#copy = {
      hardState: this.hardState,
      snapshot: this.snapshot,
      images: new Map(this.images),
      anchor: this.#anchor,
      entries: this.#entries.slice(),
    }
  }

  /** The disk is replaced by the copy that was put aside, and nothing on it tells. @returns whether there is one */
  goBack(): boolean {
    const copy = this.#copy
    if (copy === null) return false
    this.wipe()
    this.hardState = copy.hardState
    this.snapshot = copy.snapshot
    for (const [name, image] of copy.images) this.images.set(name, image)
    this.#anchor = copy.anchor
    this.#entries = copy.entries.slice()
    return true
  }

  /** Entries from `index` on never reached the platter, though the disk said so; nothing on it tells. */
  loseTail(index: number): void {
    assert.ok(index > this.#anchor.index && index <= this.lastIndex, 'there is something')
    this.#forgottenTo = Math.max(this.#forgottenTo, this.lastIndex)
    const kept = Math.max(index - 1, this.snapshot?.index ?? 0)
    this.#entries = this.#entries.slice(0, kept - this.#anchor.index)
    const commit = logIndex(Math.min(this.hardState.commit, this.lastIndex))
    this.hardState = { ...this.hardState, commit }
    this.#hint = Math.min(this.#hint, commit)
    this.#syncedHint = this.#hint
    this.#undeleted = null
  }

  /**
   * Entries from `index` on turn out to be unreadable; what verification at start leaves (14.5) is what is below,
   * or nothing when the image went with them.
   */
  damage(index: number): void {
    assert.ok(index > this.#anchor.index && index <= this.lastIndex, 'there is something')
    this.damagedTo = Math.max(this.damagedTo ?? 0, this.lastIndex)
    for (const entry of this.#entries.slice(index - 1 - this.#anchor.index)) {
      this.#lost.set(entry.index, entry.term)
    }
    this.#entries = this.#entries.slice(0, index - 1 - this.#anchor.index)
    if (index <= (this.snapshot?.index ?? 0)) {
      // The image no longer joins a proven log; without what was before it the rest is of no use.
      this.snapshot = null
      if (this.#anchor.index > 0) {
        this.#anchor = LOG_START
        this.#entries = []
      }
    }
    const commit = logIndex(Math.min(this.hardState.commit, this.lastIndex))
    this.hardState = { ...this.hardState, commit }
    this.#hint = Math.min(this.#hint, commit)
    this.#syncedHint = this.#hint
    this.#undeleted = null
  }

  #flush(): void {
    this.#undeleted = null
    this.#syncedHint = this.#hint
  }

  #execute(job: AppendJob): void {
    assert.ok(job.hardState.term >= this.hardState.term, 'I8: the durable term never decreases')
    if (job.snapshot !== null) this.#replace(job.snapshot, job)
    else if (job.truncateFrom !== null && job.truncateFrom <= this.lastIndex) {
      assert.ok(job.truncateFrom > this.hardState.commit, 'committed entries are never truncated')
      assert.ok(job.truncateFrom > this.#anchor.index, 'a truncation stays above the snapshot')
      this.#entries = this.#entries.slice(0, job.truncateFrom - 1 - this.#anchor.index)
      this.truncations++
    }
    if (this.#undeleted !== null && job.entries.length > 0) this.#undeleted = null
    for (const entry of job.entries) {
      assert.equal(entry.index, this.lastIndex + 1, 'entries on disk are contiguous')
      this.#entries.push(entry)
    }
    assert.equal(job.last.index, this.lastIndex, 'the job names the end of the log')
    this.hardState = job.hardState
  }

  #replace(snapshot: SnapshotMeta, job: AppendJob): void {
    assert.equal(job.truncateFrom, null, 'a job that replaces the log does not truncate it')
    assert.ok(
      this.image(snapshot) !== undefined,
      '2.4: the image is durable before the log gives way',
    )
    this.snapshot = snapshot
    this.#anchor = { index: snapshot.index, term: snapshot.term, chain: snapshot.chain }
    this.#entries = []
    this.#undeleted = null
  }
}

function nameOf(meta: Pick<SnapshotMeta, 'index' | 'term'>): string {
  return `${meta.term}-${meta.index}`
}
