/**
 * Join tokens in the store: what one is good for, how often and how long, beside a naive count.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { hashSecret } from '../../../../core/acl/secret.ts'
import type { Command } from '../../../../core/catalog/commands.ts'
import { JOIN_TOKENS_MAX, type JoinTokenWrite } from '../../../../core/join/join-token.ts'
import { wallTime } from '../../../../core/time.ts'
import { Driver } from './store-fixture.ts'

const HOUR_MS = 3_600_000

function uuid(n: number): string {
  return `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`
}

function create(driver: Driver, n: number, given: Partial<JoinTokenWrite> = {}): Command {
  const token: JoinTokenWrite = {
    id: uuid(n),
    secretHash: hashSecret(`secret-${n}`),
    role: 'client',
    node: '',
    description: '',
    uses: 1,
    ttlMs: HOUR_MS,
    ...given,
  }
  return { kind: 'join-token.set', token, now: wallTime(driver.now) }
}

function use(driver: Driver, n: number, node: string): Command {
  const secretHash = hashSecret(`secret-${n}`)
  return { kind: 'join-token.use', secretHash, node, now: wallTime(driver.now) }
}

describe('a join token', () => {
  it('is used as often as it says', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 8 }), (uses, tries) => {
        const driver = new Driver()
        driver.ok(create(driver, 1, { uses }))
        let admitted = 0
        for (let i = 0; i < tries; i++) if (driver.apply(use(driver, 1, `n${i}`)).ok) admitted += 1
        assert.equal(admitted, Math.min(uses, tries))
        const [left] = driver.read('join-token.list', {})
        assert.equal(left?.usesLeft ?? 0, Math.max(0, uses - tries))
      }),
    )
  })

  it('is over when its time is', () => {
    const driver = new Driver()
    driver.ok(create(driver, 1, { uses: 9 }))
    driver.now += HOUR_MS
    assert.match(driver.refused(use(driver, 1, 'n1')), /the join token is over/)
    // What is over goes with the next change.
    driver.ok(create(driver, 2))
    assert.deepEqual(
      driver.read('join-token.list', {}).map(({ id }) => id),
      [uuid(2)],
    )
  })

  it('lets nobody in under the name of a node that is there, but by a token for it', () => {
    const driver = new Driver()
    driver.ok(driver.register('Web'))
    driver.ok(create(driver, 1, { uses: 5 }))
    assert.match(driver.refused(use(driver, 1, 'web')), /node "web" is in the cluster already/)
    assert.match(driver.refused(use(driver, 1, '../web')), /no name of a node/)
    driver.ok(create(driver, 2, { node: 'Web' }))
    assert.match(driver.refused(use(driver, 2, 'other')), /is for the node "Web"/)
    assert.equal(driver.ok(use(driver, 2, 'web')), uuid(2))
  })

  it('is not made with what would make it too strong, or a second time', () => {
    const driver = new Driver()
    driver.ok(create(driver, 1))
    assert.match(driver.refused(create(driver, 1)), /with this ID or secret exists/)
    assert.match(driver.refused(create(driver, 2, { uses: 0 })), /Uses must be from 1 to 10000/)
    assert.match(driver.refused(create(driver, 2, { ttlMs: 1 })), /TTL must be from 1m to 168h/)
    assert.match(driver.refused(create(driver, 2, { ttlMs: 1e12 })), /TTL must be/)
    assert.match(driver.refused(create(driver, 2, { node: 'a b' })), /is no name of a node/)
    assert.match(driver.refused(create(driver, 2, { secretHash: 'x' })), /digest/)
    for (let n = 2; n <= JOIN_TOKENS_MAX; n++) driver.ok(create(driver, n))
    assert.match(driver.refused(create(driver, 999)), /256 already/)
    driver.ok({ kind: 'join-token.delete', id: uuid(5) })
    assert.match(driver.refused({ kind: 'join-token.delete', id: uuid(5) }), /no join token/)
    driver.ok(create(driver, 999))
  })

  it('is listed without the digest of its secret, and found by it', () => {
    const driver = new Driver()
    driver.ok(create(driver, 1, { role: 'server' }))
    const [shown] = driver.read('join-token.list', {})
    assert.equal(shown?.secretHash, '')
    assert.equal(driver.store.joinTokenByHash(hashSecret('secret-1'))?.role, 'server')
    assert.equal(driver.store.joinTokenByHash(hashSecret('secret-2')), undefined)
  })
})
