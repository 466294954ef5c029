/**
 * How long tombstones live, under a clock moved by hand, on a real store.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '../../../../core/log.ts'
import { TombstoneReaper } from '../../../../server/leader/tombstone-reaper.ts'
import { pass, RaftAndStore, remove, set } from '../raft-and-store.ts'

const TTL = 15 * 60_000
const BUCKET = 30_000

function reaperOf(base: RaftAndStore, reaped: number[]): TombstoneReaper {
  const reaper = new TombstoneReaper({
    clock: base.clock,
    log: silentLogger,
    lastIndex: () => base.store.lastIndex,
    reap: (index) => {
      reaped.push(index)
      return base.write({ kind: 'tombstone.reap', index })
    },
  })
  base.stateMachine.observe((applied) => reaper.observe(applied))
  return reaper
}

test('tombstones live 15 minutes, and at most a bucket longer', async () => {
  await using base = await new RaftAndStore().start()
  const reaped: number[] = []
  const reaper = reaperOf(base, reaped)
  reaper.start()
  await base.write(set('p/a', '1'))
  const index = await base.write(remove('p/a'))
  assert.equal(base.store.read('kv.list', { prefix: 'p/' }).index, index)
  await pass(base.clock, TTL - 1)
  assert.deepEqual(reaped, [])
  await pass(base.clock, BUCKET)
  assert.deepEqual(reaped, [index])
  reaper.stop()
})

test('deletions of one bucket are reaped together, others on their own', async () => {
  await using base = await new RaftAndStore().start()
  const reaped: number[] = []
  const reaper = reaperOf(base, reaped)
  await pass(base.clock, 1000)
  reaper.start()
  const indexes: number[] = []
  for (const key of ['a', 'b', 'c']) {
    await base.write(set(key, '1'))
    indexes.push(await base.write(remove(key)))
  }
  await pass(base.clock, 10 * BUCKET)
  await base.write(set('d', '1'))
  indexes.push(await base.write(remove('d')))
  await pass(base.clock, TTL + 20 * BUCKET, BUCKET)
  assert.deepEqual(reaped, [indexes[2], indexes[3]])
  reaper.stop()
})

test('a quiet store causes no entries in the log', async () => {
  await using base = await new RaftAndStore().start()
  const reaper = reaperOf(base, [])
  reaper.start()
  await base.write(set('a', '1'))
  const before = base.store.lastIndex
  await pass(base.clock, 10 * TTL, TTL)
  assert.equal(base.store.lastIndex, before)
  reaper.stop()
})

test('what an earlier leader left is reaped once, a whole life later', async () => {
  await using base = await new RaftAndStore().start()
  await base.write(set('a', '1'))
  const index = await base.write(remove('a'))
  const reaped: number[] = []
  const reaper = reaperOf(base, reaped)
  reaper.start()
  await pass(base.clock, TTL - 1)
  assert.deepEqual(reaped, [])
  await pass(base.clock, 5 * TTL, BUCKET)
  assert.deepEqual(reaped, [index])
  const armed = base.clock.armed
  reaper.stop()
  assert.equal(base.clock.armed, armed)
})
