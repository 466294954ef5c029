/**
 * The Raft host of a server: its identity, its life, and what others ask of it (RaftNodeApi).
 *
 *   new RaftNode({ id, address, bootstrap? }, { clock, rng, log, openStorage, transport, stateMachine, onFatal })
 *
 * With `openStorage: diskRaftStorage(dataDir)` all state survives kill -9; with `memoryRaftStorage()` (for
 * `-dev`) nothing does. A sole voter elects itself inside `start`, which then resolves once it leads.
 *
 * Guarantees: an answered write is durable on a quorum and applied here; the first storage error ends all
 * service (`onFatal`, then nothing more is acknowledged). The turns are in raft-engine.ts, rules in core/raft/.
 * Bounds: proposals.ts, reads.ts, raft-engine.ts. Source: Raft specification 1.5, 8, 10, 11, 13, 16.
 */

import { FairleadError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import type { Metrics } from '../../core/metrics/metrics.ts'
import {
  type Configuration,
  type ConfigurationChange,
  isSoleVoter,
  memberIds,
} from '../../core/raft/configuration.ts'
import {
  type PersistedState,
  type ReadMode,
  type ServerId,
  type SnapshotMeta,
  serverId,
} from '../../core/raft/types.ts'
import type { Rng } from '../../core/rng.ts'
import type { ClusterName, PeerStats } from '../../core/rpc/peer-calls.ts'
import type { Clock, Instant } from '../../core/time.ts'
import { newUuid } from '../../runtime/random/system-random.ts'
import type { RaftStorage, RaftStorageOpener } from '../../runtime/storage/raft-storage.ts'
import type { RecoveryFiles } from '../../runtime/storage/recovery-files.ts'
import { ClusterIdentity } from './cluster-identity.ts'
import { firstState } from './first-state.ts'
import { Leadership } from './leadership.ts'
import { LowSpace, type SpaceNews } from './low-space.ts'
import { MemberChanges } from './member-changes.ts'
import { type OpenedRaft, openRaft } from './open-raft.ts'
import { type KnownAddresses, PeerAddresses } from './peer-addresses.ts'
import { Proposals } from './proposals.ts'
import { RaftEngine } from './raft-engine.ts'
import { RaftMetrics, showRaftStatus } from './raft-metrics.ts'
import { Reads } from './reads.ts'
import { notLeader, type Refusal, refusalError, shuttingDown } from './refusals.ts'
import { RotWatch } from './rot-watch.ts'
import { SNAPSHOT_LIMITS, type SnapshotLimits } from './snapshotter.ts'
import { STATUS_BEFORE_START, statusOf } from './status.ts'
import type { RaftTransport } from './transport.ts'
import type {
  Applied,
  BootstrapOptions,
  RaftNodeApi,
  RaftStateMachine,
  RaftStatus,
} from './types.ts'

const ELECTION_TICKS = 100
const HEARTBEAT_TICKS = 10
/** After so many ticks without an answer a read is asked for again. */
const READ_ATTEMPT_TICKS = ELECTION_TICKS / 2

export interface RaftNodeOptions {
  /** Stable id of this server, kept in its data directory; never reused for another one. */
  readonly id: string
  /** `host:port` at which peers reach it. */
  readonly address: string
  /** First configuration of a new cluster; ignored once the data directory belongs to one. */
  readonly bootstrap?: BootstrapOptions
  /** One tick in ms; E is 100 ticks, a heartbeat 10. Default 50 (E = 5 s); 10 finds a dead leader faster. */
  readonly tickMs?: number
  /** Read anew each time, so that they may change. */
  readonly snapshots?: Partial<SnapshotLimits>
  /** Names this run of the server and is never used again; default a new UUID. */
  readonly boot?: string
  /** Where the operator may have left a peers.json (13.2); looked at once, at the start. */
  readonly recoveryFiles?: RecoveryFiles
}

export interface RaftNodeDeps {
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly metrics: Metrics
  readonly openStorage: RaftStorageOpener
  readonly transport: RaftTransport
  readonly stateMachine: RaftStateMachine
  /** Where gossip has seen servers lately; wins over the addresses in the configuration (10.8). */
  readonly addresses?: KnownAddresses
  /** Tells when the disk is nearly full (15.2). */
  readonly space?: SpaceNews
  /** Asks a server for its position; needed when peers.json lists several survivors. */
  readonly stats?: (address: string, signal: AbortSignal) => Promise<PeerStats>
  /** The server can serve no more and must exit; called at most once. */
  readonly onFatal: (error: FairleadError) => void
}

export class RaftNode implements RaftNodeApi {
  readonly #options: RaftNodeOptions
  readonly #deps: RaftNodeDeps
  readonly #id: ServerId
  readonly #boot: string
  readonly #tickMs: number
  readonly #proposals = new Proposals()
  readonly #changes = new MemberChanges()
  readonly #reads: Reads
  readonly #leadership: Leadership
  readonly #peers: PeerAddresses
  readonly #metrics: RaftMetrics
  readonly #space: LowSpace
  readonly #rot: RotWatch
  readonly #configurationListeners = new Set<(configuration: Configuration) => void>()
  readonly #idleWaiters = new Set<() => void>()
  #started: Promise<void> | null = null
  #stopped: Promise<void> | null = null
  #isDraining = false
  #storage: RaftStorage | null = null
  #identity: ClusterIdentity | null = null
  #engine: RaftEngine | null = null
  #failure: FairleadError | null = null
  #leaveTransport: (() => void)[] = []
  #hideStatus: () => void = () => {}
  #isMember = false
  #beforeStart: RaftStatus = STATUS_BEFORE_START

  constructor(options: RaftNodeOptions, deps: RaftNodeDeps) {
    this.#options = options
    this.#deps = deps
    this.#id = serverId(options.id)
    this.#boot = options.boot ?? newUuid()
    this.#leadership = new Leadership(deps.log)
    this.#tickMs = options.tickMs ?? 50
    this.#metrics = new RaftMetrics(deps.metrics)
    this.#peers = new PeerAddresses(
      { self: this.#id, farewellMs: 2 * ELECTION_TICKS * this.#tickMs },
      { clock: deps.clock, transport: deps.transport, addresses: deps.addresses },
    )
    this.#space = new LowSpace({
      news: deps.space,
      clock: deps.clock,
      log: deps.log,
      leads: () => this.#engine?.core.role === 'leader',
      handOver: () => this.transferLeadership(),
    })
    this.#rot = new RotWatch({ log: deps.log, takeSnapshot: () => this.takeSnapshot() })
    this.#reads = new Reads(`${options.id}/${this.#boot}`, READ_ATTEMPT_TICKS)
  }

  /** @throws FairleadError STORAGE_FAILED | STORAGE_CORRUPT | INVALID_CONFIG, or the signal's reason */
  start(signal: AbortSignal): Promise<void> {
    this.#started ??= this.#start(signal)
    return this.#started
  }

  propose(data: Uint8Array, options?: { readonly frees: boolean }): Promise<Applied> {
    const refusal = this.#refusal()
    if (refusal !== null) return Promise.reject(refusal)
    const engine = this.#engine
    if (engine?.core.role !== 'leader') return Promise.reject(this.#notLeader())
    const full = this.#space.refusal(options?.frees === true)
    if (full !== null) return Promise.reject(full)
    const applied = this.#proposals.add(data)
    engine.schedule()
    return applied
  }

  readIndex(mode: ReadMode = 'quorum'): Promise<number> {
    const refusal = this.#refusal()
    if (refusal !== null) return Promise.reject(refusal)
    const index = this.#reads.add(mode)
    this.#engine?.schedule()
    return index
  }

  holdsLease(): boolean {
    return this.#failure === null && this.#engine?.core.holdsLease === true
  }

  async changeMembers(change: ConfigurationChange): Promise<void> {
    const engine = this.#engineOrThrow()
    const outcome = engine.core.handle({ kind: 'propose-config', change })
    engine.schedule()
    if (outcome.kind === 'rejected') throw this.#refused('Failed to change the members', outcome)
    if (outcome.kind === 'done') return
    const throughJoint = change.kind === 'enter-joint' && change.autoLeave
    const { term, firstIndex } = outcome
    await this.#changes.appended({ term, index: firstIndex, throughJoint })
  }

  async transferLeadership(target?: string): Promise<void> {
    const engine = this.#engineOrThrow()
    const to = target === undefined ? null : serverId(target)
    const outcome = engine.core.handle({ kind: 'transfer', target: to })
    engine.schedule()
    if (outcome.kind === 'rejected') throw this.#refused('Failed to hand leadership over', outcome)
    await this.#changes.handover()
  }

  async bootstrap(options: BootstrapOptions): Promise<void> {
    const before = this.#engineOrThrow()
    const storage = this.#storage
    const identity = this.#identity
    if (storage === null || identity === null) throw shuttingDown()
    const first = firstState(this.#id, options)
    const cluster = { clusterId: options.clusterId, epoch: 0 }
    // A log with entries has a cluster, so this refuses one too.
    if (!(await identity.claim(cluster))) return
    before.cut()
    await before.settled()
    try {
      await storage.log.initialize(first.identity, first.job)
    } catch (thrown) {
      this.#fail(thrown)
      throw thrown
    }
    if (this.#failure !== null) throw this.#failure
    this.#engine = this.#launch(storage, { persisted: first.persisted, isNew: true })
    identity.founded(cluster)
    this.#deps.log.info('cluster founded', { cluster: options.clusterId })
  }

  /** An image of what is applied now, kept in the snapshot store. @throws FairleadError STORAGE_FAILED */
  takeSnapshot(): Promise<SnapshotMeta> {
    return this.#engineOrThrow().takeSnapshot()
  }

  status(): RaftStatus {
    const engine = this.#engine
    if (engine === null) return this.#beforeStart
    const { lastContactMs } = this.contact()
    return statusOf(engine.core, { lastContactMs, cluster: this.#identity?.cluster ?? null })
  }

  contact(): Pick<RaftStatus, 'role' | 'leaderId' | 'lastContactMs'> {
    const engine = this.#engine
    if (engine === null) return this.#beforeStart
    const { core, lastContact } = engine
    const { role, leader: leaderId } = core
    if (role === 'leader') return { role, leaderId, lastContactMs: 0 }
    const lastContactMs =
      lastContact === null ? Number.POSITIVE_INFINITY : this.#deps.clock.now() - lastContact
    return { role, leaderId, lastContactMs }
  }

  onLeadership(listener: (isLeader: boolean) => void): () => void {
    return this.#leadership.onChange(listener)
  }

  onConfiguration(listener: (configuration: Configuration) => void): () => void {
    this.#configurationListeners.add(listener)
    return () => this.#configurationListeners.delete(listener)
  }

  async drain(deadline: Instant): Promise<void> {
    this.#isDraining = true
    if (this.#engine === null || this.#isIdle()) return
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
    const { log } = this.#deps
    const { storage, recovered } = await this.#open(signal)
    this.#storage = storage
    try {
      signal.throwIfAborted()
      this.#join(storage, recovered.cluster)
      this.#engine = this.#launch(storage, recovered)
      this.#rot.start(storage.scrubber)
    } catch (err) {
      await storage.snapshots.close()
      await storage.log.close()
      throw err
    }
    const { core } = this.#engine
    log.info('raft started', { term: core.term, index: core.last.index })
    if (!isSoleVoter(core.configuration, this.#id)) return
    try {
      await this.#leading(signal)
    } catch (err) {
      await this.#tearDown(this.#failure ?? shuttingDown())
      throw err
    }
  }

  async #open(signal: AbortSignal): Promise<OpenedRaft> {
    const { id, bootstrap, recoveryFiles } = this.#options
    return await openRaft(
      { id, bootstrap, files: recoveryFiles },
      {
        ...this.#deps,
        announce: (position) => {
          this.#beforeStart = { ...STATUS_BEFORE_START, ...position }
        },
      },
      signal,
    )
  }

  /** From here on messages and images find their way to whichever engine runs. */
  #join(storage: RaftStorage, cluster: ClusterName | null): void {
    const { transport, log } = this.#deps
    const identity = new ClusterIdentity(cluster, {
      serverId: this.#id,
      store: storage.log,
      transport,
      log,
      deliver: (message) => this.#engine?.receive(message),
      onFatal: (thrown) => this.#fail(thrown),
    })
    this.#identity = identity
    this.#peers.open()
    this.#hideStatus = showRaftStatus(this.#deps.metrics, () => this.status())
    this.#space.open()
    this.#leaveTransport = [
      transport.onMessage((message, from) => identity.receive(message, from)),
      transport.onUnreachable((peer) => this.#engine?.input({ kind: 'unreachable', peer })),
      transport.onSnapshot({
        offered: async (offer, image) => {
          if (identity.cluster === null) return null
          return (await this.#engine?.images.offered(offer, image)) ?? null
        },
      }),
    ]
  }

  #launch(
    storage: RaftStorage,
    from: { readonly persisted: PersistedState; readonly isNew: boolean },
  ): RaftEngine {
    const { clock, rng, log, stateMachine, transport } = this.#deps
    const engine = new RaftEngine(
      {
        raft: {
          id: this.#id,
          electionTicks: ELECTION_TICKS,
          heartbeatTicks: HEARTBEAT_TICKS,
          startGrace: !from.isNew,
          boot: this.#boot,
        },
        tickMs: this.#tickMs,
        snapshots: () => ({ ...SNAPSHOT_LIMITS, ...this.#options.snapshots }),
      },
      {
        clock,
        rng,
        log,
        storage,
        transport,
        stateMachine,
        proposals: this.#proposals,
        reads: this.#reads,
        changes: this.#changes,
        metrics: this.#metrics,
        leadership: this.#leadership,
        onConfiguration: (configuration) => this.#followConfiguration(configuration),
        onTurn: () => this.#wakeIdle(),
        onFatal: (thrown) => this.#fail(thrown),
      },
      from.persisted,
    )
    engine.start()
    return engine
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

  #followConfiguration(configuration: Configuration): void {
    this.#peers.follow(configuration)
    const isMember = memberIds(configuration).includes(this.#id)
    if (this.#isMember && !isMember) {
      this.#deps.log.warn(
        'this server was removed from the cluster; it keeps its data and takes no part',
        { node: this.#id },
      )
    }
    this.#isMember = isMember
    for (const listener of [...this.#configurationListeners]) listener(configuration)
  }

  #wakeIdle(): void {
    if (this.#idleWaiters.size === 0 || !this.#isIdle()) return
    for (const waiter of [...this.#idleWaiters]) waiter()
  }

  /** Fail-stop: nothing is acknowledged or said from here on (specification 15.1). */
  #fail(thrown: unknown): void {
    if (this.#failure !== null) return
    const text = thrown instanceof Error ? thrown.message : String(thrown)
    const error =
      thrown instanceof FairleadError
        ? thrown
        : new FairleadError('STORAGE_FAILED', `Raft stopped: ${text}`, { cause: thrown })
    this.#failure = error
    this.#deps.log.error('raft stopped after a fatal error', { err: error })
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
    const engine = this.#engine
    this.#engine = null
    if (engine === null) return
    await this.#storage?.scrubber?.stop()
    await this.#rot.settled()
    await engine.settled()
    await this.#identity?.settled()
    await this.#storage?.snapshots.close()
    await this.#storage?.log.close()
  }

  #cut(error: FairleadError): void {
    this.#engine?.cut()
    for (const leave of this.#leaveTransport) leave()
    this.#leaveTransport = []
    this.#peers.close()
    this.#hideStatus()
    this.#space.close()
    this.#proposals.fail(error)
    this.#changes.fail(error)
    this.#reads.failAll(error)
    for (const waiter of [...this.#idleWaiters]) waiter()
  }

  #isIdle(): boolean {
    return this.#proposals.isEmpty && this.#reads.isEmpty && this.#changes.isEmpty
  }

  #refusal(): FairleadError | null {
    if (this.#failure !== null) return this.#failure
    if (this.#isDraining) return shuttingDown()
    if (this.#engine === null) return new FairleadError('NO_LEADER', 'Raft has not started')
    return null
  }

  #engineOrThrow(): RaftEngine {
    const refusal = this.#refusal()
    if (refusal !== null) throw refusal
    if (this.#engine === null) throw shuttingDown()
    return this.#engine
  }

  #refused(what: string, refusal: Refusal): FairleadError {
    return refusalError(what, refusal, { id: this.#id, leader: this.#engine?.core.leader ?? null })
  }

  #notLeader(): FairleadError {
    return notLeader({ id: this.#id, leader: this.#engine?.core.leader ?? null })
  }
}
