/**
 * The servers' API as an agent in client mode sees it: over gRPC, to one of a list of servers.
 *
 * Guarantees: a read or a refused write is tried on other servers within `holdMs`; a write that was sent
 * and whose answer was lost is never repeated but reported as OUTCOME_UNKNOWN. Sticks to one server while
 * it answers. A subscription that fails ends with its error; the view that holds it subscribes again.
 * Bounds: one channel at a time; attempts are spaced with full jitter.
 */

import { encodeCommand } from '../../core/catalog/codec.ts'
import type { Command } from '../../core/catalog/commands.ts'
import type { FeedFrame, TopicKey } from '../../core/catalog/feed.ts'
import type { SessionRecord } from '../../core/catalog/types.ts'
import { type ErrorCode, FairleadError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
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
import { HashRing } from '../hash-ring/hash-ring.ts'
import type { UnaryMethod } from './envelope.ts'
import { RpcCallError, RpcChannel } from './rpc-channel.ts'
import type {
  ReadMessage,
  RenewSessionMessage,
  SignLeafMessage,
  SubscribeMessage,
  WriteMessage,
} from './server-api-messages.ts'

/** Time for the answer of a call that does not block, above the servers' own hold. */
const ANSWER_MARGIN_MS = 15_000
const CONNECT_TIMEOUT_MS = 3000
const RETRY_FIRST_MS = 25
const RETRY_MAX_MS = 1000
/** Reads block this much longer than asked, at most (server/api/blocking-read.ts). */
const WAIT_JITTER_PARTS = 16
const WAIT_DEFAULT_MS = 300_000
const WAIT_MAX_MS = 600_000

/** Refusals after which nothing has changed and another server, or a moment, may help. */
const TRY_AGAIN: ReadonlySet<ErrorCode> = new Set(['NO_LEADER', 'BUSY', 'SHUTTING_DOWN'])

export interface RpcServerApiOptions {
  /** `host:port` of the servers known now; asked again at every choice. */
  readonly servers: () => readonly string[]
  /** Decides which server this agent turns to first, so that agents spread evenly and stay where they are. */
  readonly nodeId: string
  readonly holdMs: number
}

export interface RpcServerApiDeps {
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
}

interface CallOptions {
  /** Repeating it cannot do harm, even if it was executed. */
  readonly isIdempotent: boolean
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
}

export class RpcServerApi implements ServerApi {
  readonly #options: RpcServerApiOptions
  readonly #deps: RpcServerApiDeps
  readonly #closing = new AbortController()
  #channel: Promise<RpcChannel> | undefined
  /** The server that failed last; chosen again only when there is no other. */
  #avoid = ''

  constructor(options: RpcServerApiOptions, deps: RpcServerApiDeps) {
    this.#options = options
    this.#deps = deps
  }

  async read<N extends ReadName>(
    name: N,
    request: Reads[N]['request'],
    options: ReadOptions = {},
  ): Promise<ReadResult<N>> {
    const { signal, ...rest } = options
    const message: ReadMessage<N> = { name, request, options: rest }
    const reply = await this.#call('read', message, {
      isIdempotent: true,
      timeoutMs: this.#answerTimeoutMs() + blockingMs(options),
      signal,
    })
    return reply as ReadResult<N>
  }

  async write(command: Command, options: WriteOptions = {}): Promise<WriteResult> {
    const { datacenter } = options
    const message: WriteMessage = {
      command: encodeCommand(command),
      ...(datacenter === undefined ? {} : { datacenter }),
    }
    const reply = await this.#call('write', message, {
      isIdempotent: false,
      timeoutMs: this.#answerTimeoutMs(),
      signal: options.signal,
    })
    return reply as WriteResult
  }

  subscribe(topic: TopicKey, fromIndex?: number): Subscription {
    const message: SubscribeMessage = {
      ...topic,
      ...(fromIndex === undefined ? {} : { fromIndex }),
    }
    const ended = new AbortController()
    return {
      close: () => ended.abort(CLOSED),
      [Symbol.asyncIterator]: () => this.#frames(message, ended.signal),
    }
  }

  async signLeaf(csrPem: string, signal?: AbortSignal): Promise<SignedLeaf> {
    const message: SignLeafMessage = { csrPem }
    // A second certificate for the same key does no harm.
    const options = { isIdempotent: true, timeoutMs: this.#answerTimeoutMs(), signal }
    return (await this.#call('signLeaf', message, options)) as SignedLeaf
  }

  async renewSession(id: string, signal?: AbortSignal): Promise<SessionRecord | null> {
    const message: RenewSessionMessage = { id }
    const options = { isIdempotent: true, timeoutMs: this.#answerTimeoutMs(), signal }
    return (await this.#call('renewSession', message, options)) as SessionRecord | null
  }

  async status(signal?: AbortSignal): Promise<ServerStatus> {
    const options = { isIdempotent: true, timeoutMs: this.#answerTimeoutMs(), signal }
    return (await this.#call('status', {}, options)) as ServerStatus
  }

  /** Ends the connection, every call and every subscription. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort(new FairleadError('SHUTTING_DOWN', 'The agent is stopping'))
    const channel = this.#channel
    this.#channel = undefined
    if (channel !== undefined) (await channel.catch(() => undefined))?.close()
  }

  async *#frames(message: SubscribeMessage, ended: AbortSignal): AsyncGenerator<FeedFrame> {
    if (ended.aborted) return
    const signal = AbortSignal.any([ended, this.#closing.signal])
    let channel: RpcChannel | undefined
    try {
      channel = await this.#connected(signal)
      for await (const frame of channel.stream('subscribe', message, signal)) {
        yield frame as FeedFrame
      }
    } catch (thrown) {
      if (ended.aborted) return
      signal.throwIfAborted()
      if (!(thrown instanceof RpcCallError)) throw thrown
      if (channel !== undefined && thrown.failure.kind === 'lost') this.#leave(channel)
      throw thrown.failure.error
    }
  }

  async #call(method: UnaryMethod, message: unknown, options: CallOptions): Promise<unknown> {
    const { clock, rng } = this.#deps
    const until = clock.now() + this.#options.holdMs
    const signal = AbortSignal.any([
      this.#closing.signal,
      ...(options.signal === undefined ? [] : [options.signal]),
    ])
    for (let tries = 0; ; tries++) {
      const outcome = await this.#attempt(method, message, { ...options, signal })
      if (outcome.kind === 'done') return outcome.reply
      const left = until - clock.now()
      if (outcome.kind === 'failed' || left <= 0) throw outcome.error
      const ceiling = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(tries, 10))
      await clock.sleep(Math.min(left, 1 + rng.float() * ceiling), signal).catch(() => {})
      signal.throwIfAborted()
    }
  }

  async #attempt(
    method: UnaryMethod,
    message: unknown,
    options: CallOptions & { readonly signal: AbortSignal },
  ): Promise<
    | { readonly kind: 'done'; readonly reply: unknown }
    | { readonly kind: 'failed' | 'again'; readonly error: FairleadError }
  > {
    options.signal.throwIfAborted()
    let channel: RpcChannel
    try {
      channel = await this.#connected(options.signal)
    } catch (thrown) {
      if (thrown instanceof FairleadError && thrown.code === 'NO_SERVERS') {
        return { kind: 'again', error: thrown }
      }
      throw thrown
    }
    try {
      return { kind: 'done', reply: await channel.call(method, message, options) }
    } catch (thrown) {
      if (!(thrown instanceof RpcCallError)) throw thrown
      return this.#judge(channel, thrown, options.isIdempotent)
    }
  }

  #judge(
    channel: RpcChannel,
    { failure }: RpcCallError,
    isIdempotent: boolean,
  ): { readonly kind: 'failed' | 'again'; readonly error: FairleadError } {
    if (failure.kind === 'refused') {
      if (failure.error.code === 'SHUTTING_DOWN') this.#leave(channel)
      return { kind: TRY_AGAIN.has(failure.error.code) ? 'again' : 'failed', error: failure.error }
    }
    this.#leave(channel)
    if (isIdempotent) return { kind: 'again', error: failure.error }
    const error = new FairleadError(
      'OUTCOME_UNKNOWN',
      'The connection was lost before the answer came; the write may or may not have been applied',
      { cause: failure.error },
    )
    return { kind: 'failed', error }
  }

  /** @throws FairleadError NO_SERVERS, or the abort reason */
  async #connected(signal: AbortSignal): Promise<RpcChannel> {
    signal.throwIfAborted()
    this.#channel ??= this.#open()
    const opening = this.#channel
    try {
      return await rejectOnAbort(opening, signal)
    } catch (thrown) {
      if (this.#channel === opening && !signal.aborted) this.#channel = undefined
      throw thrown
    }
  }

  async #open(): Promise<RpcChannel> {
    const address = this.#choose()
    const channel = await RpcChannel.open(address, this.#deps.clock)
    try {
      await channel.whenReady(CONNECT_TIMEOUT_MS)
    } catch (thrown) {
      channel.close()
      this.#avoid = address
      throw thrown
    }
    this.#deps.log.debug('connected to a server', { peer: address })
    return channel
  }

  #choose(): string {
    const known = this.#options.servers()
    const others = known.filter((address) => address !== this.#avoid)
    const chosen = new HashRing(others.length > 0 ? others : known).owner(this.#options.nodeId)
    if (chosen === undefined) throw new FairleadError('NO_SERVERS', 'No known Consul servers')
    return chosen
  }

  /** Gives up on a server that did not answer; the next call chooses another. */
  #leave(channel: RpcChannel): void {
    this.#avoid = channel.address
    const current = this.#channel
    void current?.then((open) => {
      if (open !== channel) return
      if (this.#channel === current) this.#channel = undefined
      channel.close()
    })
    this.#deps.log.debug('left a server', { peer: channel.address })
  }

  #answerTimeoutMs(): number {
    return this.#options.holdMs + ANSWER_MARGIN_MS
  }
}

const CLOSED = new FairleadError('SHUTTING_DOWN', 'The subscription is closed')

function blockingMs({ minIndex, waitMs }: ReadOptions): number {
  if (minIndex === undefined || minIndex <= 0) return 0
  const wait = waitMs === undefined || waitMs <= 0 ? WAIT_DEFAULT_MS : Math.min(waitMs, WAIT_MAX_MS)
  return wait + wait / WAIT_JITTER_PARTS
}

function rejectOnAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    const settle = (): void => signal.removeEventListener('abort', onAbort)
    work.then(resolve, reject).finally(settle)
  })
}
