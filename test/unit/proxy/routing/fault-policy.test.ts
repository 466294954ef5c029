/**
 * Which requests meet a fault, and which one.
 */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { FaultSpec } from '../../../../core/mesh/proxy-snapshot.ts'
import { seededRng } from '../../../../core/rng.ts'
import { wallTime } from '../../../../core/time.ts'
import { RequestView } from '../../../../proxy/http1/request-view.ts'
import { FaultPolicy } from '../../../../proxy/routing/fault-policy.ts'

const NONE: FaultSpec = {
  delayMs: 0,
  delayPercent: 0,
  abortStatus: 0,
  abortPercent: 0,
  isHeaderControlled: false,
  maxActive: 0,
}

const policy = (spec: Partial<FaultSpec>, now = 0): FaultPolicy =>
  new FaultPolicy({ ...NONE, ...spec }, seededRng(3), () => wallTime(now))

const view = (fields = ''): RequestView => new RequestView(`GET / HTTP/1.1\r\nhost: a\r\n${fields}`)

it('happens as often as its percentage says, wait and answer on their own', () => {
  const of = policy({ delayMs: 5, delayPercent: 20, abortStatus: 503, abortPercent: 50 })
  const drawn = Array.from({ length: 10_000 }, () => of.draw(view()))
  const delayed = drawn.filter((fault) => fault?.delayMs === 5).length
  const aborted = drawn.filter((fault) => fault?.abortStatus === 503).length
  assert.ok(Math.abs(delayed - 2000) < 150, `${delayed}`)
  assert.ok(Math.abs(aborted - 5000) < 200, `${aborted}`)
})

it('ends at its expiry, and spares those beyond the number that may wait', () => {
  const spec = { delayMs: 5, delayPercent: 100, expiresAt: 1000, maxActive: 1 }
  const of = policy(spec, 999)
  assert.equal(of.draw(view())?.delayMs, 5)
  of.waiting = 1
  assert.equal(of.draw(view()), undefined)
  assert.equal(policy(spec, 1000).draw(view()), undefined)
})

it('is the choice of the caller only where the route says so, and never more often', () => {
  const asked = view('x-envoy-fault-abort-request: 418\r\nx-envoy-fault-delay-request: 70\r\n')
  assert.equal(policy({ abortPercent: 100, abortStatus: 500 }).draw(asked)?.abortStatus, 500)
  const open = { isHeaderControlled: true, abortPercent: 100, delayPercent: 100 }
  const fault = policy(open).draw(asked)
  assert.deepEqual([fault?.abortStatus, fault?.delayMs], [418, 70])
  assert.equal(policy(open).draw(view()), undefined)
  const bad = view('x-envoy-fault-abort-request: 99\r\nx-envoy-fault-delay-request: soon\r\n')
  assert.equal(policy(open).draw(bad), undefined)
  const often = view(
    'x-envoy-fault-abort-request: 418\r\nx-envoy-fault-abort-request-percentage: 100\r\n',
  )
  assert.equal(policy({ isHeaderControlled: true }).draw(often), undefined)
})
