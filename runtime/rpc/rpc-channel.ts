/**
 * One connection to one server: calls out, values or failures back.
 *
 * Guarantees: an aborted signal cancels the call on both sides and rejects with its reason; a call ends
 * by its deadline; a stream is read no faster than its consumer asks, an upload read no faster than it
 * leaves. Does not retry and does not choose (rpc-server-api.ts does). `whenReady` tells "never connected"
 * from "lost on the way", which decides whether a write may be repeated.
 * Bounds: message sizes of envelope.ts; a server that is gone without a word is found within `keepalive`.
 */

import { once } from 'node:events'
import type { Client, ClientReadableStream, ServiceError } from '@grpc/grpc-js'
import { FairleadError } from '../../core/errors.ts'
import type { Clock } from '../../core/time.ts'
import { withDeadline } from '../clock/with-deadline.ts'
import type { OutgoingTls } from '../tls/rpc-tls.ts'
import { type ByteStream, endingWith } from './byte-stream.ts'
import { channelOptionsFor, credentialsFor } from './channel-credentials.ts'
import { waitUntilReady } from './channel-state.ts'
import {
  type Boxed,
  box,
  PEERS_SERVICE,
  type PeerMethod,
  REPLY_BYTES_MAX,
  REQUEST_BYTES_MAX,
  SECRET_METADATA,
  SERVERS_SERVICE,
  type UnaryMethod,
} from './envelope.ts'
import { dialFeeds } from './feed-socket.ts'
import { type GrpcLibrary, loadGrpc } from './grpc-library.ts'
import { chunkParts, IMAGES_SERVICE, type ImagePart } from './image-part.ts'
import { type RpcFailure, readFailure } from './rpc-errors.ts'

export interface Keepalive {
  readonly everyMs: number
  readonly timeoutMs: number
  /** A connection without calls is closed after this; the next call makes it again. */
  readonly idleMs: number
}

export interface ChannelOptions {
  readonly keepalive?: Keepalive
  /** In clear without it. */
  readonly tls?: OutgoingTls | undefined
}

/**
 * Of an agent to its server. In a fleet of thousands, whose agents each call once in some minutes, most of them hold
 * no connection but that of their feeds, which costs a server a quarter as much.
 */
const KEEPALIVE: Keepalive = { everyMs: 30_000, timeoutMs: 10_000, idleMs: 30_000 }

const DIAL_TIMEOUT_MS = 3_000
const RECONNECT_FIRST_MS = 100
const RECONNECT_MAX_MS = 1_000

const UNARY = { ...SERVERS_SERVICE, ...PEERS_SERVICE }

const NO_REPLY: RpcFailure = {
  kind: 'lost',
  error: new FairleadError('NO_SERVERS', 'rpc error making call: EOF'),
}

/** Thrown by calls that failed on the other side or on the way. */
export class RpcCallError extends Error {
  override readonly name = 'RpcCallError'
  readonly failure: RpcFailure

  constructor(failure: RpcFailure) {
    super(failure.error.message, { cause: failure.error })
    this.failure = failure
  }
}

export interface CallOptions {
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
  /** On whose behalf; '' or absent for nobody's. */
  readonly secret?: string
}

export class RpcChannel {
  readonly address: string
  /** Of the certificates it was made with; undefined in clear. */
  readonly tlsVersion: number | undefined
  readonly #tls: OutgoingTls | undefined
  readonly #grpc: GrpcLibrary
  readonly #client: Client
  readonly #clock: Clock
  readonly #retiring = new AbortController()
  #calls = 0
  #onClosed: (() => void) | undefined

  private constructor(
    address: string,
    deps: { readonly grpc: GrpcLibrary; readonly clock: Clock } & ChannelOptions,
  ) {
    const { grpc, clock, keepalive = KEEPALIVE, tls } = deps
    this.#tls = tls
    this.tlsVersion = tls?.version
    this.address = address
    this.#grpc = grpc
    this.#clock = clock
    this.#client = new grpc.Client(address, credentialsFor(grpc, tls), {
      ...channelOptionsFor(tls),
      'grpc.max_receive_message_length': REPLY_BYTES_MAX,
      'grpc.max_send_message_length': REQUEST_BYTES_MAX,
      'grpc.keepalive_time_ms': keepalive.everyMs,
      'grpc.keepalive_timeout_ms': keepalive.timeoutMs,
      'grpc.keepalive_permit_without_calls': 1,
      'grpc.client_idle_timeout_ms': keepalive.idleMs,
      'grpc.initial_reconnect_backoff_ms': RECONNECT_FIRST_MS,
      'grpc.max_reconnect_backoff_ms': RECONNECT_MAX_MS,
      // One layer retries, and it is not this one.
      'grpc.enable_retries': 0,
      'grpc.enable_channelz': 0,
      'grpc.enable_http_proxy': 0,
      'grpc.service_config_disable_resolution': 1,
    })
  }

  /** Does not connect yet. @param address `host:port` */
  static async open(
    address: string,
    clock: Clock,
    options: ChannelOptions = {},
  ): Promise<RpcChannel> {
    return new RpcChannel(address, { grpc: await loadGrpc(), clock, ...options })
  }

  /** Resolves when connected. @throws FairleadError NO_SERVERS when refused, or when that takes longer */
  whenReady(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    const deadline = this.#deadline(timeoutMs)
    return waitUntilReady(this.#grpc, this.#client, {
      address: this.address,
      deadline,
      signal,
      isTls: this.#tls !== undefined,
    })
  }

  /** @throws RpcCallError, or the abort reason */
  call(method: UnaryMethod | PeerMethod, request: unknown, options: CallOptions): Promise<unknown> {
    const { path, requestSerialize, responseDeserialize } = UNARY[method]
    return this.#reply(options, (metadata, grpcOptions, answer) =>
      this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        box(request),
        metadata,
        grpcOptions,
        answer,
      ),
    )
  }

  /** Opens a stream of feeds; it ends, as lost, with the channel. @throws FairleadError NO_SERVERS, or the abort reason */
  async feeds(signal: AbortSignal): Promise<ByteStream> {
    const stream = await withDeadline(this.#clock, DIAL_TIMEOUT_MS, signal, (either) =>
      dialFeeds(this.address, either, this.#tls),
    )
    const retiring = this.#retiring.signal
    if (retiring.aborted) {
      stream.end()
      throw new FairleadError('NO_SERVERS', 'The server was left for another')
    }
    return endingWith(stream, retiring)
  }

  /** A head, then chunks. @throws (while iterating) RpcCallError, or the abort reason */
  async *download(
    request: unknown,
    signal: AbortSignal,
    secret: string,
  ): AsyncGenerator<ImagePart> {
    const { path, requestSerialize, responseDeserialize } = IMAGES_SERVICE.saveImage
    const open = (): ClientReadableStream<ImagePart> =>
      this.#client.makeServerStreamRequest(
        path,
        requestSerialize,
        responseDeserialize,
        box(request),
        this.#metadata(secret),
      )
    this.#calls += 1
    try {
      for await (const part of this.#messages(open, signal)) {
        if (part.kind === 'undecodable') throw new RpcCallError({ kind: 'lost', error: part.error })
        yield part
      }
    } finally {
      this.#ended()
    }
  }

  /** @throws RpcCallError, what reading the chunks throws, or the abort reason */
  async upload(chunks: AsyncIterable<Uint8Array>, options: CallOptions): Promise<unknown> {
    const { path, requestSerialize, responseDeserialize } = IMAGES_SERVICE.restoreImage
    const over = new AbortController()
    let unreadable: { readonly thrown: unknown } | undefined
    const reply = this.#reply(options, (metadata, grpcOptions, answer) => {
      const call = this.#client.makeClientStreamRequest(
        path,
        requestSerialize,
        responseDeserialize,
        metadata,
        grpcOptions,
        answer,
      )
      call.on('error', () => {})
      sendAll(call, chunks, over.signal).catch((thrown: unknown) => {
        unreadable = { thrown }
        call.cancel()
      })
      return call
    })
    try {
      return await reply
    } catch (thrown) {
      // Why the caller's chunks could not be read says more than that the call was cancelled.
      throw unreadable === undefined ? thrown : unreadable.thrown
    } finally {
      over.abort()
    }
  }

  /** Lets calls that run end, ends feeds as lost, then closes. Idempotent. */
  retire(onClosed: () => void): void {
    this.#onClosed = onClosed
    this.#retiring.abort()
    if (this.#calls === 0) this.close()
  }

  /** Idempotent. Calls that run fail as lost. */
  close(): void {
    this.#client.close()
    this.#onClosed?.()
  }

  #reply(
    { timeoutMs, signal, secret }: CallOptions,
    start: (
      metadata: InstanceType<GrpcLibrary['Metadata']>,
      options: { readonly deadline: number },
      answer: (error: ServiceError | null, reply?: Boxed) => void,
    ) => { cancel(): void },
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      this.#calls += 1
      const onAbort = (): void => {
        call.cancel()
        reject(signal?.reason)
      }
      const call = start(
        this.#metadata(secret),
        { deadline: this.#deadline(timeoutMs) },
        (error, reply) => {
          signal?.removeEventListener('abort', onAbort)
          this.#ended()
          if (error !== null) return reject(new RpcCallError(readFailure(error)))
          if (reply === undefined) return reject(new RpcCallError(NO_REPLY))
          return reply.kind === 'value'
            ? resolve(reply.value)
            : reject(new RpcCallError({ kind: 'lost', error: reply.error }))
        },
      )
      return signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  async *#messages<T>(open: () => ClientReadableStream<T>, signal: AbortSignal): AsyncGenerator<T> {
    signal.throwIfAborted()
    const call = open()
    const onAbort = (): void => call.cancel()
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      for await (const message of call as AsyncIterable<T>) yield message
    } catch (thrown) {
      signal.throwIfAborted()
      throw isServiceError(thrown) ? new RpcCallError(readFailure(thrown)) : thrown
    } finally {
      signal.removeEventListener('abort', onAbort)
      // An error that arrives after the consumer left concerns nobody.
      call.on('error', () => {})
      call.cancel()
    }
  }

  #metadata(secret = ''): InstanceType<GrpcLibrary['Metadata']> {
    const metadata = new this.#grpc.Metadata()
    if (secret !== '') metadata.set(SECRET_METADATA, Buffer.from(secret))
    return metadata
  }

  #ended(): void {
    this.#calls -= 1
    if (this.#calls === 0 && this.#retiring.signal.aborted) this.close()
  }

  #deadline(timeoutMs: number): number {
    return this.#clock.wall() + timeoutMs
  }
}

/** Ends early, without a word, when the call is over. @throws what reading the chunks throws */
async function sendAll(
  call: {
    write(part: ImagePart): boolean
    end(): void
    on(event: 'drain', listener: () => void): unknown
  },
  chunks: AsyncIterable<Uint8Array>,
  over: AbortSignal,
): Promise<void> {
  for await (const part of chunkParts(chunks)) {
    if (over.aborted) return
    if (call.write(part)) continue
    const drained = once(call as never, 'drain', { signal: over }).catch(() => {})
    await drained
    if (over.aborted) return
  }
  call.end()
}

function isServiceError(thrown: unknown): thrown is ServiceError {
  return thrown instanceof Error && 'metadata' in thrown && 'details' in thrown
}
