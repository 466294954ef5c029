/**
 * Rates of requests of a server, with time under control.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { RequestLimitMode } from '../../../../core/config/limits.ts'
import { silentLogger } from '../../../../core/log.ts'
import { unrecordedMetrics } from '../../../../core/metrics/metrics.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'
import { RequestLimiter } from '../../../../server/api/request-limiter.ts'

const SLOW = { requestsPerSecond: 2, burst: 3 }

function limiter(mode: RequestLimitMode, { isLeader = false } = {}) {
  const clock = new ManualClock()
  const made = new RequestLimiter(
    { mode, read: SLOW, write: SLOW },
    { clock, log: silentLogger, metrics: unrecordedMetrics, isLeader: () => isLeader },
  )
  const admitted = (kind: 'read' | 'write', count: number): number => {
    let passed = 0
    for (let i = 0; i < count; i++) {
      try {
        made.admit(kind, 'x')
        passed++
      } catch {
        // counted by what is missing
      }
    }
    return passed
  }
  return { made, clock, admitted }
}

describe('the limiter of requests', () => {
  it('lets a burst through, then the rate; reads and writes do not take from each other', () => {
    const { clock, admitted } = limiter('enforcing')
    assert.equal(admitted('read', 10), 3)
    assert.equal(admitted('write', 10), 3)
    clock.advance(1_000)
    assert.equal(admitted('read', 10), 2)
    clock.advance(60_000)
    assert.equal(admitted('read', 10), 3)
  })

  it('says where to try again', () => {
    const follower = limiter('enforcing')
    follower.admitted('write', 3)
    assert.throws(() => follower.made.admit('write', 'kv'), {
      code: 'RATE_LIMITED',
      message: 'rate limit exceeded, try again later or against a different server',
    })
    const leader = limiter('enforcing', { isLeader: true })
    leader.admitted('write', 3)
    leader.admitted('read', 3)
    assert.throws(() => leader.made.admit('write', 'kv'), {
      code: 'LEADER_RATE_LIMITED',
      message:
        'rate limit exceeded for operation that can only be performed by the leader, try again later',
    })
    assert.throws(() => leader.made.admit('read', 'kv.get'), { code: 'RATE_LIMITED' })
  })

  it('refuses nothing where it is permissive or off, and follows a reload', () => {
    for (const mode of ['permissive', 'disabled'] as const) {
      assert.equal(limiter(mode).admitted('read', 50), 50)
    }
    const { made, admitted } = limiter('enforcing')
    made.reload({ mode: 'enforcing', read: undefined, write: SLOW })
    assert.equal(admitted('read', 50), 50)
    assert.equal(admitted('write', 50), 3)
  })
})
