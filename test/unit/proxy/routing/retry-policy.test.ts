/**
 * What each retry condition tries again, and the waits between attempts (mesh.md 10.7).
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRng } from '../../../../core/rng.ts'
import type { Failure } from '../../../../proxy/exchange/types.ts'
import { RetryPolicy } from '../../../../proxy/routing/retry-policy.ts'

function policy(conditions: readonly string[], statusCodes: readonly number[] = []): RetryPolicy {
  return new RetryPolicy({ retriesMax: 2, conditions, statusCodes }, seededRng(1))
}

const failure = (retry: Failure['retry']): Failure => ({
  code: 'UPSTREAM_UNREACHABLE',
  reason: '',
  retry,
})

/** Statuses of 409, 500, 503 and kinds of failure that are tried again. */
function retried(of: RetryPolicy): string {
  const statuses = [409, 500, 503].filter((status) => of.retriesStatus(status))
  const kinds = (['never-sent', 'maybe-sent', 'final'] as const).filter((kind) =>
    of.retriesFailure(failure(kind)),
  )
  return [...statuses, ...kinds].join(' ')
}

test('each condition covers what it says', () => {
  assert.equal(retried(policy(['5xx'])), '500 503 never-sent maybe-sent')
  assert.equal(retried(policy(['gateway-error'])), '503 never-sent maybe-sent')
  assert.equal(retried(policy(['reset'])), 'never-sent maybe-sent')
  assert.equal(retried(policy(['connect-failure'])), 'never-sent')
  assert.equal(retried(policy(['refused-stream'])), 'never-sent')
  assert.equal(retried(policy(['retriable-4xx'])), '409')
  assert.equal(retried(policy([], [500])), '500')
  assert.equal(retried(policy(['unavailable'])), '')
})

test('waits grow, are spread over their whole range and stay within 250 ms', () => {
  const of = policy(['5xx'])
  for (const [attempt, most] of [
    [1, 25],
    [2, 75],
    [3, 175],
    [4, 250],
    [60, 250],
  ] as const) {
    const waits = Array.from({ length: 500 }, () => of.backoffMs(attempt))
    assert.ok(Math.max(...waits) <= most && Math.max(...waits) > most * 0.9, `${attempt}`)
    assert.ok(Math.min(...waits) < most * 0.1, `${attempt}`)
  }
})
