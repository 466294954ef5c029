/**
 * One connection to one server: calls out, values or failures back.
 *
 * Guarantees: an aborted signal cancels the call on both sides and rejects with its reason; a call ends
 * by its deadline; a stream is read no faster than its consumer asks. Does not retry and does not choose
 * (rpc-server-api.ts does). `whenReady` tells "never connected" from "lost on the way", which decides
 * whether a write may be repeated.
 * Bounds: message sizes of envelope.ts; keepalive finds a dead server within 40 s.
 */

import type { Client, ClientReadableStream, ServiceError } from '@grpc/grpc-js'
import { FairleadError } from '../../core/errors.ts'
import type { Clock } from '../../core/time.ts'
import {
  type Boxed,
  box,
  REPLY_BYTES_MAX,
  REQUEST_BYTES_MAX,
  SERVERS_SERVICE,
  type StreamMethod,
  type UnaryMethod,
} from './envelope.ts'
import { type GrpcLibrary, loadGrpc } from './grpc-library.ts'
import { type RpcFailure, readFailure } from './rpc-errors.ts'

const KEEPALIVE_MS = 30_000
const KEEPALIVE_TIMEOUT_MS = 10_000

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

export class RpcChannel {
  readonly address: string
  readonly #grpc: GrpcLibrary
  readonly #client: Client
  readonly #clock: Clock

  private constructor(address: string, grpc: GrpcLibrary, clock: Clock) {
    this.address = address
    this.#grpc = grpc
    this.#clock = clock
    this.#client = new grpc.Client(address, grpc.credentials.createInsecure(), {
      'grpc.max_receive_message_length': REPLY_BYTES_MAX,
      'grpc.max_send_message_length': REQUEST_BYTES_MAX,
      'grpc.keepalive_time_ms': KEEPALIVE_MS,
      'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
      'grpc.keepalive_permit_without_calls': 1,
      // One layer retries, and it is not this one.
      'grpc.enable_retries': 0,
      'grpc.enable_channelz': 0,
    })
  }

  /** Does not connect yet. @param address `host:port` */
  static async open(address: string, clock: Clock): Promise<RpcChannel> {
    return new RpcChannel(address, await loadGrpc(), clock)
  }

  /** Resolves when connected. @throws FairleadError NO_SERVERS when refused, or when that takes longer */
  async whenReady(timeoutMs: number): Promise<void> {
    const { READY, TRANSIENT_FAILURE, SHUTDOWN } = this.#grpc.connectivityState
    const channel = this.#client.getChannel()
    const deadline = this.#deadline(timeoutMs)
    for (;;) {
      const state = channel.getConnectivityState(true)
      if (state === READY) return
      if (state === TRANSIENT_FAILURE || state === SHUTDOWN) throw this.#unreachable()
      await new Promise<void>((resolve, reject) => {
        channel.watchConnectivityState(state, deadline, (error) =>
          error === undefined ? resolve() : reject(this.#unreachable(error)),
        )
      })
    }
  }

  /** @throws RpcCallError, or the abort reason */
  call(
    method: UnaryMethod,
    request: unknown,
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
  ): Promise<unknown> {
    const { path, requestSerialize, responseDeserialize } = SERVERS_SERVICE[method]
    const { signal } = options
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const onAbort = (): void => {
        call.cancel()
        reject(signal?.reason)
      }
      const call = this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        box(request),
        new this.#grpc.Metadata(),
        { deadline: this.#deadline(options.timeoutMs) },
        (error, reply) => {
          signal?.removeEventListener('abort', onAbort)
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

  /** @throws (while iterating) RpcCallError, or the abort reason */
  async *stream(
    method: StreamMethod,
    request: unknown,
    signal: AbortSignal,
  ): AsyncGenerator<unknown> {
    signal.throwIfAborted()
    const { path, requestSerialize, responseDeserialize } = SERVERS_SERVICE[method]
    const call: ClientReadableStream<Boxed> = this.#client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      box(request),
      new this.#grpc.Metadata(),
    )
    const onAbort = (): void => call.cancel()
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      for await (const message of call as AsyncIterable<Boxed>) {
        if (message.kind === 'undecodable') {
          throw new RpcCallError({ kind: 'lost', error: message.error })
        }
        yield message.value
      }
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

  /** Idempotent. Calls that run fail as lost. */
  close(): void {
    this.#client.close()
  }

  #unreachable(cause?: unknown): FairleadError {
    const message = `rpc error making call: cannot connect to "${this.address}"`
    return new FairleadError('NO_SERVERS', message, { cause })
  }

  #deadline(timeoutMs: number): number {
    return this.#clock.wall() + timeoutMs
  }
}

function isServiceError(thrown: unknown): thrown is ServiceError {
  return thrown instanceof Error && 'metadata' in thrown && 'details' in thrown
}
