/**
 * The seam between who receives a call and who carries it on: two interfaces that every protocol of the
 * proxy implements on its side. An exchange is one HTTP request with its response, or one raw TCP stream.
 *
 * Rules for both directions:
 * 1. Bytes passed to `data` belong to the caller of the method: what is kept must be copied.
 * 2. `data` takes everything it is given. A false result asks the source to stop reading until the
 *    counterpart's `resume…` is called; what the source had read already may still follow.
 * 3. After `end`, `abort` or `onFailed` nothing more is sent that way, and after a failure nothing at all.
 * 4. Calls never re-enter the caller synchronously with a failure except from `start`.
 */

import type { ErrorCode } from '../../core/errors.ts'
import type { ResponseHead } from '../http1/message.ts'

/** Why an exchange could not be carried on. */
export interface Failure {
  readonly code: ErrorCode
  /** Of the answer, where it is not the one of the code. */
  readonly status?: number
  /** Sentence for the caller and the log; see http1/replies.ts for the status. */
  readonly reason: string
  /**
   * `never-sent`: certainly no byte reached an application, another attempt is safe. `maybe-sent`: only an
   * idempotent request may be sent again. `final`: no other attempt would do better.
   */
  readonly retry: 'never-sent' | 'maybe-sent' | 'final'
}

/** The side towards the callee, as the caller's side sees it. */
export interface RequestSink {
  data(bytes: Buffer, from: number, to: number): boolean
  /** At most once, directly before `end`. Canonical trailer fields. */
  trailers(text: string): void
  end(): void
  /** Gives up: the caller is gone or was cut. Nothing more is reported. Idempotent. */
  abort(): void
  resumeResponse(): void
}

/** The side towards the caller, as the callee's side sees it. */
export interface ResponseSink {
  /** 1xx, any number of times before `onResponse`. HTTP only. */
  onInterim(head: ResponseHead): void
  /** HTTP only; a raw stream begins with its first data. */
  onResponse(head: ResponseHead): void
  onData(bytes: Buffer, from: number, to: number): boolean
  /** At most once, directly before `onResponseEnd`. */
  onTrailers(text: string): void
  onResponseEnd(): void
  onFailed(failure: Failure): void
  resumeRequest(): void
}
