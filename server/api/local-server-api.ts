/**
 * The server's side of the border between agents and servers, in process: reads, writes, feeds, leaves.
 *
 * Guarantees: default and consistent reads are linearizable (ReadIndex, raft.md 8.1), stale ones come
 * from this server's store once it has ever followed a leader; a write is answered after commit and
 * apply; another datacentre is refused, not guessed at. Nothing is answered from a store that has not
 * caught up yet. Holds requests without a leader for `rpcHoldTimeoutMs`.
 * Bounds: SUBSCRIPTIONS_MAX, those of blocking-read.ts and leader-hold.ts.
 */

import type { Command } from '../../core/catalog/commands.ts'
import type { TopicKey } from '../../core/catalog/feed.ts'
import type { StateStoreApi } from '../../core/catalog/store-api.ts'
import type { SessionRecord } from '../../core/catalog/types.ts'
import { FairleadError, toFairleadError } from '../../core/errors.ts'
import type { Rng } from '../../core/rng.ts'
import type { ReadName, Reads } from '../../core/rpc/reads.ts'
import type {
  ReadOptions,
  ReadResult,
  ServerApi,
  ServerStatus,
  SignedLeaf,
  Subscription,
  WriteOptions,
  WriteResult,
} from '../../core/rpc/server-api.ts'
import type { Clock } from '../../core/time.ts'
import type { RaftNodeApi } from '../raft/types.ts'
import { BlockingReads, reportedIndex } from './blocking-read.ts'
import type { CommandWriter } from './command-writer.ts'
import { FeedSubscription } from './feed-subscription.ts'
import { LeaderHold } from './leader-hold.ts'
import { raftStats } from './raft-stats.ts'

export const SUBSCRIPTIONS_MAX = 65_536
const CATCH_UP_RETRY_MS = 250

/** What only the leader's own duties may write; an agent that could would own the mesh. */
const LEADER_ONLY: ReadonlySet<Command['kind']> = new Set([
  'ca.roots.set',
  'ca.serial.take',
  'tombstone.reap',
  'restore.begin',
  'restore.piece',
  'restore.end',
  'restore.abort',
  'noop',
])

export interface LocalServerApiOptions {
  readonly datacenter: string
  readonly nodeId: string
  readonly holdMs: number
}

export interface LocalServerApiDeps {
  readonly store: StateStoreApi
  readonly raft: RaftNodeApi
  readonly writer: CommandWriter
  readonly clock: Clock
  readonly rng: Rng
  /** Signs on the leader (server/ca/). */
  readonly signLeaf: (csrPem: string, signal?: AbortSignal) => Promise<SignedLeaf>
  /** Refuses a CA configuration that this build cannot honour. */
  readonly checkCaConfig: (command: Command & { readonly kind: 'ca.config.set' }) => void
  /** Re-arms the leader's timer of a session. */
  readonly touchSession: (session: SessionRecord) => void
  readonly newId: () => string
  /** Where this server is reached now; the address in Raft's configuration may be an older one. */
  readonly rpcAddress: () => string
}

export class LocalServerApi implements ServerApi {
  readonly #options: LocalServerApiOptions
  readonly #deps: LocalServerApiDeps
  readonly #blocking: BlockingReads
  readonly #hold: LeaderHold
  readonly #subscriptions = new Set<FeedSubscription>()
  readonly #stopListening: () => void
  /** Becomes true at the first linearizable point; before that the store may lack what was committed. */
  #hasCaughtUp = false
  #catchingUp: Promise<void> | undefined
  readonly #closing = new AbortController()

  constructor(options: LocalServerApiOptions, deps: LocalServerApiDeps) {
    this.#options = options
    this.#deps = deps
    this.#blocking = new BlockingReads(deps)
    this.#hold = new LeaderHold({ holdMs: options.holdMs }, deps)
    // A deposed leader's blocked reads must not sleep on as if nothing had happened.
    this.#stopListening = deps.raft.onLeadership((isLeader) => {
      if (!isLeader) this.#blocking.wakeAll()
    })
  }

  async read<N extends ReadName>(
    name: N,
    request: Reads[N]['request'],
    options: ReadOptions = {},
  ): Promise<ReadResult<N>> {
    this.#checkDatacenter(options.datacenter)
    const evaluated = await this.#blocking.run<N>(
      {
        prepare: () => this.#prepareRead(options),
        evaluate: () => this.#deps.store.read(name, request),
      },
      options,
    )
    const status = this.#deps.raft.status()
    return {
      value: evaluated.value,
      index: reportedIndex(evaluated),
      knownLeader: status.leaderId !== null,
      lastContactMs: Number.isFinite(status.lastContactMs) ? Math.round(status.lastContactMs) : 0,
    }
  }

  async write(command: Command, options: WriteOptions = {}): Promise<WriteResult> {
    this.#checkDatacenter(options.datacenter)
    if (LEADER_ONLY.has(command.kind)) {
      throw new FairleadError(
        'PERMISSION_DENIED',
        `Permission denied: "${command.kind}" is written by the leader alone`,
      )
    }
    if (command.kind === 'ca.config.set') this.#deps.checkCaConfig(command)
    const complete = this.#withIds(command)
    return untilAborted(
      this.#hold.run(() => this.#deps.writer.write(complete), options.signal),
      options.signal,
    )
  }

  subscribe(topic: TopicKey, fromIndex?: number): Subscription {
    const subscription: FeedSubscription = new FeedSubscription(
      { topic, ...(fromIndex === undefined ? {} : { fromIndex }) },
      {
        store: this.#deps.store,
        ready: (signal) => this.#catchUp(signal),
        onClosed: () => this.#subscriptions.delete(subscription),
      },
    )
    if (this.#closing.signal.aborted) subscription.fail(shuttingDown())
    else if (this.#subscriptions.size >= SUBSCRIPTIONS_MAX) {
      subscription.fail(
        new FairleadError('RATE_LIMITED', `Already ${SUBSCRIPTIONS_MAX} subscriptions are open`),
      )
    } else this.#subscriptions.add(subscription)
    return subscription
  }

  async signLeaf(csrPem: string, signal?: AbortSignal): Promise<SignedLeaf> {
    return untilAborted(
      this.#hold.run(() => this.#deps.signLeaf(csrPem, signal), signal),
      signal,
    )
  }

  async renewSession(id: string, signal?: AbortSignal): Promise<SessionRecord | null> {
    await this.#linearizable(signal)
    const session = this.#deps.store.read('session.get', { id }).value
    if (session !== null) this.#deps.touchSession(session)
    return session
  }

  async status(): Promise<ServerStatus> {
    const status = this.#deps.raft.status()
    const { nodeId } = this.#options
    const peers = status.peers.map(({ id, address }) => ({
      id,
      address: id === nodeId ? this.#deps.rpcAddress() : address,
    }))
    return {
      leader: peers.find(({ id }) => id === status.leaderId)?.address ?? '',
      peers: peers.map(({ address }) => address),
      raft: raftStats(status, nodeId),
      isLeader: status.role === 'leader',
    }
  }

  /** Fails everything that waits with SHUTTING_DOWN; later calls too. Idempotent. */
  close(): void {
    if (this.#closing.signal.aborted) return
    this.#closing.abort(shuttingDown())
    this.#stopListening()
    this.#blocking.close()
    this.#hold.close()
    for (const subscription of [...this.#subscriptions]) subscription.fail(shuttingDown())
  }

  #checkDatacenter(asked: string | undefined): void {
    if (asked === undefined || asked === '') return
    if (asked.toLowerCase() === this.#options.datacenter.toLowerCase()) return
    throw new FairleadError('NO_PATH_TO_DATACENTER', 'No path to datacenter', {
      facts: { datacenter: asked },
    })
  }

  async #prepareRead(options: ReadOptions): Promise<void> {
    if (this.#closing.signal.aborted) throw shuttingDown()
    if (options.consistency === 'stale' && this.#mayAnswerStale(options.maxStaleMs)) return
    await this.#linearizable(options.signal)
  }

  #mayAnswerStale(maxStaleMs: number | undefined): boolean {
    const { role, lastContactMs } = this.#deps.raft.status()
    const hasFollowed = this.#hasCaughtUp || Number.isFinite(lastContactMs)
    if (role === 'leader' || !hasFollowed) return this.#hasCaughtUp
    return maxStaleMs === undefined || lastContactMs <= maxStaleMs
  }

  async #linearizable(signal: AbortSignal | undefined): Promise<void> {
    await this.#hold.run(() => this.#deps.raft.readIndex(), signal)
    this.#hasCaughtUp = true
  }

  /** Waits for the first linearizable point, however long that takes; all who wait share one attempt. */
  #catchUp(signal: AbortSignal): Promise<void> {
    if (this.#hasCaughtUp) return Promise.resolve()
    this.#catchingUp ??= this.#tryToCatchUp().finally(() => {
      this.#catchingUp = undefined
    })
    return untilAborted(this.#catchingUp, signal)
  }

  async #tryToCatchUp(): Promise<void> {
    const { signal } = this.#closing
    while (!this.#hasCaughtUp) {
      try {
        await this.#linearizable(signal)
      } catch (thrown) {
        const { code } = toFairleadError(thrown)
        if (code !== 'NO_LEADER' && code !== 'BUSY') throw thrown
        await this.#deps.clock.sleep(CATCH_UP_RETRY_MS, signal)
      }
    }
  }

  #withIds(command: Command): Command {
    if (command.kind !== 'session.create' || command.session.id !== '') return command
    return { ...command, session: { ...command.session, id: this.#deps.newId() } }
  }
}

/** A proposal cannot be taken back: after an abort it may or may not have been applied. */
async function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work
  let onAbort: (() => void) | undefined
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    if (onAbort !== undefined) signal.removeEventListener('abort', onAbort)
  }
}

function shuttingDown(): FairleadError {
  return new FairleadError('SHUTTING_DOWN', 'The server is shutting down')
}
