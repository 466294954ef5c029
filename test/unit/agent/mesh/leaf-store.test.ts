/**
 * Leaf certificates: issued once, renewed in time, kept on failure, replaced on a root change.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { LeafStore } from '../../../../agent/mesh/leaf-store.ts'
import { FairleadError } from '../../../../core/errors.ts'
import { silentLogger } from '../../../../core/log.ts'
import { seededRng } from '../../../../core/rng.ts'
import type { SignedLeaf } from '../../../../core/rpc/server-api.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'

const URI = 'spiffe://c1.consul/ns/default/dc/dc1/svc/web'
const HOUR = 3600_000

function setUp(lifeMs = 72 * HOUR) {
  const clock = new ManualClock()
  const signed: string[] = []
  let failing = false
  let signer = 'k1'
  const store = new LeafStore({
    spreadMs: 30_000,
    clock,
    rng: seededRng(7),
    log: silentLogger,
    authorityOf: (certPem) => certPem.split(' ')[3] ?? '',
    makeKey: async (uri) => ({ keyPem: `key ${signed.length}`, csrPem: uri }),
    servers: {
      signLeaf: async (csrPem: string): Promise<SignedLeaf> => {
        if (failing) throw new FairleadError('RATE_LIMITED', 'Rate limit reached, try again later')
        signed.push(csrPem)
        return {
          certPem: `cert ${signed.length} by ${signer}`,
          serialNumber: '01',
          uri: csrPem,
          notBefore: clock.wall() - 60_000,
          notAfter: clock.wall() - 60_000 + lifeMs,
          index: 10,
        }
      },
    },
  })
  return {
    clock,
    store,
    signed,
    rotate: (to: string) => {
      signer = to
    },
    fail: (on: boolean) => {
      failing = on
    },
    async advance(ms: number) {
      clock.advance(ms)
      await turn()
    },
  }
}

test('signs once however many ask at the same time, and serves the rest from memory', async () => {
  const { store, signed } = setUp()
  const answers = await Promise.all([store.get(URI), store.get(URI), store.get(URI)])
  assert.deepEqual(new Set(answers.map((a) => a.leaf.certPem)), new Set(['cert 1 by k1']))
  assert.equal((await store.get(URI)).cached, true)
  assert.equal(signed.length, 1)
  store.stop()
})

test('renews a pinned leaf between 60 and 90 percent of its life', async () => {
  const { store, signed, advance } = setUp(72 * HOUR)
  store.signerChanged('k1')
  store.pin(URI)
  await advance(0)
  await advance(0.59 * 72 * HOUR)
  assert.equal(signed.length, 1)
  await advance(0.31 * 72 * HOUR)
  assert.equal(signed.length, 2)
  store.stop()
})

test('a blocking read returns when the leaf is renewed, and at the end of its wait otherwise', async () => {
  const { store, advance } = setUp(1 * HOUR)
  const { leaf } = await store.get(URI)
  const timedOut = store.get(URI, { minIndex: leaf.index, waitMs: 1000 })
  await advance(1001)
  assert.equal((await timedOut).leaf.index, leaf.index)
  await advance(0.59 * HOUR)
  const renewed = store.get(URI, { minIndex: leaf.index, waitMs: HOUR })
  for (let minute = 0; minute < 9; minute++) await advance(60_000)
  await advance(60_000)
  const later = store.get(URI, { minIndex: leaf.index, waitMs: HOUR })
  for (let minute = 0; minute < 9; minute++) await advance(60_000)
  await Promise.all([renewed, later])
  assert.ok((await later).leaf.index > leaf.index)
  store.stop()
})

test('signs anew within 30 s of a change of what signs', async () => {
  const { store, signed, rotate, advance } = setUp()
  store.signerChanged('k1')
  await store.get(URI)
  rotate('k2')
  store.signerChanged('k2')
  await advance(30_000)
  assert.equal(signed.length, 2)
  store.signerChanged('k2')
  await advance(30_000)
  assert.equal(signed.length, 2)
  store.stop()
})

test('a root that signs with the same key, and a leaf that came before its root, change nothing', async () => {
  const { store, signed, rotate, advance } = setUp()
  store.signerChanged('k1')
  rotate('k2')
  await store.get(URI)
  await advance(20_000)
  store.signerChanged('k2')
  await advance(60_000)
  assert.equal(signed.length, 1)
  store.stop()
})

test('a leaf whose request crossed with a rotation is signed anew', async () => {
  const { store, signed, rotate, advance } = setUp()
  store.signerChanged('k2')
  await store.get(URI)
  rotate('k2')
  await advance(30_000)
  assert.equal(signed.length, 2)
  store.stop()
})

test('a read that does not wait gets a leaf of the present authority, or the old one if it must', async () => {
  const { store, rotate, fail } = setUp()
  store.signerChanged('k1')
  await store.get(URI)
  rotate('k2')
  store.signerChanged('k2')
  fail(true)
  assert.equal((await store.get(URI)).leaf.certPem, 'cert 1 by k1')
  fail(false)
  assert.equal((await store.get(URI)).leaf.certPem, 'cert 2 by k2')
  store.stop()
})

test('keeps the old leaf while renewals fail, and succeeds once they work again', async () => {
  const { store, signed, fail, advance } = setUp(1 * HOUR)
  store.pin(URI)
  await advance(0)
  fail(true)
  await advance(0.92 * HOUR)
  assert.equal(store.peek(URI)?.certPem, 'cert 1 by k1')
  fail(false)
  await advance(31_000)
  assert.equal(signed.length, 2)
  assert.equal(store.peek(URI)?.certPem, 'cert 2 by k1')
  store.stop()
})

test('never hands out a leaf that has ended', async () => {
  const { store, fail, advance } = setUp(1 * HOUR)
  await store.get(URI)
  fail(true)
  await advance(2 * HOUR)
  assert.equal(store.peek(URI), undefined)
  await assert.rejects(store.get(URI), { code: 'RATE_LIMITED' })
  store.stop()
})

test('leaves no timer behind', async () => {
  const { store, clock, advance } = setUp()
  store.pin(URI)
  await advance(0)
  const { leaf } = await store.get(URI)
  const blocked = store.get(URI, { minIndex: leaf.index, waitMs: 5000 })
  store.stop()
  await blocked
  assert.equal(clock.armed, 0)
})
