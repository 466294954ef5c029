/**
 * Why the proxy itself ends a call that nothing went wrong with: faults, rates, sizes and deadlines that were asked for.
 */

import type { Failure } from './types.ts'

export const ABORTED: Failure = {
  code: 'FAULT_INJECTED',
  reason: 'fault filter abort',
  retry: 'final',
}

export const TOO_MANY: Failure = {
  code: 'RATE_LIMITED',
  reason: 'local_rate_limited',
  retry: 'final',
}

export const REQUEST_TOO_LARGE: Failure = {
  code: 'TOO_LARGE',
  reason: 'the body of the request is longer than the service takes',
  retry: 'final',
}

export const RESPONSE_TOO_LARGE: Failure = {
  code: 'UPSTREAM_INVALID',
  reason: 'the body of the answer is longer than the service may send',
  retry: 'final',
}

export const EXPIRED: Failure = {
  code: 'DEADLINE_EXCEEDED',
  reason: 'upstream request timeout',
  retry: 'final',
}
