/**
 * A stream of opaque messages in both directions: the same for who dials and who is dialled. Here over one gRPC
 * call; feed-socket.ts has the other kind.
 *
 * Guarantees: `onEnd` is called once, after which nothing is received and writes do nothing. What the other
 * side said when it refused arrives as its FairleadError; a broken connection as NO_SERVERS. Knows nothing
 * of what the bytes mean. Bound: the caller's; `write` tells when a message has left.
 */

import type { ClientDuplexStream, ServerDuplexStream, ServiceError } from '@grpc/grpc-js'
import { FairleadError } from '../../core/errors.ts'
import type { FailedStatus } from './rpc-errors.ts'
import { readFailure } from './rpc-errors.ts'

export interface ByteStream {
  /** `done` is called when the bytes were handed to the socket, not at all when the stream ends before. */
  write(bytes: Buffer, done: () => void): void
  /** No more writes; the other side may still speak. */
  finish(): void
  /** Ends both directions. On the dialled side `error` is told to the other. Idempotent. */
  end(error?: FairleadError): void
  /** Sets the one receiver, in order; `pause` and `resume` hold it back. */
  onBytes(receiver: (bytes: Buffer) => void): void
  /** The other side has finished writing. */
  onFinished(listener: () => void): void
  /** @param listener gets null when it ended in good order */
  onEnd(listener: (error: FairleadError | null) => void): void
  pause(): void
  resume(): void
}

export function clientStream(call: ClientDuplexStream<Buffer, Buffer>): ByteStream {
  let hasEnded = false
  return {
    write: (bytes, done) => {
      if (!hasEnded) call.write(bytes, done)
    },
    finish: () => void (hasEnded || call.end()),
    end: () => call.cancel(),
    onBytes: (receiver) => void call.on('data', receiver),
    onFinished: (listener) => void call.on('end', listener),
    onEnd: (listener) => {
      const ended = (error: FairleadError | null): void => {
        if (hasEnded) return
        hasEnded = true
        listener(error)
      }
      call.on('error', (error: ServiceError) => ended(readFailure(error).error))
      // grpc-js tells the status last of all, but an error before it.
      call.on('status', ({ code }: { readonly code: number }) => ended(code === 0 ? null : LOST))
    },
    pause: () => void call.pause(),
    resume: () => void call.resume(),
  }
}

/** @param toStatus makes the status that tells the other side why */
export function serverStream(
  call: ServerDuplexStream<Buffer, Buffer>,
  toStatus: (error: FairleadError) => FailedStatus,
): ByteStream {
  let hasEnded = false
  let onEnded: ((error: FairleadError | null) => void) | undefined
  const ended = (error: FairleadError | null): void => {
    if (hasEnded) return
    hasEnded = true
    onEnded?.(error)
  }
  call.on('cancelled', () => ended(LOST))
  call.on('error', () => ended(LOST))
  return {
    write: (bytes, done) => {
      if (!hasEnded) call.write(bytes, done)
    },
    finish: () => void (hasEnded || call.end()),
    end: (error) => {
      if (hasEnded) return
      ended(error ?? null)
      if (error === undefined) call.end()
      else call.emit('error', toStatus(error))
    },
    onBytes: (receiver) => void call.on('data', (bytes) => void (hasEnded || receiver(bytes))),
    onFinished: (listener) => void call.on('end', listener),
    onEnd: (listener) => {
      onEnded = listener
    },
    pause: () => void call.pause(),
    resume: () => void call.resume(),
  }
}

/** The same stream, which also ends, as lost, when the signal aborts. */
export function endingWith(stream: ByteStream, signal: AbortSignal): ByteStream {
  let onEnded: ((error: FairleadError | null) => void) | undefined
  const over = (error: FairleadError | null): void => {
    signal.removeEventListener('abort', cut)
    onEnded?.(error)
  }
  const cut = (): void => stream.end()
  signal.addEventListener('abort', cut, { once: true })
  stream.onEnd(over)
  return {
    write: (bytes, done) => stream.write(bytes, done),
    finish: () => stream.finish(),
    end: (error) => stream.end(error),
    onBytes: (receiver) => stream.onBytes(receiver),
    onFinished: (listener) => stream.onFinished(listener),
    onEnd: (listener) => {
      onEnded = listener
    },
    pause: () => stream.pause(),
    resume: () => stream.resume(),
  }
}

/** The connection broke, without a word of the other side. */
export const LOST = new FairleadError(
  'NO_SERVERS',
  'rpc error making call: the connection was lost',
)
