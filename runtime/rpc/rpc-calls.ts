/**
 * Calls of others while they run: gRPC calls in, handlers of our own words called, their outcome back.
 *
 * Guarantees: a handler's signal aborts when the caller cancels, its deadline passes or the calls are cut;
 * whatever a handler throws becomes a status with its code; a slow reader of a stream holds its handler
 * back and a slow handler its sender (`write() === false` and pauses are honoured), so memory does not grow.
 * While draining new calls are refused with SHUTTING_DOWN. Bound: CALLS_MAX at once (RATE_LIMITED beyond).
 */

import { once } from 'node:events'
import type {
  Metadata,
  ServerReadableStream,
  ServerUnaryCall,
  ServerWritableStream,
  sendUnaryData,
} from '@grpc/grpc-js'
import { FairleadError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import { type Boxed, box, SECRET_METADATA, unbox } from './envelope.ts'
import type { GrpcLibrary } from './grpc-library.ts'
import { chunkOf, type ImagePart } from './image-part.ts'
import { type FailedStatus, toStatus } from './rpc-errors.ts'

export const CALLS_MAX = 65_536

interface CallScope {
  readonly signal: AbortSignal
  close(): void
}

export class RpcCalls {
  readonly #grpc: GrpcLibrary
  readonly #log: Logger
  readonly #cutting = new AbortController()
  readonly #idleWaiters = new Set<() => void>()
  #running = 0
  #isDraining = false

  constructor(grpc: GrpcLibrary, log: Logger) {
    this.#grpc = grpc
    this.#log = log
  }

  /** Takes no new calls and waits for those that run, until the signal aborts. */
  async drain(signal: AbortSignal): Promise<void> {
    this.#isDraining = true
    if (this.#running === 0 || signal.aborted) return
    await new Promise<void>((resolve) => {
      const done = (): void => {
        this.#idleWaiters.delete(done)
        signal.removeEventListener('abort', done)
        resolve()
      }
      this.#idleWaiters.add(done)
      signal.addEventListener('abort', done)
    })
  }

  /** Aborts what runs. Idempotent. */
  cut(): void {
    this.#isDraining = true
    this.#cutting.abort(shuttingDown())
  }

  unary(handler: (request: unknown, signal: AbortSignal, secret: string) => Promise<unknown>) {
    return async (
      call: ServerUnaryCall<Boxed, Boxed>,
      callback: sendUnaryData<Boxed>,
    ): Promise<void> => {
      const scope = this.#openCall(call)
      try {
        this.#admit()
        const secret = secretOf(call.metadata)
        callback(null, box(await handler(unbox(call.request), scope.signal, secret)))
      } catch (thrown) {
        if (!call.cancelled) callback(this.status(thrown))
      } finally {
        scope.close()
      }
    }
  }

  download<T>(
    handler: (request: unknown, signal: AbortSignal, secret: string) => AsyncIterable<T>,
  ) {
    return async (call: ServerWritableStream<Boxed, T>): Promise<void> => {
      const scope = this.#openCall(call)
      try {
        this.#admit()
        const secret = secretOf(call.metadata)
        for await (const message of handler(unbox(call.request), scope.signal, secret)) {
          if (scope.signal.aborted) break
          if (!call.write(message)) await once(call, 'drain', { signal: scope.signal })
        }
        scope.signal.throwIfAborted()
        call.end()
      } catch (thrown) {
        if (!call.cancelled) call.emit('error', this.status(thrown))
      } finally {
        scope.close()
      }
    }
  }

  upload(
    handler: (
      chunks: AsyncIterable<Uint8Array>,
      signal: AbortSignal,
      secret: string,
    ) => Promise<unknown>,
  ) {
    return async (
      call: ServerReadableStream<ImagePart, Boxed>,
      callback: sendUnaryData<Boxed>,
    ): Promise<void> => {
      const scope = this.#openCall(call)
      try {
        this.#admit()
        const secret = secretOf(call.metadata)
        callback(null, box(await handler(received(call, scope.signal), scope.signal, secret)))
      } catch (thrown) {
        if (!call.cancelled) callback(this.status(thrown))
      } finally {
        scope.close()
        // What the handler did not want to read must not hold the connection.
        call.resume()
      }
    }
  }

  status(thrown: unknown): FailedStatus {
    if (!(thrown instanceof FairleadError)) this.#log.error('rpc handler failed', { err: thrown })
    return toStatus(thrown, () => new this.#grpc.Metadata())
  }

  #openCall(call: { on(event: 'cancelled', listener: () => void): unknown }): CallScope {
    const cancelled = new AbortController()
    this.#running += 1
    const onCut = (): void => cancelled.abort(this.#cutting.signal.reason)
    this.#cutting.signal.addEventListener('abort', onCut, { once: true })
    call.on('cancelled', () =>
      cancelled.abort(new FairleadError('NO_SERVERS', 'The caller went away')),
    )
    return {
      signal: cancelled.signal,
      close: () => {
        this.#running -= 1
        this.#cutting.signal.removeEventListener('abort', onCut)
        if (this.#running > 0) return
        for (const wake of [...this.#idleWaiters]) wake()
      },
    }
  }

  #admit(): void {
    if (this.#isDraining) throw shuttingDown()
    if (this.#running <= CALLS_MAX) return
    throw new FairleadError(
      'RATE_LIMITED',
      'rate limit exceeded, try again later or against a different server',
    )
  }
}

/** '' for none. */
function secretOf(metadata: Metadata): string {
  const [value] = metadata.get(SECRET_METADATA)
  return value === undefined ? '' : value.toString()
}

async function* received(
  call: ServerReadableStream<ImagePart, Boxed>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const cut = (): void => void call.destroy(signal.reason)
  signal.addEventListener('abort', cut, { once: true })
  try {
    for await (const message of call as AsyncIterable<ImagePart>) yield chunkOf(message)
    signal.throwIfAborted()
  } finally {
    signal.removeEventListener('abort', cut)
  }
}

function shuttingDown(): FairleadError {
  return new FairleadError('SHUTTING_DOWN', 'The server is shutting down')
}
