/**
 * The Raft host: one server's core with its disk, clock, peers and state machine.
 *
 *   new RaftNode({ id, address, bootstrap? }, { clock, rng, log, openStorage, transport, stateMachine, onFatal })
 *
 * With `openStorage: diskRaftStorage(dataDir)` all state survives kill -9; with `memoryRaftStorage()` (for
 * `-dev`) nothing does. A sole voter elects itself inside `start`, which then resolves once it leads.
 *
 * Guarantees: an answered write is durable on a quorum and applied here; the first storage error ends all
 * service (`onFatal`, then nothing more is acknowledged). No policy lives here: rules are in core/raft/.
 * One turn: completions, messages, ticks, then proposals; proposals that arrive while a write runs form the
 * next one. Bounds: proposals.ts, reads.ts, and 4,096 undelivered messages, beyond which new ones are dropped.
 * Source: Raft specification 1.5, 1.6, 5.5, 16.
 */

import { FairleadError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import { isSoleVoter } from '../../core/raft/configuration.ts'
import type { RaftMessage } from '../../core/raft/messages.ts'
import { RaftCore } from '../../core/raft/raft-core.ts'
import {
  type AppendJob,
  type AppendToken,
  type Batch,
  type RaftInput,
  serverId,
} from '../../core/raft/types.ts'
import type { Rng } from '../../core/rng.ts'
import { type Clock, type Instant, instant, type Timer } from '../../core/time.ts'
import type { RaftStorage, RaftStorageOpener } from '../../runtime/storage/raft-storage.ts'
import { AppendPipeline } from './append-pipeline.ts'
import { Applier } from './applier.ts'
import { Leadership } from './leadership.ts'
import { Proposals } from './proposals.ts'
import { Reads } from './reads.ts'
import { type BootstrapOptions, recover } from './recovery.ts'
import { SNAPSHOT_LIMITS, type SnapshotLimits, Snapshotter } from './snapshotter.ts'
import { STATUS_BEFORE_START, statusOf } from './status.ts'
import { TickSource } from './tick-source.ts'
import type { RaftTransport } from './transport.ts'
import type { Applied, RaftNodeApi, RaftStateMachine, RaftStatus } from './types.ts'

const INBOX_MAX = 4_096
const COMMIT_HINT_INTERVAL_MS = 1_000
const ELECTION_TICKS = 100
const HEARTBEAT_TICKS = 10

export interface RaftNodeOptions {
  /** Stable id of this server, kept in its data directory; never reused for another one. */
  readonly id: string
  /** `host:port` at which peers reach it; reported by `status`. */
  readonly address: string
  /** First configuration of a new cluster; ignored once the data directory belongs to one. */
  readonly bootstrap?: BootstrapOptions
  /** One tick in ms; E is 100 ticks, a heartbeat 10. Default 50 (E = 5 s); 10 finds a dead leader faster. */
  readonly tickMs?: number
  readonly snapshots?: Partial<SnapshotLimits>
}

export interface RaftNodeDeps {
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly openStorage: RaftStorageOpener
  readonly transport: RaftTransport
  readonly stateMachine: RaftStateMachine
  /** The server can serve no more and must exit; called at most once. */
  readonly onFatal: (error: FairleadError) => void
}

interface Running {
  readonly core: RaftCore
  readonly storage: RaftStorage
  readonly pipeline: AppendPipeline
  readonly applier: Applier
  readonly snapshotter: Snapshotter
  readonly ticks: TickSource
}

export class RaftNode implements RaftNodeApi {
  readonly #options: RaftNodeOptions
  readonly #deps: RaftNodeDeps
  readonly #tickMs: number
  readonly #proposals = new Proposals()
  readonly #reads: Reads
  readonly #leadership: Leadership
  readonly #idleWaiters = new Set<() => void>()
  #started: Promise<void> | null = null
  #stopped: Promise<void> | null = null
  #isDraining = false
  #running: Running | null = null
  #failure: FairleadError | null = null
  #inbox: RaftMessage[] = []
  #completions: AppendToken[] = []
  #isTurnScheduled = false
  #write: Promise<void> = Promise.resolve()
  #ticker: Timer | null = null
  #applyTimer: Timer | null = null
  #leaveTransport: (() => void) | null = null
  #lastContact: Instant | null = null
  #hintedCommit = 0
  #hintedAt = 0

  constructor(options: RaftNodeOptions, deps: RaftNodeDeps) {
    this.#options = options
    this.#deps = deps
    this.#tickMs = options.tickMs ?? 50
    this.#leadership = new Leadership(deps.log)
    this.#reads = new Reads(`${options.id}/${deps.rng.u32().toString(16)}`)
  }

  /** @throws FairleadError STORAGE_FAILED | STORAGE_CORRUPT | INVALID_CONFIG, or the signal's reason */
  start(signal: AbortSignal): Promise<void> {
    this.#started ??= this.#start(signal)
    return this.#started
  }

  propose(data: Uint8Array): Promise<Applied> {
    const refusal = this.#refusal()
    if (refusal !== null) return Promise.reject(refusal)
    if (this.#running?.core.role !== 'leader') return Promise.reject(this.#notLeader())
    const applied = this.#proposals.add(data)
    this.#schedule()
    return applied
  }

  readIndex(): Promise<number> {
    const refusal = this.#refusal()
    if (refusal !== null) return Promise.reject(refusal)
    const index = this.#reads.add()
    this.#schedule()
    return index
  }

  status(): RaftStatus {
    const core = this.#running?.core
    if (core === undefined) return STATUS_BEFORE_START
    const sinceContact =
      this.#lastContact === null
        ? Number.POSITIVE_INFINITY
        : this.#deps.clock.now() - this.#lastContact
    return statusOf(core, sinceContact)
  }

  onLeadership(listener: (isLeader: boolean) => void): () => void {
    return this.#leadership.onChange(listener)
  }

  async drain(deadline: Instant): Promise<void> {
    this.#isDraining = true
    if (this.#running === null || this.#isIdle()) return
    await new Promise<void>((resolve) => {
      const done = (): void => {
        timer.cancel()
        this.#idleWaiters.delete(done)
        resolve()
      }
      const timer = this.#deps.clock.timer(deadline, done)
      this.#idleWaiters.add(done)
    })
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const { openStorage, stateMachine, log } = this.#deps
    const storage = await openStorage()
    try {
      const { id, bootstrap } = this.#options
      const recovered = await recover({ id, bootstrap }, { storage, stateMachine, log })
      signal.throwIfAborted()
      this.#running = this.#assemble(storage, recovered)
    } catch (err) {
      await storage.snapshots.close()
      await storage.log.close()
      throw err
    }
    this.#leaveTransport = this.#deps.transport.onMessage((message) => this.#receive(message))
    const { core } = this.#running
    log.info('raft started', { term: core.term, index: core.last.index })
    this.#schedule()
    this.#armTicker()
    if (!isSoleVoter(core.configuration, serverId(this.#options.id))) return
    try {
      await this.#leading(signal)
    } catch (err) {
      await this.#tearDown(this.#failure ?? shuttingDown())
      throw err
    }
  }

  #assemble(storage: RaftStorage, recovered: Awaited<ReturnType<typeof recover>>): Running {
    const { clock, rng, log, stateMachine, transport } = this.#deps
    const core = new RaftCore(
      {
        id: serverId(this.#options.id),
        electionTicks: ELECTION_TICKS,
        heartbeatTicks: HEARTBEAT_TICKS,
        startGrace: !recovered.isNew,
      },
      recovered.persisted,
      rng.fork('raft'),
    )
    return {
      core,
      storage,
      pipeline: new AppendPipeline({
        write: (jobs) => this.#startWrite(storage, jobs),
        send: (message) => transport.send(message),
      }),
      applier: new Applier({
        stateMachine,
        clock,
        onResult: (entry, result) => this.#proposals.applied(entry.index, entry.term, result),
      }),
      snapshotter: new Snapshotter(
        { ...SNAPSHOT_LIMITS, ...this.#options.snapshots },
        { storage, core, stateMachine, clock, log },
      ),
      ticks: new TickSource({
        tickMs: this.#tickMs,
        catchUpMax: HEARTBEAT_TICKS,
        now: clock.now(),
      }),
    }
  }

  /** Resolves at the first announced leadership, rejects when the server fails or is stopped before. */
  #leading(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (outcome: () => void): void => {
        unsubscribe()
        this.#idleWaiters.delete(onEnd)
        signal.removeEventListener('abort', onEnd)
        outcome()
      }
      const onEnd = (): void => {
        const reason: unknown = this.#refusal() ?? (signal.aborted ? signal.reason : null)
        if (reason !== null) settle(() => reject(reason))
      }
      const unsubscribe = this.#leadership.onChange((isLeader) => {
        if (isLeader) settle(resolve)
      })
      this.#idleWaiters.add(onEnd)
      signal.addEventListener('abort', onEnd)
    })
  }

  #receive(message: RaftMessage): void {
    if (this.#refusal() !== null && !this.#isDraining) return
    if (this.#inbox.length >= INBOX_MAX) return
    this.#inbox.push(message)
    this.#schedule()
  }

  #schedule(): void {
    if (this.#isTurnScheduled || this.#running === null || this.#isOver) return
    this.#isTurnScheduled = true
    queueMicrotask(() => {
      this.#isTurnScheduled = false
      this.#turn()
    })
  }

  #turn(): void {
    const running = this.#running
    if (running === null || this.#isOver) return
    try {
      this.#feed(running)
      for (let batch = running.core.pull(); batch !== null; batch = running.core.pull()) {
        this.#perform(running, batch)
        this.#apply(running)
      }
      this.#apply(running)
      this.#followLeadership(running.core)
      if (running.core.failure !== null) throw new Error(running.core.failure)
      running.snapshotter.takeIfDue((thrown) => this.#fail(thrown))
    } catch (thrown) {
      this.#fail(thrown)
      return
    }
    if (running.pipeline.isIdle && this.#proposals.hasWaiting) this.#schedule()
    if (this.#isIdle()) for (const waiter of [...this.#idleWaiters]) waiter()
  }

  /** Inputs in the order that the core demands: completions, messages, ticks, proposals. */
  #feed(running: Running): void {
    const { core, ticks, pipeline } = running
    for (const token of this.#completions.splice(0)) core.handle({ kind: 'appended', token })
    for (const message of this.#inbox.splice(0)) {
      core.handle({ kind: 'receive', message })
      if (core.leader === message.from) this.#lastContact = this.#deps.clock.now()
    }
    const now = this.#deps.clock.now()
    if (core.needsTicks) {
      for (let due = ticks.due(now); due > 0; due--) core.handle({ kind: 'tick' })
    } else {
      ticks.skipTo(now)
    }
    this.#followLeadership(core)
    for (const context of this.#reads.takeNew()) this.#submitRead(core, context)
    if (pipeline.isIdle && core.role === 'leader') this.#submitProposals(core)
  }

  #submitRead(core: RaftCore, context: string): void {
    const outcome = core.handle({ kind: 'read-index', context })
    if (outcome.kind !== 'rejected') return
    const error =
      outcome.reason === 'busy'
        ? new FairleadError('BUSY', 'Too many consistent reads are waiting')
        : this.#notLeader()
    this.#reads.failOne(context, error)
  }

  #submitProposals(core: RaftCore): void {
    const proposals = this.#proposals.take()
    if (proposals.length === 0) return
    const outcome = core.handle({ kind: 'propose', proposals } satisfies RaftInput)
    switch (outcome.kind) {
      case 'appended':
        this.#proposals.appended(outcome.term, outcome.firstIndex)
        return
      case 'rejected':
        this.#proposals.refused(
          outcome.reason === 'busy'
            ? new FairleadError('BUSY', 'The Raft log is not keeping up; nothing was written')
            : this.#notLeader(),
        )
        return
      case 'done':
        return
    }
  }

  #perform(running: Running, batch: Batch): void {
    running.pipeline.push(batch)
    running.applier.add(batch.committed)
    this.#reads.confirmed(batch.reads, running.core.applied)
    for (const context of batch.readsFailed) this.#reads.failOne(context, this.#notLeader())
    for (const peer of batch.snapshotsWanted) {
      this.#deps.log.warn('peer needs a snapshot, which cannot be streamed yet', { peer })
      running.core.handle({ kind: 'snapshot-report', peer, ok: false })
    }
  }

  #apply(running: Running): void {
    const { core, applier, snapshotter } = running
    const slice = applier.applySlice()
    if (slice === null) return
    core.handle({ kind: 'applied', index: core.entry(slice.lastIndex)?.index ?? core.applied })
    snapshotter.applied(slice.entries, slice.bytes)
    this.#reads.applied(core.applied)
    this.#followLeadership(core)
    if (!applier.hasWork || this.#applyTimer !== null) return
    this.#applyTimer = this.#deps.clock.timer(this.#deps.clock.now(), () => {
      this.#applyTimer = null
      this.#schedule()
    })
  }

  #startWrite(storage: RaftStorage, jobs: readonly AppendJob[]): void {
    const commit = jobs.at(-1)?.hardState.commit ?? 0
    this.#write = storage.log.append(jobs).then(
      () => {
        if (this.#isOver || this.#running === null) return
        this.#hintedCommit = Math.max(this.#hintedCommit, commit)
        this.#completions.push(...this.#running.pipeline.finished())
        this.#schedule()
      },
      (thrown: unknown) => this.#fail(thrown),
    )
  }

  /** Tells proposers and listeners when this server gains or loses office. */
  #followLeadership(core: RaftCore): void {
    if (this.#leadership.follow(core)) this.#proposals.fail(this.#notLeader())
  }

  #armTicker(): void {
    if (this.#isOver || this.#running === null) return
    const { clock } = this.#deps
    // A server without peers has no use for ticks; it looks now and then whether it has got any.
    const intervalMs = this.#running.core.needsTicks ? this.#tickMs : COMMIT_HINT_INTERVAL_MS
    this.#ticker = clock.timer(instant(clock.now() + intervalMs), () => {
      this.#writeCommitHint()
      this.#turn()
      this.#armTicker()
    })
  }

  #writeCommitHint(): void {
    const running = this.#running
    const now = this.#deps.clock.now()
    if (running === null || now - this.#hintedAt < COMMIT_HINT_INTERVAL_MS) return
    const commit = running.core.commitHint
    if (commit <= this.#hintedCommit || !running.pipeline.isIdle) return
    this.#hintedAt = now
    this.#hintedCommit = commit
    running.storage.log.saveCommitHint(commit).catch((thrown: unknown) => this.#fail(thrown))
  }

  /** Fail-stop: nothing is acknowledged or said from here on (specification 15.1). */
  #fail(thrown: unknown): void {
    if (this.#isOver) return
    const text = thrown instanceof Error ? thrown.message : String(thrown)
    const error =
      thrown instanceof FairleadError
        ? thrown
        : new FairleadError('STORAGE_FAILED', `Raft stopped: ${text}`, { cause: thrown })
    this.#failure = error
    this.#deps.log.error('raft stopped after a fatal error', { err: error })
    this.#running?.core.handle({ kind: 'storage-failed', reason: text })
    this.#cut(error)
    this.#leadership.end()
    this.#deps.onFatal(error)
  }

  async #stop(): Promise<void> {
    this.#isDraining = true
    for (const waiter of [...this.#idleWaiters]) waiter()
    await this.#started?.catch(() => undefined)
    await this.#tearDown(shuttingDown())
  }

  async #tearDown(error: FairleadError): Promise<void> {
    this.#failure ??= error
    this.#cut(error)
    this.#leadership.end()
    const running = this.#running
    this.#running = null
    if (running === null) return
    await running.snapshotter.settled()
    await this.#write
    await running.storage.snapshots.close()
    await running.storage.log.close()
  }

  #cut(error: FairleadError): void {
    this.#ticker?.cancel()
    this.#applyTimer?.cancel()
    this.#leaveTransport?.()
    this.#ticker = null
    this.#applyTimer = null
    this.#leaveTransport = null
    this.#inbox = []
    this.#proposals.fail(error)
    this.#reads.failAll(error)
    for (const waiter of [...this.#idleWaiters]) waiter()
  }

  get #isOver(): boolean {
    return this.#failure !== null
  }

  #isIdle(): boolean {
    return this.#proposals.isEmpty && this.#reads.isEmpty
  }

  #refusal(): FairleadError | null {
    if (this.#failure !== null) return this.#failure
    if (this.#isDraining) return shuttingDown()
    if (this.#running === null) return new FairleadError('NO_LEADER', 'Raft has not started')
    return null
  }

  #notLeader(): FairleadError {
    const leader = this.#running?.core.leader ?? null
    if (leader === null || leader === this.#options.id) {
      return new FairleadError('NO_LEADER', 'No cluster leader')
    }
    return new FairleadError('BUSY', `This server is not the leader, "${leader}" is`, {
      facts: { leader },
    })
  }
}

function shuttingDown(): FairleadError {
  return new FairleadError('SHUTTING_DOWN', 'This server is shutting down')
}
