/**
 * The listening side of RPC: gRPC calls in, handlers of our own words out.
 *
 * Guarantees: a handler's signal aborts when the caller cancels, its deadline passes or the host stops;
 * whatever a handler throws becomes a status with its code; a slow reader of a stream holds its handler
 * back (`write() === false` is honoured), so memory does not grow. After `stop` nothing of ours listens.
 * Bounds: CALLS_MAX at once (RATE_LIMITED beyond), message sizes of envelope.ts, keepalive below.
 */

import { once } from 'node:events'
import type {
  Server,
  ServerDuplexStream,
  ServerUnaryCall,
  ServerWritableStream,
  sendUnaryData,
  UntypedServiceImplementation,
} from '@grpc/grpc-js'
import { FairleadError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import { serverStream } from './byte-stream.ts'
import {
  type Boxed,
  box,
  REPLY_BYTES_MAX,
  REQUEST_BYTES_MAX,
  SERVERS_SERVICE,
  type UnaryMethod,
  unbox,
} from './envelope.ts'
import { type GrpcLibrary, loadGrpc } from './grpc-library.ts'
import { FRAME_BYTES_MAX } from './raft-frame.ts'
import { RAFT_SERVICE, type RaftLane, type RaftStreams } from './raft-service.ts'
import { toStatus } from './rpc-errors.ts'

export const CALLS_MAX = 65_536
const KEEPALIVE_MS = 30_000
const KEEPALIVE_TIMEOUT_MS = 10_000

export type RpcHandlers = {
  readonly [M in UnaryMethod]: (request: unknown, signal: AbortSignal) => Promise<unknown>
} & {
  readonly subscribe: (request: unknown, signal: AbortSignal) => AsyncIterable<unknown>
}

export interface RpcHostOptions {
  readonly address: string
  /** 0 takes a free one. */
  readonly port: number
}

export interface RpcHostDeps {
  readonly handlers: RpcHandlers
  /** Takes the streams that other servers dial; without it there is no Raft service. */
  readonly raft?: RaftStreams
  readonly log: Logger
}

export class RpcHost {
  readonly #options: RpcHostOptions
  readonly #deps: RpcHostDeps
  readonly #stopping = new AbortController()
  #grpc: GrpcLibrary | undefined
  #server: Server | undefined
  #port = 0
  #calls = 0

  constructor(options: RpcHostOptions, deps: RpcHostDeps) {
    this.#options = options
    this.#deps = deps
  }

  /** The bound port; 0 before `start`. */
  get port(): number {
    return this.#port
  }

  /** @throws FairleadError INVALID_CONFIG when the address cannot be bound */
  async start(): Promise<void> {
    this.#grpc = await loadGrpc()
    const server = new this.#grpc.Server({
      'grpc.max_receive_message_length': Math.max(REQUEST_BYTES_MAX, FRAME_BYTES_MAX),
      'grpc.max_send_message_length': REPLY_BYTES_MAX,
      'grpc.keepalive_time_ms': KEEPALIVE_MS,
      'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
      'grpc.max_concurrent_streams': CALLS_MAX,
      // Channelz stays on: without it grpc-js 1.14 keeps no list of connections and `forceShutdown`
      // leaves them open.
    })
    server.addService(SERVERS_SERVICE, this.#implementation())
    const { raft } = this.#deps
    if (raft !== undefined) server.addService(RAFT_SERVICE, this.#raftImplementation(raft))
    this.#port = await this.#bind(server, this.#grpc)
    this.#server = server
  }

  /** Takes no new calls and waits for those that run, until the signal aborts. */
  async drain(signal: AbortSignal): Promise<void> {
    const server = this.#server
    if (server === undefined || signal.aborted) return
    await new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true })
      server.tryShutdown(() => resolve())
    })
  }

  /** Cuts. Idempotent. */
  async stop(): Promise<void> {
    this.#stopping.abort(new FairleadError('SHUTTING_DOWN', 'The server is shutting down'))
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    // The first knows when the sockets are gone, the second makes them go.
    const closed = new Promise<void>((resolve) => server.tryShutdown(() => resolve()))
    server.forceShutdown()
    await closed
  }

  #bind(server: Server, grpc: GrpcLibrary): Promise<number> {
    const { address, port } = this.#options
    const host = address.includes(':') ? `[${address}]` : address
    return new Promise((resolve, reject) => {
      server.bindAsync(
        `${host}:${port}`,
        grpc.ServerCredentials.createInsecure(),
        (error, bound) => {
          if (error === null) return resolve(bound)
          server.forceShutdown()
          const message = `Cannot listen for RPC on "${host}:${port}": ${error.message}`
          return reject(new FairleadError('INVALID_CONFIG', message, { cause: error }))
        },
      )
    })
  }

  #implementation(): UntypedServiceImplementation {
    const unary = (method: UnaryMethod) => {
      return (call: ServerUnaryCall<Boxed, Boxed>, callback: sendUnaryData<Boxed>): void =>
        void this.#answer(method, call, callback)
    }
    return {
      read: unary('read'),
      write: unary('write'),
      signLeaf: unary('signLeaf'),
      renewSession: unary('renewSession'),
      status: unary('status'),
      subscribe: (call: ServerWritableStream<Boxed, Boxed>): void => void this.#feed(call),
    }
  }

  #raftImplementation(accept: RaftStreams): UntypedServiceImplementation {
    const lane = (name: RaftLane) => (call: ServerDuplexStream<Buffer, Buffer>) =>
      accept(
        name,
        serverStream(call, (error) => this.#status(error)),
      )
    return { append: lane('append'), signal: lane('signal'), image: lane('image') }
  }

  async #answer(
    method: UnaryMethod,
    call: ServerUnaryCall<Boxed, Boxed>,
    callback: sendUnaryData<Boxed>,
  ): Promise<void> {
    const scope = this.#openCall(call)
    try {
      const request = this.#requestOf(call.request)
      callback(null, box(await this.#deps.handlers[method](request, scope.signal)))
    } catch (thrown) {
      if (!call.cancelled) callback(this.#status(thrown))
    } finally {
      scope.close()
    }
  }

  async #feed(call: ServerWritableStream<Boxed, Boxed>): Promise<void> {
    const scope = this.#openCall(call)
    try {
      const request = this.#requestOf(call.request)
      for await (const message of this.#deps.handlers.subscribe(request, scope.signal)) {
        if (scope.signal.aborted) break
        if (!call.write(box(message))) await once(call, 'drain', { signal: scope.signal })
      }
      scope.signal.throwIfAborted()
      call.end()
    } catch (thrown) {
      if (!call.cancelled) call.emit('error', this.#status(thrown))
    } finally {
      scope.close()
    }
  }

  #openCall(call: { on(event: 'cancelled', listener: () => void): unknown }): {
    readonly signal: AbortSignal
    close(): void
  } {
    const cancelled = new AbortController()
    this.#calls += 1
    const onStop = (): void => cancelled.abort(this.#stopping.signal.reason)
    this.#stopping.signal.addEventListener('abort', onStop, { once: true })
    call.on('cancelled', () =>
      cancelled.abort(new FairleadError('NO_SERVERS', 'The caller went away')),
    )
    return {
      signal: cancelled.signal,
      close: () => {
        this.#calls -= 1
        this.#stopping.signal.removeEventListener('abort', onStop)
      },
    }
  }

  #requestOf(request: Boxed): unknown {
    if (this.#calls > CALLS_MAX) {
      throw new FairleadError(
        'RATE_LIMITED',
        'rate limit exceeded, try again later or against a different server',
      )
    }
    return unbox(request)
  }

  #status(thrown: unknown) {
    if (!(thrown instanceof FairleadError)) {
      this.#deps.log.error('rpc handler failed', { err: thrown })
    }
    const grpc = this.#grpc
    if (grpc === undefined) throw thrown
    return toStatus(thrown, () => new grpc.Metadata())
  }
}
