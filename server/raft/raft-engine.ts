/**
 * One run of a core with its disk, peers and state machine: the turns (Raft specification 1.5, 1.6, 5.5).
 *
 * One turn: completions, messages, ticks, then reads and proposals; then all work that came up is handed
 * out. Turns run after the input of one round of the event loop, so that what arrives together is one
 * batch and messages of a live leader are seen before ticks; proposals that arrive while a write runs form
 * the next one. Guarantees the duties of raft-core.ts. What throws in here is fatal: it goes to `onFatal`,
 * and after `cut` nothing is said, written or acknowledged. Bound: 4,096 undelivered messages, beyond which
 * new ones are dropped.
 */

import type { Logger } from '../../core/log.ts'
import type { Configuration } from '../../core/raft/configuration.ts'
import type { RaftMessage } from '../../core/raft/messages.ts'
import { RaftCore } from '../../core/raft/raft-core.ts'
import {
  type AppendJob,
  type AppendToken,
  type Batch,
  logIndex,
  type PersistedState,
  type RaftInput,
  type RaftOptions,
  type ServerId,
  type SnapshotMeta,
  type SnapshotOffer,
} from '../../core/raft/types.ts'
import type { Rng } from '../../core/rng.ts'
import { type Clock, type Instant, instant, type Timer } from '../../core/time.ts'
import type { RaftStorage } from '../../runtime/storage/raft-storage.ts'
import { AppendPipeline } from './append-pipeline.ts'
import { Applier } from './applier.ts'
import { Gathering } from './gathering.ts'
import { ImageReceiver } from './image-receiver.ts'
import { ImageSender } from './image-sender.ts'
import type { Leadership } from './leadership.ts'
import type { MemberChanges } from './member-changes.ts'
import type { Proposals } from './proposals.ts'
import type { RaftMetrics } from './raft-metrics.ts'
import type { Reads } from './reads.ts'
import { notLeader, refusalError } from './refusals.ts'
import { Restorer } from './restorer.ts'
import { type SnapshotLimits, Snapshotter } from './snapshotter.ts'
import { activeMatches } from './status.ts'
import { TickSource } from './tick-source.ts'
import type { RaftTransport } from './transport.ts'
import type { RaftStateMachine } from './types.ts'

const INBOX_MAX = 4_096
/** How long a commit index may wait for entries to go with: clients that were answered write again by then. */
const COMMIT_NEWS_KEPT_MS = 1
const COMMIT_HINT_INTERVAL_MS = 1_000

export interface EngineOptions {
  readonly raft: RaftOptions
  readonly tickMs: number
  readonly snapshots: () => SnapshotLimits
}

export interface EngineDeps {
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly storage: RaftStorage
  readonly transport: RaftTransport
  readonly stateMachine: RaftStateMachine
  readonly proposals: Proposals
  readonly reads: Reads
  readonly changes: MemberChanges
  readonly metrics: RaftMetrics
  readonly leadership: Leadership
  readonly onConfiguration: (configuration: Configuration) => void
  readonly onTurn: () => void
  readonly onFatal: (thrown: unknown) => void
}

export class RaftEngine {
  readonly core: RaftCore
  readonly images: ImageReceiver
  readonly #id: ServerId
  readonly #tickMs: number
  readonly #deps: EngineDeps
  readonly #pipeline: AppendPipeline
  readonly #applier: Applier
  readonly #restorer: Restorer
  readonly #snapshotter: Snapshotter
  readonly #sender: ImageSender
  readonly #ticks: TickSource
  readonly #writeGathering = new Gathering()
  readonly #readGathering = new Gathering()
  #completions: AppendToken[] = []
  #inputs: RaftInput[] = []
  #inbox: RaftMessage[] = []
  #nextTurn: NodeJS.Immediate | null = null
  #ticker: Timer | null = null
  #newsTimer: Timer | null = null
  #isNewsDue = false
  #write: Promise<void> = Promise.resolve()
  #isCut = false
  /** Lost entries are back; the disk is being told, and until it knows nothing leaves the core. */
  #isEndingRecovery = false
  #isRecovering: boolean
  #lastContact: Instant | null = null
  #configuration: Configuration | null = null
  #imageWanted: SnapshotOffer | null = null
  #seen: { readonly term: number; readonly leader: ServerId | null }
  #hintedCommit = 0
  #hintedAt = 0

  constructor(options: EngineOptions, deps: EngineDeps, persisted: PersistedState) {
    const { clock, log, storage, stateMachine, transport } = deps
    this.#id = options.raft.id
    this.#tickMs = options.tickMs
    this.#deps = deps
    this.core = new RaftCore(options.raft, persisted, deps.rng.fork('raft'))
    const { core } = this
    this.#seen = { term: core.term, leader: core.leader }
    this.#isRecovering = core.isRecovering
    const onFatal = (thrown: unknown): void => this.#fail(thrown)
    const input = (fed: RaftInput): void => this.input(fed)
    this.#pipeline = new AppendPipeline({
      write: (jobs) => this.#startWrite(jobs),
      send: (message) => transport.send(message),
    })
    this.#applier = new Applier({
      stateMachine,
      clock,
      onResult: (entry, result) => {
        if (entry.type === 'normal') deps.proposals.applied(entry.index, entry.term, result)
        else if (entry.type === 'config') deps.changes.applied(entry)
      },
    })
    const { snapshots } = storage
    this.#restorer = new Restorer({
      applier: this.#applier,
      snapshots,
      stateMachine,
      clock,
      log,
      metrics: deps.metrics,
      onRestored: (snapshot) => this.#onRestored(snapshot),
      onFatal,
    })
    this.#snapshotter = new Snapshotter(options.snapshots, {
      storage,
      core,
      stateMachine,
      clock,
      rng: deps.rng.fork('snapshots'),
      log,
      metrics: deps.metrics,
      activeMatches: () => activeMatches(core),
      onFatal,
    })
    this.#sender = new ImageSender({
      core,
      snapshots,
      snapshotter: this.#snapshotter,
      transport,
      clock,
      log,
      input,
    })
    this.images = new ImageReceiver({
      snapshots,
      log,
      receive: (message) => this.receive(message),
      input,
    })
    this.#ticks = new TickSource({
      tickMs: options.tickMs,
      catchUpMax: options.raft.heartbeatTicks,
      now: clock.now(),
    })
  }

  /** When a leader was last heard; null when there was none. */
  get lastContact(): Instant | null {
    return this.#lastContact
  }

  start(): void {
    this.#followConfiguration()
    this.schedule()
    this.#armTicker()
  }

  /** A turn will follow soon. */
  schedule(): void {
    if (this.#nextTurn !== null || this.#isCut) return
    this.#nextTurn = setImmediate(() => {
      this.#nextTurn = null
      this.#turn()
    })
  }

  /** @returns false when the message was dropped */
  receive(message: RaftMessage): boolean {
    if (this.#isCut || this.#inbox.length >= INBOX_MAX) return false
    this.#inbox.push(message)
    this.schedule()
    return true
  }

  /** A local event, in order and never dropped. */
  input(input: RaftInput): void {
    if (this.#isCut) return
    this.#inputs.push(input)
    this.schedule()
  }

  takeSnapshot(): Promise<SnapshotMeta> {
    return this.#snapshotter.take()
  }

  /** From now on nothing is said, written or fed. */
  cut(): void {
    this.#isCut = true
    if (this.#nextTurn !== null) clearImmediate(this.#nextTurn)
    this.#ticker?.cancel()
    this.#newsTimer?.cancel()
    this.#nextTurn = null
    this.#ticker = null
    this.#newsTimer = null
    this.#inbox = []
    this.#sender.stop()
    this.images.close()
  }

  /** After `cut`: resolves when nothing of this run touches storage or state machine any more. */
  async settled(): Promise<void> {
    await this.#sender.settled()
    await this.#restorer.settled()
    await this.#snapshotter.settled()
    await this.#write
  }

  #turn(): void {
    if (this.#isCut || this.#isEndingRecovery) return
    const { core } = this
    try {
      this.#feed()
      if (this.#isRecovering && !core.isRecovering) {
        this.#endRecovery()
        return
      }
      const news = { keepCommitNews: !this.#isNewsDue }
      for (let batch = core.pull(news); batch !== null; batch = core.pull(news)) {
        this.#perform(batch)
        this.#apply()
      }
      this.#keepNews()
      this.#apply()
      this.#follow()
      if (core.failure !== null) throw new Error(core.failure)
      this.images.judged(this.#imageWanted)
      this.#imageWanted = null
      this.#snapshotter.takeIfDue()
    } catch (thrown) {
      this.#fail(thrown)
      return
    }
    // Answers of this turn may have been what others waited for.
    const { arrivedCount, unconfirmedCount } = this.#deps.reads
    if (arrivedCount > 0 && arrivedCount >= unconfirmedCount) this.schedule()
    this.#deps.onTurn()
  }

  /** Inputs in the order that the core demands: completions, messages, ticks, proposals. */
  #feed(): void {
    const { core } = this
    const now = this.#deps.clock.now()
    const completions = this.#completions
    const inputs = this.#inputs
    const inbox = this.#inbox
    this.#completions = []
    this.#inputs = []
    this.#inbox = []
    for (const token of completions) core.handle({ kind: 'appended', token })
    for (const input of inputs) core.handle(input)
    for (const message of inbox) {
      core.handle({ kind: 'receive', message })
      if (core.leader === message.from) this.#lastContact = now
      this.#deps.metrics.heard(message.from, now)
    }
    this.#feedTicks(now)
    this.#follow()
    this.#gatherReads()
    if (core.role === 'leader' && this.#pipeline.isIdle) this.#gatherWrites()
  }

  /** A round of heartbeats costs the same for one read as for a thousand, as a write of the log does. */
  #gatherReads(): void {
    const { reads } = this.#deps
    const verdict = this.#readGathering.judge(reads.arrivedCount, reads.unconfirmedCount)
    if (verdict === 'another-round') this.schedule()
    for (const { context, mode } of reads.takeNew({ withRound: verdict === 'submit' })) {
      const outcome = this.core.handle({ kind: 'read-index', context, mode })
      if (outcome.kind !== 'rejected') continue
      reads.failOne(context, refusalError('Failed to read', outcome, this.#self))
    }
  }

  #gatherWrites(): void {
    const { proposals } = this.#deps
    const uncommitted = proposals.uncommittedCount(this.core.commit)
    const verdict = this.#writeGathering.judge(proposals.waitingCount, uncommitted)
    if (verdict === 'submit') this.#submitProposals()
    const isUnfinished = verdict === 'submit' && proposals.waitingCount > 0
    if (verdict === 'another-round' || isUnfinished) this.schedule()
  }

  /** What is committed is told with the next entries, and without any after a moment (5.1). */
  #keepNews(): void {
    this.#isNewsDue = false
    if (!this.core.hasCommitNews || this.#newsTimer !== null) return
    const { clock } = this.#deps
    this.#newsTimer = clock.timer(instant(clock.now() + COMMIT_NEWS_KEPT_MS), () => {
      this.#newsTimer = null
      this.#isNewsDue = true
      this.schedule()
    })
  }

  #feedTicks(now: Instant): void {
    const { core } = this
    if (!core.needsTicks) {
      this.#ticks.skipTo(now)
      return
    }
    const droppedBefore = this.#ticks.dropped
    const due = this.#ticks.due(now)
    const dropped = this.#ticks.dropped - droppedBefore
    if (dropped > 0) {
      this.#deps.metrics.stall.increment()
      core.handle({ kind: 'stalled' })
      this.#deps.log.warn('the process stalled', { durationMs: (due + dropped) * this.#tickMs })
    }
    for (let i = 0; i < due; i++) core.handle({ kind: 'tick' })
    if (due > 0) this.#deps.reads.elapsed(due, () => notLeader({ id: this.#id, leader: null }))
  }

  #submitProposals(): void {
    const { proposals, metrics, clock } = this.#deps
    const taken = proposals.take()
    if (taken.length === 0) return
    const outcome = this.core.handle({ kind: 'propose', proposals: taken })
    if (outcome.kind === 'appended') {
      proposals.appended(outcome.term, outcome.firstIndex)
      metrics.appended(outcome.firstIndex, taken.length, clock.now())
    }
    if (outcome.kind !== 'rejected') return
    proposals.refused(refusalError('Nothing was written', outcome, this.#self))
  }

  #perform(batch: Batch): void {
    const { reads, metrics, clock } = this.#deps
    if (batch.job !== null && batch.job.snapshot !== null) this.#snapshotter.supersede()
    this.#pipeline.push(batch)
    if (batch.restore !== null) {
      this.#deps.proposals.skippedTo(batch.restore.index)
      this.#restorer.begin(batch.restore)
    }
    this.#applier.add(batch.committed)
    const lastCommitted = batch.committed.at(-1)
    if (lastCommitted !== undefined) metrics.committed(lastCommitted.index, clock.now())
    reads.confirmed(batch.reads, this.core.applied)
    for (const context of batch.readsFailed) reads.failOne(context, notLeader(this.#self))
    for (const peer of batch.snapshotsWanted) this.#sender.send(peer)
    if (batch.snapshotOffered !== null) this.#imageWanted = batch.snapshotOffered
  }

  #apply(): void {
    if (!this.#applier.hasWork) return
    const { clock, metrics } = this.#deps
    const begun = clock.now()
    const slice = this.#applier.applySlice()
    if (slice === null) return
    metrics.applied(slice, clock.now() - begun)
    this.core.handle({ kind: 'applied', index: logIndex(slice.lastIndex) })
    this.#snapshotter.applied(slice.entries, slice.bytes)
    this.#deps.reads.applied(this.core.applied)
    this.#follow()
    if (this.#applier.hasWork) this.schedule()
  }

  #onRestored(snapshot: SnapshotMeta): void {
    if (this.#isCut) return
    this.core.handle({ kind: 'applied', index: snapshot.index })
    this.#deps.reads.applied(this.core.applied)
    this.schedule()
  }

  #startWrite(jobs: readonly AppendJob[]): void {
    const { log } = this.#deps.storage
    const { clock, metrics } = this.#deps
    const begun = clock.now()
    const commit = jobs.at(-1)?.hardState.commit ?? 0
    const replacesLog = jobs.some((job) => job.snapshot !== null)
    const written = replacesLog
      ? this.#snapshotter.logSettled().then(() => log.append(jobs))
      : log.append(jobs)
    this.#write = written.then(
      () => {
        if (this.#isCut) return
        metrics.written(clock.now() - begun)
        this.#hintedCommit = Math.max(this.#hintedCommit, commit)
        for (const token of this.#pipeline.finished()) this.#completions.push(token)
        this.schedule()
      },
      (thrown: unknown) => this.#fail(thrown),
    )
  }

  /** The first vote or acknowledgement follows only when a crash cannot bring the doubt back. */
  #endRecovery(): void {
    this.#isRecovering = false
    this.#isEndingRecovery = true
    const { log } = this.#deps
    this.#deps.storage.log.recovered().then(
      () => {
        log.info('what was damaged is back; this server takes part again', {
          index: this.core.last.index,
        })
        this.#isEndingRecovery = false
        this.schedule()
      },
      (thrown: unknown) => this.#fail(thrown),
    )
  }

  /** Tells proposers, readers and listeners what has become of office, leader and configuration. */
  #follow(): void {
    const { core } = this
    const { leadership, proposals, changes, reads } = this.#deps
    if (leadership.follow(core)) {
      proposals.leadershipLost(core.commit, notLeader(this.#self))
      changes.leadershipLost(core.commit)
      this.#sender.stop()
    }
    changes.follow(core.role === 'leader', core.transferTarget !== null)
    this.#deps.metrics.follow(core, this.#deps.clock.now())
    if (core.term !== this.#seen.term || core.leader !== this.#seen.leader) {
      this.#seen = { term: core.term, leader: core.leader }
      reads.voidAttempts(notLeader(this.#self))
    }
    if (core.configuration !== this.#configuration) this.#followConfiguration()
  }

  #followConfiguration(): void {
    this.#configuration = this.core.configuration
    this.#deps.onConfiguration(this.#configuration)
  }

  #armTicker(): void {
    if (this.#isCut) return
    const { clock } = this.#deps
    // A server without peers has no use for ticks; it looks now and then whether it has got any.
    const intervalMs = this.core.needsTicks ? this.#tickMs : COMMIT_HINT_INTERVAL_MS
    this.#ticker = clock.timer(instant(clock.now() + intervalMs), () => {
      this.#writeCommitHint()
      this.schedule()
      this.#armTicker()
    })
  }

  #writeCommitHint(): void {
    const now = this.#deps.clock.now()
    if (now - this.#hintedAt < COMMIT_HINT_INTERVAL_MS) return
    const commit = this.core.commitHint
    if (commit <= this.#hintedCommit || !this.#pipeline.isIdle) return
    this.#hintedAt = now
    this.#hintedCommit = commit
    const { log } = this.#deps.storage
    log.saveCommitHint(commit).catch((thrown: unknown) => this.#fail(thrown))
  }

  /** Fail-stop: the core is silenced before anybody is told (specification 15.1). */
  #fail(thrown: unknown): void {
    if (this.#isCut) return
    const reason = thrown instanceof Error ? thrown.message : String(thrown)
    this.core.handle({ kind: 'storage-failed', reason })
    this.cut()
    this.#deps.onFatal(thrown)
  }

  get #self(): { readonly id: string; readonly leader: string | null } {
    return { id: this.#id, leader: this.core.leader }
  }
}
