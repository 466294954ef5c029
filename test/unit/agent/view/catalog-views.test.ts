/**
 * Catalog views over a scripted feed and a manual clock.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  IDLE_KEEP_MS,
  SubscribedViews,
  VIEWS_IDLE_MAX,
} from '../../../../agent/view/catalog-views.ts'
import { BACKOFF_MAX_MS } from '../../../../agent/view/feed-view.ts'
import type { SubscriptionFrame } from '../../../../core/catalog/feed.ts'
import type { VirtualIpRecord } from '../../../../core/catalog/types.ts'
import { silentLogger } from '../../../../core/log.ts'
import { seededRng } from '../../../../core/rng.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'
import { Feed, turn } from './scripted-feed.ts'

function record(service: string, offset = 1): VirtualIpRecord {
  const virtualIp = `240.0.0.${offset}`
  return { service, offset, virtualIp, createIndex: 1, modifyIndex: 1 }
}

function snapshot(index: number, ...names: string[]): SubscriptionFrame {
  return { kind: 'snapshot', index, items: names.map((id) => ({ id, value: record(id) })) }
}

function delta(
  index: number,
  upserts: string[],
  deletes: string[] = [],
  after = 0,
): SubscriptionFrame {
  const items = upserts.map((id) => ({ id, value: record(id, index) }))
  return { kind: 'delta', index, after, upserts: items, deletes }
}

function bookmark(index: number, hasLeader = true): SubscriptionFrame {
  return { kind: 'bookmark', index, hasLeader }
}

function setUp(): { feed: Feed; clock: ManualClock; views: SubscribedViews } {
  const feed = new Feed()
  const clock = new ManualClock()
  const views = new SubscribedViews({
    servers: feed,
    clock,
    rng: seededRng(1),
    log: silentLogger,
  })
  return { feed, clock, views }
}

describe('SubscribedViews', () => {
  it('subscribes once for all holders of a topic and key', async () => {
    const { feed, views } = setUp()
    const a = views.open('virtual-ips', '')
    const b = views.open('virtual-ips', '')
    views.open('health', 'web')
    views.open('health', 'Web')
    views.open('intentions', 'web')
    views.open('intentions', 'Web')
    assert.equal(
      feed.subscriptions.length,
      4,
      'names of services compare without case, rules do not',
    )
    assert.deepEqual(feed.subscriptions[1]?.topic, { topic: 'health', key: 'web' })
    feed.subscriptions[0]?.push(snapshot(5, 'web'))
    await Promise.all([a.ready(), b.ready()])
    assert.deepEqual([...a.items().keys()], ['web'])
    assert.equal(b.index, 5)
    await views.stop()
  })

  it('is not ready and stale until the first snapshot, then applies deltas in order', async () => {
    const { feed, views } = setUp()
    const view = views.open('virtual-ips', '')
    assert.equal(view.isReady, false)
    assert.equal(view.isStale, true)
    feed.last.push(snapshot(5, 'a', 'b'))
    await view.ready()
    assert.equal(view.isStale, false)
    feed.last.push(delta(6, ['c'], ['a']))
    feed.last.push(delta(7, ['b']))
    await turn()
    assert.deepEqual([...view.items().keys()].sort(), ['b', 'c'])
    assert.equal(view.items().get('b')?.offset, 7)
    assert.equal(view.index, 7)
    feed.last.push(delta(6, ['a']))
    await turn()
    assert.equal(view.items().has('a'), false, 'an old delta changes nothing')
    await views.stop()
  })

  it('tells each listener once for frames that arrive together, and not after release', async () => {
    const { feed, views } = setUp()
    const view = views.open('virtual-ips', '')
    const other = views.open('virtual-ips', '')
    let calls = 0
    let otherCalls = 0
    const stopListening = view.onChange(() => calls++)
    other.onChange(() => otherCalls++)
    feed.last.push(snapshot(5, 'a'))
    await turn()
    assert.deepEqual([calls, otherCalls], [1, 1])
    other.release()
    feed.last.push(delta(6, ['b']))
    await turn()
    assert.deepEqual([calls, otherCalls], [2, 1])
    stopListening()
    feed.last.push(delta(7, ['c']))
    await turn()
    assert.equal(calls, 2)
    feed.last.push(delta(8, []))
    await turn()
    assert.equal(view.index, 8)
    await views.stop()
  })

  it('keeps its items while servers are away and resumes from its index', async () => {
    const { feed, clock, views } = setUp()
    const view = views.open('virtual-ips', '')
    feed.last.push(snapshot(5, 'a'))
    await view.ready()
    feed.last.fail()
    await turn()
    assert.equal(view.isStale, true)
    assert.deepEqual([...view.items().keys()], ['a'])
    assert.equal(feed.subscriptions.length, 1)
    clock.advance(BACKOFF_MAX_MS)
    await turn()
    assert.equal(feed.subscriptions.length, 2)
    assert.deepEqual(feed.last.from, { epoch: 'e/1', index: 5 })
    feed.last.push(delta(9, ['b']))
    await turn()
    assert.equal(view.isStale, false)
    assert.deepEqual([...view.items().keys()], ['a', 'b'])
    await views.stop()
  })

  it('counts as alive once a server says where it is, and goes on from there', async () => {
    const { feed, clock, views } = setUp()
    const view = views.open('virtual-ips', '')
    feed.last.push(snapshot(5, 'a'))
    await view.ready()
    feed.last.fail()
    await turn()
    clock.advance(BACKOFF_MAX_MS)
    await turn()
    assert.equal(view.isStale, true)
    feed.last.push(bookmark(12))
    await turn()
    assert.equal(view.isStale, false)
    assert.equal(view.index, 5, 'nothing has changed since')
    feed.last.fail()
    await turn()
    clock.advance(BACKOFF_MAX_MS)
    await turn()
    assert.deepEqual(feed.last.from, { epoch: 'e/1', index: 12 })
    await views.stop()
  })

  it('is stale while its server knows no leader', async () => {
    const { feed, views } = setUp()
    const view = views.open('virtual-ips', '')
    feed.last.push(snapshot(5, 'a'))
    feed.last.push(bookmark(6, false))
    await turn()
    assert.equal(view.isStale, true)
    feed.last.push(bookmark(6))
    await turn()
    assert.equal(view.isStale, false)
    await views.stop()
  })

  it('begins anew when something was missed, and keeps what it has until then', async () => {
    const { feed, clock, views } = setUp()
    const view = views.open('virtual-ips', '')
    feed.last.push(snapshot(5, 'a'))
    feed.last.push(delta(9, ['b'], [], 7))
    await turn()
    assert.deepEqual([...view.items().keys()], ['a'])
    assert.equal(feed.last.isClosed, true)
    clock.advance(BACKOFF_MAX_MS)
    await turn()
    assert.equal(feed.last.from, undefined)
    feed.last.push(snapshot(10, 'a', 'b'))
    await turn()
    assert.deepEqual([...view.items().keys()], ['a', 'b'])
    await views.stop()
  })

  it('never goes back within an epoch, and takes over what another epoch has', async () => {
    const { feed, clock, views } = setUp()
    const view = views.open('virtual-ips', '')
    feed.last.push(snapshot(5, 'a'))
    feed.last.push(snapshot(4, 'old'))
    await turn()
    assert.deepEqual([...view.items().keys()], ['a'])
    clock.advance(BACKOFF_MAX_MS)
    await turn()
    assert.deepEqual(feed.last.from, { epoch: 'e/1', index: 5 })
    feed.last.epoch = 'e/2'
    feed.last.push(snapshot(3, 'recovered'))
    await turn()
    assert.deepEqual([...view.items().keys()], ['recovered'])
    await views.stop()
  })

  it('backs off longer while nothing answers, with a bound', async () => {
    const { feed, clock, views } = setUp()
    views.open('virtual-ips', '')
    for (let i = 0; i < 30; i++) {
      feed.last.fail()
      await turn()
      const before = feed.subscriptions.length
      clock.advance(BACKOFF_MAX_MS)
      await turn()
      assert.equal(feed.subscriptions.length, before + 1)
    }
    await views.stop()
    assert.equal(clock.armed, 0)
  })

  it('asks for a snapshot again when a feed begins with a delta', async () => {
    const { feed, clock, views } = setUp()
    const view = views.open('virtual-ips', '')
    feed.last.push(delta(3, ['a']))
    await turn()
    assert.equal(view.isReady, false)
    assert.equal(feed.last.isClosed, true)
    clock.advance(BACKOFF_MAX_MS)
    await turn()
    assert.equal(feed.last.from, undefined)
    feed.last.push(snapshot(4, 'a'))
    await view.ready()
    await views.stop()
  })

  it('rejects ready when its signal aborts first', async () => {
    const { views } = setUp()
    const view = views.open('virtual-ips', '')
    const abort = new AbortController()
    const waiting = view.ready(abort.signal)
    abort.abort(new Error('enough'))
    await assert.rejects(waiting, /enough/)
    await assert.rejects(view.ready(abort.signal), /enough/)
    await views.stop()
  })

  it('keeps a released view warm for a while, then ends its subscription', async () => {
    const { feed, clock, views } = setUp()
    const view = views.open('virtual-ips', '')
    feed.last.push(snapshot(5, 'a'))
    await view.ready()
    view.release()
    view.release()
    clock.advance(IDLE_KEEP_MS - 1)
    const again = views.open('virtual-ips', '')
    assert.equal(again.isReady, true)
    assert.equal(feed.subscriptions.length, 1)
    clock.advance(IDLE_KEEP_MS * 2)
    assert.equal(feed.last.isClosed, false)
    again.release()
    clock.advance(IDLE_KEEP_MS)
    assert.equal(feed.last.isClosed, true)
    assert.equal(views.size, 0)
    await views.stop()
  })

  it('drops the longest unheld view at the bound', async () => {
    const { feed, views } = setUp()
    for (let i = 0; i <= VIEWS_IDLE_MAX; i++) views.open('health', `s${i}`).release()
    assert.equal(views.size, VIEWS_IDLE_MAX)
    assert.equal(feed.subscriptions[0]?.isClosed, true)
    assert.equal(feed.subscriptions[1]?.isClosed, false)
    await views.stop()
  })

  it('leaves nothing behind after stop', async () => {
    const { feed, clock, views } = setUp()
    const view = views.open('virtual-ips', '')
    views.open('health', 'web').release()
    const waiting = view.ready()
    const rejected = assert.rejects(waiting, { code: 'SHUTTING_DOWN' })
    await views.stop()
    await rejected
    assert.equal(clock.armed, 0)
    assert.ok(feed.subscriptions.every((s) => s.isClosed))
    assert.throws(() => views.open('health', 'web'), { code: 'SHUTTING_DOWN' })
    await views.stop()
  })
})
