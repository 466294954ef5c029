/**
 * The one catalogue of failures: code → HTTP status, gRPC status, retryable, hint.
 *
 * The code crosses every wire (gRPC trailer `x-fairlead-error`, HTTP header of the same name); nobody
 * matches message text. `message` is what a Consul client would see, so its wording is part of the
 * contract of specification http-api.md section 2.2.
 */

export interface ErrorEntry {
  readonly httpStatus: number
  readonly grpcStatus: number
  /** A later identical attempt may succeed, and repeating it is safe. */
  readonly retryable: boolean
  /** What the operator can do; shown by the CLI, never sent in an HTTP body. */
  readonly hint?: string
}

const INVALID_ARGUMENT = 3
const DEADLINE_EXCEEDED = 4
const NOT_FOUND = 5
const PERMISSION_DENIED = 7
const RESOURCE_EXHAUSTED = 8
const FAILED_PRECONDITION = 9
const UNIMPLEMENTED = 12
const INTERNAL = 13
const UNAVAILABLE = 14

export const ERRORS = {
  /** The request cannot be understood or a field is invalid. */
  BAD_REQUEST: { httpStatus: 400, grpcStatus: INVALID_ARGUMENT, retryable: false },
  /** The request was understood and refused by a rule of the state store (Consul answers 500). */
  REJECTED: { httpStatus: 500, grpcStatus: FAILED_PRECONDITION, retryable: false },
  NOT_FOUND: { httpStatus: 404, grpcStatus: NOT_FOUND, retryable: false },
  /** Access control is off (http-api.md 2.1). */
  ACL_DISABLED: { httpStatus: 401, grpcStatus: FAILED_PRECONDITION, retryable: false },
  PERMISSION_DENIED: { httpStatus: 403, grpcStatus: PERMISSION_DENIED, retryable: false },
  TOO_LARGE: { httpStatus: 413, grpcStatus: INVALID_ARGUMENT, retryable: false },
  RATE_LIMITED: { httpStatus: 429, grpcStatus: RESOURCE_EXHAUSTED, retryable: true },
  /** A write, on the leader: another server would only hand it over. */
  LEADER_RATE_LIMITED: { httpStatus: 503, grpcStatus: RESOURCE_EXHAUSTED, retryable: true },
  NOT_SUPPORTED: { httpStatus: 501, grpcStatus: UNIMPLEMENTED, retryable: false },
  NO_LEADER: {
    httpStatus: 500,
    grpcStatus: UNAVAILABLE,
    retryable: true,
    hint: 'check that a majority of the servers is running: fairlead members',
  },
  NO_SERVERS: {
    httpStatus: 500,
    grpcStatus: UNAVAILABLE,
    retryable: true,
    hint: 'join a cluster: fairlead agent -retry-join <address of a server>',
  },
  NO_PATH_TO_DATACENTER: { httpStatus: 500, grpcStatus: NOT_FOUND, retryable: false },
  /** The write may or may not have been applied (raft.md 16.1). */
  OUTCOME_UNKNOWN: { httpStatus: 500, grpcStatus: DEADLINE_EXCEEDED, retryable: false },
  /** The request had been applied before, and what came of it is no longer kept (raft.md 16.2). */
  RESULT_FORGOTTEN: { httpStatus: 500, grpcStatus: DEADLINE_EXCEEDED, retryable: false },
  /** Not leader, transfer in progress, queue full: nothing was appended. */
  BUSY: { httpStatus: 500, grpcStatus: UNAVAILABLE, retryable: true },
  /** The CA's key is sealed with a key that this server does not have. */
  CA_KEY_SEALED: {
    httpStatus: 500,
    grpcStatus: FAILED_PRECONDITION,
    retryable: false,
    hint: 'give every server the same connect.ca_sealing_keys, older keys after the first',
  },
  SHUTTING_DOWN: { httpStatus: 500, grpcStatus: UNAVAILABLE, retryable: true },
  STORAGE_FAILED: {
    httpStatus: 500,
    grpcStatus: INTERNAL,
    retryable: false,
    hint: 'the disk failed or is full; free space or replace it, then start the agent again',
  },
  /** Refused while there is still room for deletes; nothing was appended (raft.md 15.2). */
  STORAGE_FULL: {
    httpStatus: 500,
    grpcStatus: RESOURCE_EXHAUSTED,
    retryable: true,
    hint: 'free space on the disk of the leading server: fairlead operator raft list-peers',
  },
  STORAGE_CORRUPT: {
    httpStatus: 500,
    grpcStatus: INTERNAL,
    retryable: false,
    hint: 'see docs/how-to/recover-a-server.md',
  },
  /** Request line over its limit; of the proxy, like all codes down to FAULT_INJECTED (mesh.md 10.12). */
  URI_TOO_LONG: { httpStatus: 414, grpcStatus: INVALID_ARGUMENT, retryable: false },
  HEADERS_TOO_LARGE: { httpStatus: 431, grpcStatus: INVALID_ARGUMENT, retryable: false },
  /** No instance of the destination is healthy. */
  UPSTREAM_UNHEALTHY: {
    httpStatus: 503,
    grpcStatus: UNAVAILABLE,
    retryable: true,
    hint: 'see which checks fail: curl 127.0.0.1:8500/v1/health/connect/<destination>',
  },
  /** No connection could be made; the request reached no instance. */
  UPSTREAM_UNREACHABLE: { httpStatus: 503, grpcStatus: UNAVAILABLE, retryable: true },
  /** The connection ended before a response; the request may have been handled. */
  UPSTREAM_RESET: { httpStatus: 503, grpcStatus: UNAVAILABLE, retryable: false },
  /** A limit on connections or requests in flight is reached. */
  UPSTREAM_OVERLOADED: { httpStatus: 503, grpcStatus: UNAVAILABLE, retryable: true },
  /** The instance answered with what is not valid HTTP. */
  UPSTREAM_INVALID: { httpStatus: 502, grpcStatus: UNAVAILABLE, retryable: false },
  UPSTREAM_TIMEOUT: { httpStatus: 504, grpcStatus: UNAVAILABLE, retryable: false },
  /** The time that the caller gives was over before the answer was there. */
  DEADLINE_EXCEEDED: { httpStatus: 504, grpcStatus: DEADLINE_EXCEEDED, retryable: false },
  /** A fault that a route puts in the way on purpose. */
  FAULT_INJECTED: { httpStatus: 503, grpcStatus: UNAVAILABLE, retryable: true },
  INVALID_CONFIG: { httpStatus: 500, grpcStatus: INVALID_ARGUMENT, retryable: false },
  INTERNAL: { httpStatus: 500, grpcStatus: INTERNAL, retryable: false },
} as const satisfies Record<string, ErrorEntry>

export type ErrorCode = keyof typeof ERRORS

export class FairleadError extends Error {
  override readonly name = 'FairleadError'
  readonly code: ErrorCode
  readonly facts: Readonly<Record<string, unknown>>

  constructor(
    code: ErrorCode,
    message: string,
    options: { readonly facts?: Readonly<Record<string, unknown>>; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.facts = options.facts ?? {}
  }

  get entry(): ErrorEntry {
    return ERRORS[this.code]
  }
}

/** Wraps what was thrown, keeping a FairleadError as it is. */
export function toFairleadError(thrown: unknown): FairleadError {
  if (thrown instanceof FairleadError) return thrown
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return new FairleadError('INTERNAL', message, { cause: thrown })
}
