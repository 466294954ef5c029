/**
 * One server of a scenario: the real core, a disk that is a list, and an image store that is a number.
 *
 * Every effect waits until the scenario lets it happen. A crash keeps what completed jobs wrote, and nothing
 * else. Knows nothing of the text format.
 */

import { CHAIN_START } from '../../../core/raft/chain.ts'
import type { RaftMark } from '../../../core/raft/marks.ts'
import type { RaftMessage } from '../../../core/raft/messages.ts'
import { RaftCore } from '../../../core/raft/raft-core.ts'
import type {
  AppendJob,
  AppendToken,
  Batch,
  Entry,
  LogPosition,
  PersistedState,
  RaftOptions,
  ServerId,
  SnapshotMeta,
  SnapshotOffer,
} from '../../../core/raft/types.ts'
import { logIndex, serverId, term } from '../../../core/raft/types.ts'
import { seededRng } from '../../../core/rng.ts'

export const ORIGIN: LogPosition = { index: logIndex(0), term: term(0), chain: CHAIN_START }

export type ScenarioOptions = Omit<RaftOptions, 'id' | 'boot' | 'startGrace' | 'mark'>

export class ScenarioServer {
  readonly id: ServerId
  readonly #options: ScenarioOptions
  readonly #onMark: (name: RaftMark) => void
  #boots = 0
  #core: RaftCore | null = null
  disk: PersistedState
  jobs: AppendJob[] = []
  held: { readonly after: AppendToken; readonly message: RaftMessage }[] = []
  toApply: Entry[] = []
  /** Image to restore from before anything of `toApply`. */
  toRestore: SnapshotMeta | null = null
  offered: SnapshotOffer | null = null
  #durable = 0
  #snapshot: SnapshotMeta | null = null
  readonly #written = new Map<number, Entry>()

  constructor(
    id: string,
    disk: PersistedState,
    options: ScenarioOptions,
    onMark: (name: RaftMark) => void,
  ) {
    this.id = serverId(id)
    this.disk = disk
    this.#options = options
    this.#onMark = onMark
  }

  get core(): RaftCore {
    if (this.#core === null) throw new Error(`"${this.id}" is down`)
    return this.#core
  }

  get isUp(): boolean {
    return this.#core !== null
  }

  start(options: { readonly grace: boolean }): void {
    this.#boots++
    this.#core = new RaftCore(
      {
        ...this.#options,
        id: this.id,
        boot: `${this.id}#${this.#boots}`,
        startGrace: options.grace,
        mark: this.#onMark,
      },
      this.disk,
      // Timeouts differ between servers and stay the same from run to run.
      seededRng(7).fork(`${this.id}/${this.#boots}`),
    )
  }

  crash(): void {
    this.#core = null
    this.jobs = []
    this.held = []
    this.toApply = []
    this.toRestore = null
    this.offered = null
    this.#durable = 0
  }

  /** Keeps the batch for later. @returns messages that may leave at once */
  take(batch: Batch): readonly RaftMessage[] {
    for (const message of batch.messagesAfterAppend) {
      this.held.push({ after: batch.afterToken, message })
    }
    if (batch.job !== null) this.jobs.push(batch.job)
    if (batch.restore !== null) {
      this.toRestore = batch.restore
      this.toApply = []
    }
    this.toApply.push(...batch.committed)
    if (batch.snapshotOffered !== null) this.offered = batch.snapshotOffered
    return [...batch.messages, ...this.#released()]
  }

  /** The oldest write completes. @returns messages that waited for it */
  finishWrite(): readonly RaftMessage[] {
    const job = this.jobs.shift()
    if (job === undefined) throw new Error(`"${this.id}" has no write in flight`)
    this.#write(job)
    this.#durable = job.token
    this.core.handle({ kind: 'appended', token: job.token })
    return this.#released()
  }

  /** @returns what was applied, or the image that was restored */
  apply(): { readonly restored: SnapshotMeta | null; readonly applied: readonly Entry[] } {
    const restored = this.toRestore
    const applied = this.toApply
    this.toRestore = null
    this.toApply = []
    if (restored !== null) this.core.handle({ kind: 'applied', index: restored.index })
    const last = applied.at(-1)
    if (last !== undefined) this.core.handle({ kind: 'applied', index: last.index })
    return { restored, applied }
  }

  takeSnapshot(): void {
    this.#snapshot = this.core.snapshotMetaAt(this.core.applied)
  }

  /** Every entry that ever came to the disk, by index; the last one wins. */
  written(index: number): Entry | undefined {
    return this.#written.get(index)
  }

  /** Drops entries up to `index` behind the snapshot that was taken last. */
  compact(index: number): void {
    const snapshot = this.#snapshot
    if (snapshot === null) throw new Error(`"${this.id}" has taken no snapshot`)
    this.core.handle({ kind: 'compacted', index: logIndex(index), snapshot })
    const anchor = this.disk.entries.find((entry) => entry.index === index)
    if (anchor === undefined) return
    const entries = this.disk.entries.filter((entry) => entry.index > index)
    this.disk = { ...this.disk, snapshot, anchor, entries }
  }

  /** Entries from `index` on cannot be read any more, and storage knows it. */
  damage(index: number): void {
    const last = this.disk.entries.at(-1)?.index ?? this.disk.anchor.index
    const entries = this.disk.entries.filter((entry) => entry.index < index)
    this.disk = { ...this.disk, entries, damagedTo: last }
  }

  /** Entries from `index` on are gone, and nobody knows it. */
  forget(index: number): void {
    const entries = this.disk.entries.filter((entry) => entry.index < index)
    const { hardState } = this.disk
    const commit = logIndex(Math.min(hardState.commit, entries.at(-1)?.index ?? 0))
    this.disk = { ...this.disk, entries, hardState: { ...hardState, commit } }
  }

  #write(job: AppendJob): void {
    const { disk } = this
    let { anchor, snapshot } = disk
    let entries = [...disk.entries]
    if (job.snapshot !== null) {
      snapshot = job.snapshot
      anchor = { index: snapshot.index, term: snapshot.term, chain: snapshot.chain }
      entries = []
    }
    if (job.truncateFrom !== null) {
      const from = job.truncateFrom
      entries = entries.filter((entry) => entry.index < from)
    }
    entries.push(...job.entries)
    for (const entry of job.entries) this.#written.set(entry.index, entry)
    const damagedTo = disk.damagedTo !== null && !this.core.isRecovering ? null : disk.damagedTo
    this.disk = { hardState: job.hardState, snapshot, anchor, entries, damagedTo }
  }

  #released(): readonly RaftMessage[] {
    const isReady = (held: { readonly after: AppendToken }): boolean => held.after <= this.#durable
    const ready = this.held.filter(isReady)
    this.held = this.held.filter((held) => !isReady(held))
    return ready.map((held) => held.message)
  }
}
