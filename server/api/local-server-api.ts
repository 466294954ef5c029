/**
 * The server's side of the border between agents and servers, in process: reads, writes, feeds, leaves.
 *
 * Guarantees: reads are as read-gate.ts says; what only the leader can do is sent to it and, while there is
 * none, held for `holdMs` and tried again. A write is answered after commit and apply; it carries the name
 * that the first process gave it, so that trying again cannot do it twice, also when an answer was lost
 * (raft.md 16). Another datacentre is refused, not guessed at.
 * Bounds: SUBSCRIPTIONS_MAX, those of blocking-read.ts and leader-hold.ts.
 */

import { aclDisabled } from '../../core/acl/denial.ts'
import { encodeCommand } from '../../core/catalog/codec.ts'
import type { Command } from '../../core/catalog/commands.ts'
import type { FeedPosition, TopicKey } from '../../core/catalog/feed.ts'
import type { RequestId } from '../../core/catalog/request-id.ts'
import type { StateStoreApi } from '../../core/catalog/store-api.ts'
import type { CoordinateRecord, SessionRecord } from '../../core/catalog/types.ts'
import { FairleadError } from '../../core/errors.ts'
import type { ReadMode } from '../../core/raft/types.ts'
import type { Rng } from '../../core/rng.ts'
import type { OperatorCalls, OperatorName, StateImage } from '../../core/rpc/operator.ts'
import type { ForwardedMessages, ForwardedMethod } from '../../core/rpc/peer-calls.ts'
import type { ReadName, Reads } from '../../core/rpc/reads.ts'
import type { RequestNames } from '../../core/rpc/request-names.ts'
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
import type { FeedStartDeps } from '../feeds/feed-start.ts'
import { FeedSubscription } from '../feeds/feed-subscription.ts'
import type { RaftNodeApi } from '../raft/types.ts'
import { BlockingReads, reportedIndex } from './blocking-read.ts'
import type { LeaderActs } from './leader-acts.ts'
import type { LeaderCalls } from './leader-calls.ts'
import { LeaderHold } from './leader-hold.ts'
import { raftStats } from './raft-stats.ts'
import { ReadGate } from './read-gate.ts'
import { restoreThroughLog } from './restore-through-log.ts'
import type { StateImages } from './state-images.ts'
import { untilAborted } from './until-aborted.ts'
import { assertAgentsMayWrite } from './write-rules.ts'

export const SUBSCRIPTIONS_MAX = 65_536

export interface LocalServerApiOptions {
  readonly datacenter: string
  readonly nodeId: string
  readonly holdMs: number
  readonly defaultRead: ReadMode
}

export interface LocalServerApiDeps {
  readonly store: StateStoreApi
  readonly raft: RaftNodeApi
  readonly leader: LeaderCalls
  readonly acts: LeaderActs
  readonly images: StateImages
  readonly names: RequestNames
  readonly clock: Clock
  readonly rng: Rng
  readonly newId: () => string
  /** Where a server is reached now, undefined when gossip does not know; this server always knows itself. */
  readonly addressOf: (id: string) => string | undefined
  /** Asks on behalf of a token; absent without access control. */
  readonly guard?: (secret: () => string) => ServerApi
}

export class LocalServerApi implements ServerApi {
  readonly #options: LocalServerApiOptions
  readonly #deps: LocalServerApiDeps
  readonly #blocking: BlockingReads
  readonly #hold: LeaderHold
  readonly #gate: ReadGate
  readonly #subscriptions = new Set<FeedSubscription>()
  /** For feeds of this process and of agents elsewhere. */
  readonly feedStart: FeedStartDeps
  readonly #stopListening: () => void
  readonly #closing = new AbortController()

  constructor(options: LocalServerApiOptions, deps: LocalServerApiDeps) {
    this.#options = options
    this.#deps = deps
    this.#blocking = new BlockingReads(deps)
    this.#hold = new LeaderHold({ holdMs: options.holdMs }, deps)
    this.#gate = new ReadGate({ defaultRead: options.defaultRead }, { ...deps, hold: this.#hold })
    this.feedStart = {
      store: deps.store,
      clock: deps.clock,
      epoch: () => {
        const { cluster } = deps.raft.status()
        return cluster === null ? '' : `${cluster.clusterId}/${cluster.epoch}`
      },
      ready: (signal) => untilAborted(this.#gate.catchUp(this.#closing.signal), signal),
      catchUp: (signal) => this.#gate.linearizable(signal),
    }
    // A deposed leader's blocked reads must not sleep on as if nothing had happened.
    this.#stopListening = deps.raft.onLeadership((isLeader) => {
      if (!isLeader) this.#blocking.wakeAll()
    })
  }

  /** Reads that wait for a change. */
  get blockedReads(): number {
    return this.#blocking.blocked
  }

  as(secret: () => string): ServerApi {
    return this.#deps.guard?.(secret) ?? this
  }

  async read<N extends ReadName>(
    name: N,
    request: Reads[N]['request'],
    options: ReadOptions = {},
  ): Promise<ReadResult<N>> {
    this.#checkDatacenter(options.datacenter)
    const passage = this.#gate.passage(name, options)
    const evaluated = await this.#blocking.run<N>(
      {
        prepare: () => {
          if (this.#closing.signal.aborted) throw shuttingDown()
          return passage.prepare()
        },
        evaluate: () => this.#deps.store.read(name, request),
        confirm: () => passage.confirm(),
      },
      options,
    )
    const { value } = evaluated
    const index = reportedIndex(evaluated)
    // What the leader has confirmed is as fresh as an answer of the leader's own.
    if (!passage.isStale) return { value, index, knownLeader: true, lastContactMs: 0 }
    const { leaderId, lastContactMs } = this.#deps.raft.contact()
    return {
      value,
      index,
      knownLeader: leaderId !== null,
      lastContactMs: Number.isFinite(lastContactMs) ? Math.ceil(lastContactMs) : 0,
    }
  }

  async write(command: Command, options: WriteOptions = {}): Promise<WriteResult> {
    this.#checkDatacenter(options.datacenter)
    // A token that waits for access control to be switched on would be a back door.
    if (this.#deps.guard === undefined && command.kind.startsWith('acl.')) throw aclDisabled()
    assertAgentsMayWrite(command)
    const complete = this.#withIds(command)
    return this.#write(complete, options.requestId ?? this.#deps.names.next(), options.signal)
  }

  subscribe(topic: TopicKey, from?: FeedPosition): Subscription {
    const subscription: FeedSubscription = new FeedSubscription(
      { topic, ...(from === undefined ? {} : { from }) },
      {
        store: this.#deps.store,
        start: this.feedStart,
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
    return this.#onLeader(
      'signLeaf',
      { message: () => ({ csrPem }), local: () => this.#deps.acts.signLeaf(csrPem, signal) },
      // A second certificate for the same key does no harm.
      { signal, isRepeatable: true },
    )
  }

  async renewSession(id: string, signal?: AbortSignal): Promise<SessionRecord | null> {
    return this.#onLeader(
      'renewSession',
      { message: () => ({ id }), local: () => this.#deps.acts.renewSession(id) },
      { signal, isRepeatable: true },
    )
  }

  async placeNode(place: CoordinateRecord, signal?: AbortSignal): Promise<void> {
    await this.#onLeader(
      'placeNode',
      { message: () => ({ place }), local: async () => this.#deps.acts.placeNode(place) },
      { signal, isRepeatable: true },
    )
  }

  async operate<N extends OperatorName>(
    name: N,
    request: OperatorCalls[N]['request'],
    signal?: AbortSignal,
  ): Promise<OperatorCalls[N]['reply']> {
    if (name === 'raft.configuration' && 'stale' in request && request.stale === true) {
      return this.#deps.acts.operate(name, request)
    }
    return this.#onLeader(
      'operator',
      {
        message: () => ({ name, request }),
        local: () => this.#deps.acts.operate(name, request),
      },
      { signal, isRepeatable: false },
    )
  }

  async saveImage(options: {
    readonly stale: boolean
    readonly signal?: AbortSignal
  }): Promise<StateImage> {
    if (this.#closing.signal.aborted) throw shuttingDown()
    if (!options.stale) await this.#gate.linearizable(options.signal)
    return this.#deps.images.save()
  }

  async restoreImage(chunks: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<void> {
    await restoreThroughLog(
      chunks,
      {
        write: (command) => {
          // Giving up is said also when the reason is that the caller went away.
          const until = command.kind === 'restore.abort' ? undefined : signal
          return this.#write(command, this.#deps.names.next(), until)
        },
        newId: this.#deps.newId,
      },
      signal,
    )
  }

  async status(): Promise<ServerStatus> {
    const { raft, addressOf } = this.#deps
    const status = raft.status()
    const peers = status.peers.map(({ id, address }) => ({
      id,
      address: addressOf(id) ?? address,
    }))
    return {
      leader: peers.find(({ id }) => id === status.leaderId)?.address ?? '',
      peers: peers.map(({ address }) => address),
      raft: raftStats(status, this.#options.nodeId),
      isLeader: status.role === 'leader',
    }
  }

  /** A call that another server has sent on to this one as leader; executed here or nowhere. */
  forwarded<M extends ForwardedMethod>(
    method: M,
    message: ForwardedMessages[M],
    signal?: AbortSignal,
  ): Promise<unknown> {
    if (this.#closing.signal.aborted) return Promise.reject(shuttingDown())
    return this.#deps.acts.forwarded(method, message, signal)
  }

  /** Fails everything that waits with SHUTTING_DOWN; later calls too. Idempotent. */
  close(): void {
    if (this.#closing.signal.aborted) return
    this.#closing.abort(shuttingDown())
    this.#stopListening()
    this.#blocking.close()
    this.#hold.close()
    this.#deps.leader.close()
    for (const subscription of [...this.#subscriptions]) subscription.fail(shuttingDown())
  }

  #write(
    command: Command,
    requestId: RequestId,
    signal: AbortSignal | undefined,
  ): Promise<WriteResult> {
    return this.#onLeader(
      'write',
      {
        message: () => ({ command: encodeCommand(command, requestId) }),
        local: () => this.#deps.acts.write(command, requestId),
      },
      { signal, isRepeatable: true },
    )
  }

  #onLeader<M extends ForwardedMethod, T>(
    method: M,
    call: { readonly message: () => ForwardedMessages[M]; readonly local: () => Promise<T> },
    options: { readonly signal: AbortSignal | undefined; readonly isRepeatable: boolean },
  ): Promise<T> {
    const { signal } = options
    const attempt = (): Promise<T> => this.#deps.leader.run({ method, ...call, signal })
    return untilAborted(this.#hold.run(attempt, options), signal)
  }

  #checkDatacenter(asked: string | undefined): void {
    if (asked === undefined || asked === '') return
    if (asked.toLowerCase() === this.#options.datacenter.toLowerCase()) return
    throw new FairleadError('NO_PATH_TO_DATACENTER', 'No path to datacenter', {
      facts: { datacenter: asked },
    })
  }

  #withIds(command: Command): Command {
    if (command.kind === 'session.create' && command.session.id === '') {
      return { ...command, session: { ...command.session, id: this.#deps.newId() } }
    }
    if (command.kind === 'query.set' && command.query.id === '' && command.mode === 'create') {
      return { ...command, query: { ...command.query, id: this.#deps.newId() } }
    }
    return command
  }
}

function shuttingDown(): FairleadError {
  return new FairleadError('SHUTTING_DOWN', 'The server is shutting down')
}
