/**
 * The servers' API as an agent in client mode sees it: over gRPC, to one of a list of servers.
 *
 * Guarantees: what failed without effect is tried on other servers within `holdMs`. Every write has a name
 * (raft.md 16.2), so that one whose answer was lost is sent again and still executed once; when no answer
 * came in time it is reported as OUTCOME_UNKNOWN, also when the last attempt was refused. Sticks to one
 * server while that answers, has a leader and is known. A subscription that fails ends with its error; the
 * view that holds it subscribes again.
 * Bounds: one channel at a time, and those that end their last calls; attempts are spaced with full jitter.
 */

import { encodeCommand } from '../../core/catalog/codec.ts'
import type { Command } from '../../core/catalog/commands.ts'
import type { FeedPosition, TopicKey } from '../../core/catalog/feed.ts'
import type { CoordinateRecord, SessionRecord } from '../../core/catalog/types.ts'
import { type ErrorCode, FairleadError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import type { Rng } from '../../core/rng.ts'
import type { OperatorCalls, OperatorName, StateImage } from '../../core/rpc/operator.ts'
import type { ReadName, Reads } from '../../core/rpc/reads.ts'
import { RequestNames } from '../../core/rpc/request-names.ts'
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
import { newUuid } from '../random/system-random.ts'
import type { DialTls, OutgoingTls } from '../tls/rpc-tls.ts'
import { blockingMs } from './blocking-time.ts'
import { bytesOf, rejectOnAbort, unknownOutcome } from './call-outcome.ts'
import type { UnaryMethod } from './envelope.ts'
import { FeedClient, type FeedConnection, type FeedFigures } from './feed-client.ts'
import { RpcCallError, RpcChannel } from './rpc-channel.ts'
import { SecretServerApi } from './secret-server-api.ts'
import type {
  OperateMessage,
  PlaceNodeMessage,
  ReadMessage,
  RenewSessionMessage,
  SaveImageMessage,
  SignLeafMessage,
  WriteMessage,
} from './server-api-messages.ts'
import { ServerChoice } from './server-choice.ts'
import { ServerMoves } from './server-moves.ts'

/** Time for the answer of a call that does not block, above the servers' own hold. */
const ANSWER_MARGIN_MS = 15_000
const CONNECT_TIMEOUT_MS = 3000
const RETRY_FIRST_MS = 25
const RETRY_MAX_MS = 1000

/** Refusals after which nothing has changed and another server, or a moment, may help. */
const TRY_AGAIN: ReadonlySet<ErrorCode> = new Set(['NO_LEADER', 'BUSY', 'SHUTTING_DOWN'])
/** Refusals after which another server is more likely to help than this one. */
const TRY_ELSEWHERE: ReadonlySet<ErrorCode> = new Set(['NO_LEADER', 'SHUTTING_DOWN'])
/** Restoring goes through the log in pieces; this much time for it, whatever the size. */
const RESTORE_TIMEOUT_MS = 3_600_000

const HARMLESS: ReadonlySet<OperatorName> = new Set([
  'raft.configuration',
  'autopilot.config',
  'autopilot.state',
  'join.authorities',
])

export interface RpcServerApiOptions {
  /** `host:port` of the servers known now; asked again at every choice. */
  readonly servers: () => readonly string[]
  /** Members of the fleet, about: what all of them do at a time is spread accordingly. */
  readonly members: () => number
  /** Decides which server this agent turns to first, so that agents spread evenly and stay where they are. */
  readonly nodeId: string
  readonly holdMs: number
  /** Of the agent's own token, for its feeds; '' for none. */
  readonly feedSecret?: () => string
}

export interface RpcServerApiDeps {
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  /** How servers are dialled; in clear without it. */
  readonly tls?: DialTls
}

interface Safety {
  /** Repeating it cannot do harm, even if it was executed. */
  readonly isIdempotent: boolean
  /** It changes something: an answer that was lost must not be told as "not done". */
  readonly isWrite?: boolean
}

interface CallOptions extends Safety {
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
  readonly secret: string
}

interface Connection {
  readonly address: string
  readonly opening: Promise<RpcChannel>
  readonly tlsVersion: number | undefined
}

interface Failed {
  readonly kind: 'failed' | 'again'
  readonly error: FairleadError
  readonly mayBeDone: boolean
}

export class RpcServerApi implements ServerApi {
  readonly #options: RpcServerApiOptions
  readonly #deps: RpcServerApiDeps
  readonly #closing = new AbortController()
  readonly #choice: ServerChoice
  readonly #names: RequestNames
  readonly #feeds: FeedClient
  readonly #moves: ServerMoves
  #current: Connection | undefined
  /** Left for another server that this agent belongs to. */
  readonly #moved = new WeakSet<RpcChannel>()
  /** Given up, ending their last calls. */
  readonly #retired = new Set<RpcChannel>()

  constructor(options: RpcServerApiOptions, deps: RpcServerApiDeps) {
    this.#options = options
    this.#deps = deps
    this.#choice = new ServerChoice(options.nodeId, deps.clock)
    this.#names = new RequestNames({ nodeId: options.nodeId, boot: newUuid() })
    const { members } = options
    this.#feeds = new FeedClient({
      ...deps,
      members,
      servers: () => options.servers().length,
      secret: options.feedSecret ?? (() => ''),
      connect: (signal) => this.#feedConnection(signal),
    })
    this.#moves = new ServerMoves({ ...deps, members, move: () => this.#move() })
  }

  as(secret: () => string): ServerApi {
    return new SecretServerApi(this, secret)
  }

  async read<N extends ReadName>(
    name: N,
    request: Reads[N]['request'],
    options: ReadOptions = {},
    secret = '',
  ): Promise<ReadResult<N>> {
    const { signal, ...rest } = options
    const message: ReadMessage<N> = { name, request, options: rest }
    const reply = await this.#call('read', message, {
      isIdempotent: true,
      timeoutMs: this.#answerTimeoutMs() + blockingMs(options),
      signal,
      secret,
    })
    return reply as ReadResult<N>
  }

  async write(command: Command, options: WriteOptions = {}, secret = ''): Promise<WriteResult> {
    const { datacenter } = options
    const message: WriteMessage = {
      command: encodeCommand(command, options.requestId ?? this.#names.next()),
      ...(datacenter === undefined ? {} : { datacenter }),
    }
    const reply = await this.#call('write', message, {
      isIdempotent: true,
      isWrite: true,
      timeoutMs: this.#answerTimeoutMs(),
      signal: options.signal,
      secret,
    })
    return reply as WriteResult
  }

  async operate<N extends OperatorName>(
    name: N,
    request: OperatorCalls[N]['request'],
    signal?: AbortSignal,
    secret = '',
  ): Promise<OperatorCalls[N]['reply']> {
    const message: OperateMessage = { name, request }
    const isHarmless = HARMLESS.has(name)
    const reply = await this.#call('operate', message, {
      isIdempotent: isHarmless,
      isWrite: !isHarmless,
      timeoutMs: this.#answerTimeoutMs(),
      signal,
      secret,
    })
    return reply as OperatorCalls[N]['reply']
  }

  async saveImage(
    options: { readonly stale: boolean; readonly signal?: AbortSignal },
    secret = '',
  ): Promise<StateImage> {
    const message: SaveImageMessage = { stale: options.stale }
    const signal = this.#signalOf(options.signal)
    return this.#repeat({ isIdempotent: true }, signal, async (channel) => {
      const parts = channel.download(message, signal, secret)
      const head = await parts.next()
      if (head.done === true || head.value.kind !== 'head') {
        await parts.return(undefined)
        throw new FairleadError('BAD_REQUEST', 'The server sent an image without a head')
      }
      const facts = head.value.value as Omit<StateImage, 'chunks'>
      return { ...facts, chunks: bytesOf(parts, () => signal.throwIfAborted()) }
    })
  }

  /** Sent once: the chunks cannot be read a second time. */
  async restoreImage(
    chunks: AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
    secret = '',
  ): Promise<void> {
    const either = this.#signalOf(signal)
    const channel = await this.#connected(either)
    try {
      await channel.upload(chunks, {
        timeoutMs: RESTORE_TIMEOUT_MS,
        signal: either,
        secret,
      })
    } catch (thrown) {
      if (!(thrown instanceof RpcCallError)) throw thrown
      throw this.#judge(channel, thrown, { isIdempotent: false, isWrite: true }).error
    }
  }

  subscribe(topic: TopicKey, from?: FeedPosition): Subscription {
    return this.#feeds.subscribe({ topic, from })
  }

  /** How the stream of feeds is doing. */
  get feedFigures(): FeedFigures {
    return this.#feeds.figures
  }

  /** The list of servers has changed. */
  serversChanged(): void {
    this.#moves.serversChanged()
  }

  /** How far the servers have come, as members of the fleet tell each other. */
  noticed(position: FeedPosition): void {
    this.#feeds.noticed(position)
  }

  async signLeaf(csrPem: string, signal?: AbortSignal, secret = ''): Promise<SignedLeaf> {
    const message: SignLeafMessage = { csrPem }
    // A second certificate for the same key does no harm.
    const options = { isIdempotent: true, timeoutMs: this.#answerTimeoutMs(), signal, secret }
    return (await this.#call('signLeaf', message, options)) as SignedLeaf
  }

  async renewSession(id: string, signal?: AbortSignal, secret = ''): Promise<SessionRecord | null> {
    const message: RenewSessionMessage = { id }
    const options = { isIdempotent: true, timeoutMs: this.#answerTimeoutMs(), signal, secret }
    return (await this.#call('renewSession', message, options)) as SessionRecord | null
  }

  async placeNode(place: CoordinateRecord, signal?: AbortSignal, secret = ''): Promise<void> {
    const message: PlaceNodeMessage = { place }
    const options = { isIdempotent: true, timeoutMs: this.#answerTimeoutMs(), signal, secret }
    await this.#call('placeNode', message, options)
  }

  async status(signal?: AbortSignal, secret = ''): Promise<ServerStatus> {
    const options = { isIdempotent: true, timeoutMs: this.#answerTimeoutMs(), signal, secret }
    return (await this.#call('status', {}, options)) as ServerStatus
  }

  /** Ends the connection, every call and every subscription. Idempotent. */
  async close(): Promise<void> {
    const stopping = new FairleadError('SHUTTING_DOWN', 'The agent is stopping')
    this.#closing.abort(stopping)
    this.#moves.stop()
    await this.#feeds.close(stopping)
    const current = this.#current
    this.#current = undefined
    for (const retired of this.#retired) retired.close()
    if (current !== undefined) (await current.opening.catch(() => undefined))?.close()
  }

  async #feedConnection(signal: AbortSignal): Promise<FeedConnection> {
    const channel = await this.#connected(signal)
    const stream = await channel.feeds(signal).catch((thrown: unknown) => {
      if (!signal.aborted) this.#leave(channel)
      throw thrown
    })
    return {
      stream,
      address: channel.address,
      giveUp: () => this.#leave(channel),
      hasMoved: () => this.#moved.has(channel),
    }
  }

  #call(method: UnaryMethod, message: unknown, options: CallOptions): Promise<unknown> {
    const { timeoutMs, secret } = options
    const signal = this.#signalOf(options.signal)
    return this.#repeat(options, signal, (channel) =>
      channel.call(method, message, { timeoutMs, signal, secret }),
    )
  }

  /** Tries until there is an answer, a refusal that stands, or no time left. */
  async #repeat<T>(
    options: Safety,
    signal: AbortSignal,
    attempt: (channel: RpcChannel) => Promise<T>,
  ): Promise<T> {
    const { clock, rng } = this.#deps
    const until = clock.now() + this.#options.holdMs
    let mayBeDone = false
    for (let tries = 0; ; tries++) {
      const outcome = await this.#attempt(options, signal, attempt)
      if (outcome.kind === 'done') return outcome.value
      mayBeDone ||= outcome.mayBeDone
      const left = until - clock.now()
      if (outcome.kind === 'failed' || left <= 0) {
        const isDefinite = outcome.kind === 'failed' && !outcome.mayBeDone
        throw mayBeDone && !isDefinite ? unknownOutcome(outcome.error) : outcome.error
      }
      const ceiling = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(tries, 10))
      await clock.sleep(Math.min(left, 1 + rng.float() * ceiling), signal).catch(() => {})
      signal.throwIfAborted()
    }
  }

  async #attempt<T>(
    options: Safety,
    signal: AbortSignal,
    attempt: (channel: RpcChannel) => Promise<T>,
  ): Promise<{ readonly kind: 'done'; readonly value: T } | Failed> {
    signal.throwIfAborted()
    let channel: RpcChannel
    try {
      channel = await this.#connected(signal)
    } catch (thrown) {
      if (thrown instanceof FairleadError && thrown.code === 'NO_SERVERS') {
        return { kind: 'again', error: thrown, mayBeDone: false }
      }
      throw thrown
    }
    try {
      return { kind: 'done', value: await attempt(channel) }
    } catch (thrown) {
      if (!(thrown instanceof RpcCallError)) throw thrown
      return this.#judge(channel, thrown, options)
    }
  }

  #judge(channel: RpcChannel, { failure }: RpcCallError, options: Safety): Failed {
    const { error } = failure
    const isWrite = options.isWrite === true
    if (failure.kind === 'refused' && error.code !== 'OUTCOME_UNKNOWN') {
      if (TRY_ELSEWHERE.has(error.code)) this.#leave(channel)
      return { kind: TRY_AGAIN.has(error.code) ? 'again' : 'failed', error, mayBeDone: false }
    }
    if (failure.kind === 'lost') this.#leave(channel)
    if (options.isIdempotent) return { kind: 'again', error, mayBeDone: isWrite }
    return { kind: 'failed', error: isWrite ? unknownOutcome(error) : error, mayBeDone: isWrite }
  }

  /** @throws FairleadError NO_SERVERS, or the abort reason */
  async #connected(signal: AbortSignal): Promise<RpcChannel> {
    signal.throwIfAborted()
    this.#leaveUnknown()
    this.#leaveOutdated()
    this.#current ??= this.#connect()
    const current = this.#current
    try {
      return await rejectOnAbort(current.opening, signal)
    } catch (thrown) {
      if (this.#current === current && !signal.aborted) this.#current = undefined
      throw thrown
    }
  }

  #connect(): Connection {
    const address = this.#choice.choose(this.#options.servers())
    if (address === undefined) throw new FairleadError('NO_SERVERS', 'No known Consul servers')
    const tls = this.#deps.tls?.()
    return { address, opening: this.#open(address, tls), tlsVersion: tls?.version }
  }

  async #open(address: string, tls: OutgoingTls | undefined): Promise<RpcChannel> {
    const channel = await RpcChannel.open(address, this.#deps.clock, { tls })
    try {
      await channel.whenReady(CONNECT_TIMEOUT_MS, this.#closing.signal)
    } catch (thrown) {
      channel.close()
      this.#failed(address)
      throw thrown
    }
    this.#deps.log.debug('connected to a server', { peer: address })
    return channel
  }

  /** Passed over for a while; then this agent may belong there again, or the load stays uneven. */
  #failed(address: string): void {
    this.#choice.failed(address)
    this.#moves.serversChanged()
  }

  /** Gives up on a server; the next call chooses another. Calls that still run there may end. */
  #leave(channel: RpcChannel): void {
    if (this.#retired.has(channel) || this.#moved.has(channel)) return
    this.#failed(channel.address)
    if (this.#current?.address !== channel.address) return
    this.#current = undefined
    this.#retire(channel)
  }

  /** Connects to the server this agent belongs to before it leaves the one it has. */
  async #move(): Promise<boolean> {
    const current = this.#current
    const wanted = this.#choice.choose(this.#options.servers())
    if (current === undefined || wanted === undefined || wanted === current.address) {
      return this.#choice.hasFailed
    }
    const tls = this.#deps.tls?.()
    const channel = await this.#open(wanted, tls)
    if (this.#current !== current || this.#closing.signal.aborted) {
      channel.close()
      return true
    }
    const opening = Promise.resolve(channel)
    this.#current = { address: wanted, opening, tlsVersion: tls?.version }
    const old = await current.opening.catch(() => undefined)
    if (old === undefined) return true
    this.#moved.add(old)
    this.#retire(old)
    return this.#choice.hasFailed
  }

  /** A server that is none of the known any more has left the cluster. */
  #leaveUnknown(): void {
    const current = this.#current
    const known = this.#options.servers()
    if (current === undefined || known.length === 0 || known.includes(current.address)) return
    this.#current = undefined
    void current.opening.then(
      (channel) => this.#retire(channel),
      () => undefined,
    )
  }

  /** Made with certificates that were renewed: its calls may end, and its feeds move without a pause. */
  #leaveOutdated(): void {
    const current = this.#current
    if (current === undefined || current.tlsVersion === this.#deps.tls?.()?.version) return
    this.#current = undefined
    void current.opening.then(
      (channel) => {
        this.#moved.add(channel)
        this.#retire(channel)
      },
      () => undefined,
    )
  }

  #retire(channel: RpcChannel): void {
    this.#retired.add(channel)
    channel.retire(() => this.#retired.delete(channel))
    this.#deps.log.debug('left a server', { peer: channel.address })
  }

  #signalOf(signal: AbortSignal | undefined): AbortSignal {
    return signal === undefined
      ? this.#closing.signal
      : AbortSignal.any([signal, this.#closing.signal])
  }

  #answerTimeoutMs(): number {
    return this.#options.holdMs + ANSWER_MARGIN_MS
  }
}
