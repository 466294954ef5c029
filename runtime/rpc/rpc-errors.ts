/**
 * Failures on the wire: the catalogue's code in the trailer `x-fairlead-error`, the text in the status.
 *
 * Guarantees: a FairleadError that leaves one side arrives with the same code, and with its message (cut at
 * MESSAGE_CHARS_MAX) behind the words for a hop, as Consul's clients know it; what arrives without the trailer
 * was not said by a server of ours, but by the transport.
 */

import type { Metadata, ServiceError } from '@grpc/grpc-js'
import { ERRORS, type ErrorCode, FairleadError, toFairleadError } from '../../core/errors.ts'

export const ERROR_TRAILER = 'x-fairlead-error'
export const MESSAGE_CHARS_MAX = 2048

/** Before what another agent has said, once for each that passed it on. */
const HOP = 'rpc error making call: '

/** Status numbers of gRPC that this layer tells apart. */
const CANCELLED = 1
const DEADLINE_EXCEEDED = 4
const RESOURCE_EXHAUSTED = 8
const UNIMPLEMENTED = 12

export interface FailedStatus {
  readonly code: number
  readonly details: string
  readonly metadata: Metadata
}

export type RpcFailure =
  /** The server judged the call; `error` is its word. */
  | { readonly kind: 'refused'; readonly error: FairleadError }
  /** The call may or may not have been executed. */
  | { readonly kind: 'lost'; readonly error: FairleadError }

/** @param newMetadata of grpc-js, handed in because the library is loaded late */
export function toStatus(thrown: unknown, newMetadata: () => Metadata): FailedStatus {
  const error = toFairleadError(thrown)
  const metadata = newMetadata()
  metadata.set(ERROR_TRAILER, error.code)
  return {
    code: error.entry.grpcStatus,
    details: error.message.slice(0, MESSAGE_CHARS_MAX),
    metadata,
  }
}

export function readFailure(error: ServiceError): RpcFailure {
  const code = error.metadata?.get(ERROR_TRAILER)[0]
  if (typeof code === 'string' && Object.hasOwn(ERRORS, code)) {
    return {
      kind: 'refused',
      error: new FairleadError(code as ErrorCode, `${HOP}${error.details}`, { cause: error }),
    }
  }
  if (error.code === RESOURCE_EXHAUSTED) {
    return {
      kind: 'refused',
      error: new FairleadError('TOO_LARGE', `The message is too large: ${error.details}`, {
        cause: error,
      }),
    }
  }
  if (error.code === UNIMPLEMENTED) {
    return {
      kind: 'refused',
      error: new FairleadError('NOT_SUPPORTED', 'The server does not know this call', {
        cause: error,
      }),
    }
  }
  const what = LOST[error.code] ?? 'the connection to the server was lost'
  return {
    kind: 'lost',
    error: new FairleadError('NO_SERVERS', `${HOP}${what}`, { cause: error }),
  }
}

const LOST: Readonly<Record<number, string>> = {
  [CANCELLED]: 'the call was cancelled',
  [DEADLINE_EXCEEDED]: 'i/o timeout',
}
