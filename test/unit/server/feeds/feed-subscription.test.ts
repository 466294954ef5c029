/**
 * Order, bounds and ends of one subscription, fed by a real store.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FeedFrame, FeedPosition } from '../../../../core/catalog/feed.ts'
import { systemClock } from '../../../../runtime/clock/system-clock.ts'
import { FeedSubscription } from '../../../../server/feeds/feed-subscription.ts'
import { RaftAndStore, register, service, settle } from '../raft-and-store.ts'

const EPOCH = 'c/1'
const WEB = { topic: 'health', key: 'web' } as const

function subscribe(
  base: RaftAndStore,
  options: { from?: FeedPosition; framesMax?: number; itemsMax?: number } = {},
  ready: (signal: AbortSignal) => Promise<void> = async () => {},
): {
  subscription: FeedSubscription
  next: () => Promise<IteratorResult<FeedFrame>>
  ended: () => number
} {
  let ended = 0
  const subscription = new FeedSubscription(
    { topic: WEB, ...options },
    {
      store: base.store,
      start: {
        store: base.store,
        clock: systemClock,
        epoch: () => EPOCH,
        ready,
        catchUp: async () => {},
      },
      onClosed: () => {
        ended += 1
      },
    },
  )
  const iterator = subscription[Symbol.asyncIterator]()
  return {
    subscription,
    next: () => iterator.next() as Promise<IteratorResult<FeedFrame>>,
    ended: () => ended,
  }
}

function ids(frame: FeedFrame): string[] {
  return (frame.kind === 'snapshot' ? frame.items : frame.upserts).map((item) => item.id)
}

test('a snapshot comes first, then every change in order', async () => {
  await using base = await new RaftAndStore().start()
  await base.write(register('n1', { service: service('web') }))
  const { next, subscription } = subscribe(base)
  const snapshot = (await next()).value
  assert.equal(snapshot.kind, 'snapshot')
  assert.deepEqual(ids(snapshot), ['n1/web'])
  const indexes = []
  for (const node of ['n2', 'n3', 'n4']) {
    indexes.push(await base.write(register(node, { service: service('web') })))
  }
  for (const [i, node] of ['n2', 'n3', 'n4'].entries()) {
    const frame = (await next()).value
    assert.equal(frame.kind, 'delta')
    assert.equal(frame.index, indexes[i])
    assert.deepEqual(ids(frame), [`${node}/web`])
  }
  subscription.close()
})

test('a consumer that waits is woken by the change', async () => {
  await using base = await new RaftAndStore().start()
  const { next, subscription } = subscribe(base)
  await next()
  const waiting = next()
  await settle()
  await base.write(register('n1', { service: service('web') }))
  assert.deepEqual(ids((await waiting).value), ['n1/web'])
  subscription.close()
})

test('a consumer that is too slow gets a fresh snapshot instead of a gap', async () => {
  for (const bound of [{ framesMax: 3 }, { itemsMax: 3 }]) {
    await using base = await new RaftAndStore().start()
    const { next, subscription } = subscribe(base, bound)
    await next()
    const nodes = Array.from({ length: 10 }, (_, i) => `n${i}`)
    for (const node of nodes) await base.write(register(node, { service: service('web') }))
    const frame = (await next()).value
    assert.equal(frame.kind, 'snapshot')
    assert.deepEqual(
      ids(frame).sort(),
      nodes.map((node) => `${node}/web`),
    )
    const index = await base.write(register('last', { service: service('web') }))
    const after = (await next()).value
    assert.equal(after.kind, 'delta')
    assert.equal(after.index, index)
    subscription.close()
  }
})

test('resuming where the history reaches leaves the snapshot out', async () => {
  await using base = await new RaftAndStore().start()
  const index = await base.write(register('n1', { service: service('web') }))
  const later = await base.write(register('n2', { service: service('web') }))
  const { next, subscription } = subscribe(base, { from: { epoch: EPOCH, index } })
  const frame = (await next()).value
  assert.equal(frame.kind, 'delta')
  assert.equal(frame.index, later)
  subscription.close()
})

test('resuming with more missed changes than the bound gives a snapshot', async () => {
  await using base = await new RaftAndStore().start()
  const index = await base.write(register('n1', { service: service('web') }))
  for (let i = 2; i < 12; i++) {
    await base.write(register(`n${i}`, { service: service('web') }))
  }
  const { next, subscription } = subscribe(base, { from: { epoch: EPOCH, index }, framesMax: 3 })
  const frame = (await next()).value
  assert.equal(frame.kind, 'snapshot')
  assert.equal(frame.items.length, 11)
  subscription.close()
})

test('nothing is shown before the store is ready', async () => {
  await using base = await new RaftAndStore().start()
  const ready = Promise.withResolvers<void>()
  const { next, subscription } = subscribe(base, {}, () => ready.promise)
  const first = next()
  await settle()
  await base.write(register('n1', { service: service('web') }))
  ready.resolve()
  assert.deepEqual(ids((await first).value), ['n1/web'])
  subscription.close()
})

test('closing ends the iteration once, also while it waits', async () => {
  await using base = await new RaftAndStore().start()
  const { next, subscription, ended } = subscribe(base)
  await next()
  const waiting = next()
  await settle()
  subscription.close()
  subscription.close()
  assert.equal((await waiting).done, true)
  assert.equal((await next()).done, true)
  assert.equal(ended(), 1)
})

test('closing before ready ends the iteration', async () => {
  await using base = await new RaftAndStore().start()
  const { next, subscription } = subscribe(
    base,
    {},
    (signal) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  )
  const waiting = next()
  await settle()
  subscription.close()
  assert.equal((await waiting).done, true)
})

test('a failure is thrown to the consumer', async () => {
  await using base = await new RaftAndStore().start()
  const { next, subscription } = subscribe(base)
  await next()
  const waiting = assert.rejects(next(), /over/)
  await settle()
  subscription.fail(new Error('over'))
  await waiting
})
