/**
 * Notices of the catalog: which is newer, and how members pass them on.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type CatalogNotice, isNewer, isSameCluster } from '../../../../core/catalog/notice.ts'
import { DIGEST_WORDS } from '../../../../core/swim/state-digest.ts'
import { decodeStreamMessage, encodeStreamMessage } from '../../../../core/swim/stream-codec.ts'
import { addressOf, alive, Bench } from './core-bench.ts'

function notice(change: Partial<CatalogNotice> = {}): CatalogNotice {
  return { epoch: 'c/1', term: 1, index: 10, beat: 1, ...change }
}

const arbitrary = fc.record({
  epoch: fc.constantFrom('c/1', 'c/2', 'c/10'),
  term: fc.nat(2),
  index: fc.nat(2),
  beat: fc.nat(2),
})

test('of two different notices of a cluster exactly one is newer, whatever the order', () => {
  fc.assert(
    fc.property(arbitrary, arbitrary, arbitrary, (a, b, c) => {
      const isEqual = JSON.stringify(a) === JSON.stringify(b)
      assert.equal(Number(isNewer(a, b)) + Number(isNewer(b, a)), isEqual ? 0 : 1)
      if (isNewer(a, b) && isNewer(b, c)) assert.ok(isNewer(a, c))
    }),
  )
  assert.ok(isNewer(notice({ epoch: 'c/10', index: 1 }), notice({ epoch: 'c/9', term: 9 })))
  assert.ok(isNewer(notice({ term: 2, index: 1 }), notice({ index: 99 })))
  assert.ok(!isSameCluster(notice(), notice({ epoch: 'd/1' })))
})

test('a notice that is news is told and passed on, once', () => {
  const bench = new Bench()
  bench.hear('b', alive('b'))
  const told = (): readonly number[] =>
    bench.effects.flatMap((e) => (e.kind === 'catalog-notice' ? [e.notice.index] : []))
  bench.hear('b', { kind: 'catalog-notice', ...notice() })
  bench.hear('b', { kind: 'catalog-notice', ...notice() })
  bench.hear('b', { kind: 'catalog-notice', ...notice({ index: 9, beat: 7 }) })
  bench.input({ kind: 'catalog-notice', notice: notice({ index: 11 }) })
  assert.deepEqual(told(), [10, 11])
  bench.pass(20_000)
  const said = new Set(bench.sentOf('catalog-notice').map(({ index }) => index))
  assert.ok(said.has(11))
  assert.ok(!said.has(9))
  assert.equal(bench.core.queueLength, 0)
})

test('another cluster counts only when ours has fallen silent', () => {
  const bench = new Bench()
  bench.hear('b', alive('b'))
  const other = notice({ epoch: 'other/1', term: 99, index: 99 })
  bench.hear('b', { kind: 'catalog-notice', ...notice() })
  bench.hear('b', { kind: 'catalog-notice', ...other })
  const last = (): string | undefined =>
    bench.effects.findLast((e) => e.kind === 'catalog-notice')?.notice.epoch
  assert.equal(last(), 'c/1')
  bench.pass(15_001)
  bench.hear('b', { kind: 'catalog-notice', ...other })
  assert.equal(last(), 'other/1')
})

test('a forged notice of a distant future gives way to what goes on', () => {
  const bench = new Bench()
  bench.hear('b', alive('b'))
  bench.hear('b', { kind: 'catalog-notice', ...notice({ term: 1e9, index: 1e9 }) })
  bench.pass(15_001)
  bench.hear('b', { kind: 'catalog-notice', ...notice({ index: 12 }) })
  bench.hear('b', { kind: 'catalog-notice', ...notice({ index: 13 }) })
  const told = bench.effects.flatMap((e) => (e.kind === 'catalog-notice' ? [e.notice.index] : []))
  assert.deepEqual(told, [1e9, 12, 13])
})

/** What this core answers to a comparison by `b`, who knows this notice, or none. */
function compares(bench: Bench, theirs?: CatalogNotice): CatalogNotice | undefined {
  const clocks = { lamportTime: 1, eventTime: 1, queryTime: 1, eventDigest: { high: 0, low: 0 } }
  const bytes = encodeStreamMessage({
    kind: 'digest',
    from: 'b',
    ...clocks,
    digest: new Uint32Array(DIGEST_WORDS),
    ...(theirs === undefined ? {} : { notice: theirs }),
  })
  const effects = bench.input({ kind: 'request', id: 1, from: addressOf('b'), bytes })
  const reply = effects.find((effect) => effect.kind === 'reply')
  assert.ok(reply?.kind === 'reply')
  const answer = decodeStreamMessage(reply.bytes)
  assert.ok(answer.kind === 'differences')
  return answer.notice
}

test('a comparison of tables brings the newest notice both ways, at once after a partition', () => {
  const bench = new Bench()
  bench.hear('b', alive('b'))
  const told = (): readonly number[] =>
    bench.effects.flatMap((e) => (e.kind === 'catalog-notice' ? [e.notice.index] : []))
  assert.equal(compares(bench)?.index, undefined)
  compares(bench, notice())
  assert.deepEqual(told(), [10])
  bench.hear('b', { kind: 'catalog-notice', ...notice({ index: 11 }) })
  assert.equal(compares(bench, notice())?.index, 11)
  assert.deepEqual(told(), [10, 11])
})

test('silence stays silence: what others only repeat does not count again', () => {
  const bench = new Bench()
  bench.hear('b', alive('b'), { kind: 'catalog-notice', ...notice({ index: 11 }) })
  bench.pass(60_000)
  compares(bench, notice({ index: 11 }))
  compares(bench, notice())
  compares(bench, notice({ epoch: 'other/1', index: 99 }))
  const told = bench.effects.flatMap((e) => (e.kind === 'catalog-notice' ? [e.notice.index] : []))
  assert.deepEqual(told, [11])
})
