/**
 * One simulated server: the real core and the real append pipeline on a model disk and a model network.
 *
 * Dies at any effect when told to, and comes back from its disk alone.
 */

import assert from 'node:assert/strict'
import { CHAIN_START } from '../../../core/raft/chain.ts'
import type { RaftMessage } from '../../../core/raft/messages.ts'
import { RaftCore } from '../../../core/raft/raft-core.ts'
import type {
  Batch,
  Entry,
  InputOutcome,
  RaftInput,
  RaftOptions,
  ReadState,
} from '../../../core/raft/types.ts'
import { logIndex, term } from '../../../core/raft/types.ts'
import type { Rng } from '../../../core/rng.ts'
import { AppendPipeline } from '../../../server/raft/append-pipeline.ts'
import type { EventQueue } from './event-queue.ts'
import { ModelDisk } from './model-disk.ts'
import type { Oracle } from './oracle.ts'

export interface SimServerOptions {
  readonly raft: Omit<RaftOptions, 'startGrace' | 'boot'>
  /** Mean virtual microseconds of a write. */
  readonly writeMean: number
}

export interface SimServerDeps {
  readonly events: EventQueue
  readonly rng: Rng
  readonly oracle: Oracle
  readonly send: (message: RaftMessage) => void
  readonly onApplied: (server: SimServer, entry: Entry) => void
  readonly onReads: (server: SimServer, reads: readonly ReadState[]) => void
  readonly trace: (text: string) => void
}

interface Life {
  readonly core: RaftCore
  readonly pipeline: AppendPipeline
}

export class SimServer {
  readonly id: string
  readonly disk = new ModelDisk()
  readonly #options: SimServerOptions
  readonly #deps: SimServerDeps
  #life: Life | null = null
  #boots = 0
  #effectsLeft = Number.POSITIVE_INFINITY
  /** Index of the last entry that the state machine holds. */
  applied = 0

  constructor(options: SimServerOptions, deps: SimServerDeps) {
    this.id = options.raft.id
    this.#options = options
    this.#deps = deps
  }

  get core(): RaftCore | null {
    return this.#life?.core ?? null
  }

  get isUp(): boolean {
    return this.#life !== null
  }

  /** Number of the present life; answers to an earlier one are void. */
  get boots(): number {
    return this.#boots
  }

  start(): void {
    assert.equal(this.#life, null)
    const { disk } = this
    const first = disk.firstIndex
    const anchorEntry = disk.entry(first - 1)
    const entries = disk.entries()
    this.#boots++
    this.applied = disk.snapshot?.index ?? 0
    const core = new RaftCore(
      { ...this.#options.raft, startGrace: this.#boots > 1, boot: `${this.id}/${this.#boots}` },
      {
        hardState: disk.hardState,
        snapshot: disk.snapshot,
        anchor: anchorEntry ?? { index: logIndex(0), term: term(0), chain: CHAIN_START },
        entries,
        damagedTo: null,
      },
      this.#deps.rng.fork(`boot ${this.#boots}`),
    )
    const boot = this.#boots
    const pipeline = new AppendPipeline({
      write: (jobs) => {
        if (!this.#spendEffect(boot)) return
        for (const job of jobs) this.#deps.oracle.job(this.id, job)
        disk.begin(jobs)
        const delay = this.#options.writeMean * 2 * this.#deps.rng.float()
        this.#deps.events.after(delay, () => this.#onWritten(boot))
      },
      send: (message) => {
        if (!this.#spendEffect(boot)) return
        this.#deps.oracle.released(message, disk)
        this.#deps.send(message)
      },
    })
    this.#life = { core, pipeline }
    this.#turn()
  }

  handle(input: RaftInput): InputOutcome {
    const outcome = this.#life?.core.handle(input)
    if (outcome === undefined) return { kind: 'rejected', reason: 'failed' }
    this.#turn()
    return outcome
  }

  /** Power cut at the `effects`-th effect from now; 0 is at once. */
  crashAfter(effects: number): void {
    if (effects === 0) this.#die()
    else this.#effectsLeft = effects
  }

  /** Drops entries that every server holds, behind a snapshot of what is applied here. */
  compact(floor: number): void {
    const core = this.core
    if (core === null || core.applied < 1) return
    const snapshot = core.snapshotMetaAt(core.applied)
    const anchor = Math.min(floor, snapshot.index)
    if (anchor < core.firstIndex) return
    core.handle({ kind: 'compacted', index: logIndex(anchor), snapshot })
    this.disk.compact(anchor, snapshot)
  }

  #turn(): void {
    const life = this.#life
    if (life === null) return
    for (let batch = life.core.pull(); batch !== null; batch = life.core.pull()) {
      this.#perform(life, batch)
      if (this.#life !== life) return
    }
    this.#deps.oracle.step({ id: this.id, core: life.core, disk: this.disk })
  }

  #perform(life: Life, batch: Batch): void {
    this.#deps.oracle.step({ id: this.id, core: life.core, disk: this.disk })
    life.pipeline.push(batch)
    if (this.#life !== life) return
    this.#deps.onReads(this, batch.reads)
    for (const entry of batch.committed) {
      assert.equal(
        entry.index,
        this.applied + 1,
        `I22: ${this.id} applies each index once, in order`,
      )
      assert.ok(entry.index <= this.disk.lastIndex, 'only durable entries are applied')
      this.#deps.oracle.applied(this.id, entry)
      this.applied = entry.index
      this.#deps.onApplied(this, entry)
    }
    const last = batch.committed.at(-1)
    if (last !== undefined) life.core.handle({ kind: 'applied', index: last.index })
  }

  #onWritten(boot: number): void {
    const life = this.#life
    if (life === null || boot !== this.#boots) return
    this.disk.complete()
    this.#deps.trace(`${this.id} wrote ${this.disk.lastIndex}`)
    if (!this.#spendEffect(boot)) return
    const tokens = life.pipeline.finished()
    if (this.#life !== life) return
    for (const token of tokens) life.core.handle({ kind: 'appended', token })
    this.#turn()
  }

  /** @returns false when the server is dead, possibly by this very effect */
  #spendEffect(boot: number): boolean {
    if (this.#life === null || boot !== this.#boots) return false
    this.#effectsLeft--
    if (this.#effectsLeft > 0) return true
    this.#die()
    return false
  }

  #die(): void {
    if (this.#life === null) return
    this.#life = null
    this.#effectsLeft = Number.POSITIVE_INFINITY
    this.disk.crash(this.#deps.rng.float() < 0.5)
    this.#deps.trace(`${this.id} died`)
  }
}
