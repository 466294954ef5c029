/**
 * When a blocked read wakes, when it does not, and what it leaves behind; on real Raft and store.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Evaluated } from '../../../../core/catalog/store-api.ts'
import { type BlockingQuery, BlockingReads } from '../../../../server/api/blocking-read.ts'
import { pass, RaftAndStore, register, remove, service, set, settle } from '../raft-and-store.ts'

const MINUTE = 60_000

/** A read of one key, counting how often it is evaluated. */
function keyRead(
  base: RaftAndStore,
  key: string,
): BlockingQuery<'kv.get'> & { evaluations: number } {
  return {
    evaluations: 0,
    prepare: async () => {},
    evaluate(): Evaluated<'kv.get'> {
      this.evaluations += 1
      return base.store.read('kv.get', { key })
    },
  }
}

async function started(): Promise<{ base: RaftAndStore; reads: BlockingReads }> {
  const base = await new RaftAndStore().start()
  return { base, reads: new BlockingReads(base) }
}

/** Whether a promise has settled by now. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const mark = {}
  const first = await Promise.race([promise.catch(() => {}), settle().then(() => mark)])
  return first === mark
}

test('without an index, or behind the present one, it answers at once', async () => {
  const { base, reads } = await started()
  await using _ = base
  const index = await base.write(set('a', '1'))
  assert.equal((await reads.run(keyRead(base, 'a'))).index, index)
  assert.equal((await reads.run(keyRead(base, 'a'), { minIndex: index - 1 })).index, index)
})

test('it wakes exactly at the change of what it read, and leaves nothing behind', async () => {
  const { base, reads } = await started()
  await using _ = base
  const index = await base.write(set('a', '1'))
  const armed = base.clock.armed
  const read = keyRead(base, 'a')
  const answer = reads.run(read, { minIndex: index })
  assert.ok(await isPending(answer))
  await base.write(set('b', '2'))
  assert.ok(await isPending(answer))
  assert.equal(read.evaluations, 1, 'another key does not even cause an evaluation')
  const next = await base.write(set('a', '3'))
  const { value, index: answered } = await answer
  assert.equal(answered, next)
  assert.equal(Buffer.from(value?.value ?? []).toString(), '3')
  assert.equal(read.evaluations, 2)
  assert.equal(base.clock.armed, armed)
  assert.equal(reads.blocked, 0)
})

test('a write that changes nothing wakes nobody', async () => {
  const { base, reads } = await started()
  await using _ = base
  const index = await base.write(set('a', '1'))
  const answer = reads.run(keyRead(base, 'a'), { minIndex: index })
  await settle()
  await base.write(set('a', '1'))
  assert.ok(await isPending(answer))
  await base.write(set('a', '2'))
  await answer
})

test('on expiry the present result comes back with its index, after the wait and at most 1/16 more', async () => {
  const { base, reads } = await started()
  await using _ = base
  const index = await base.write(set('a', '1'))
  const answer = reads.run(keyRead(base, 'a'), { minIndex: index, waitMs: MINUTE })
  await pass(base.clock, MINUTE - 1)
  assert.ok(await isPending(answer))
  await pass(base.clock, MINUTE / 16 + 1)
  assert.equal((await answer).index, index)
})

test('no wait means five minutes, and more than ten is ten', async () => {
  const { base, reads } = await started()
  await using _ = base
  const index = await base.write(set('a', '1'))
  for (const [waitMs, minutes] of [
    [0, 5],
    [undefined, 5],
    [3_600_000, 10],
  ] as const) {
    const options = waitMs === undefined ? {} : { waitMs }
    const answer = reads.run(keyRead(base, 'a'), { minIndex: index, ...options })
    await pass(base.clock, minutes * MINUTE - 1)
    assert.ok(await isPending(answer), `${waitMs} ended early`)
    await pass(base.clock, (minutes * MINUTE) / 16 + 1)
    await answer
  }
})

test('what is absent and stays absent blocks on, though its index moves', async () => {
  const { base, reads } = await started()
  await using _ = base
  await base.write(register('n1', { service: service('web') }))
  const query: BlockingQuery<'health.service'> = {
    prepare: async () => {},
    evaluate: () => base.store.read('health.service', { service: 'ghost' }),
  }
  const first = await reads.run(query)
  assert.equal(first.found, false)
  const answer = reads.run(query, { minIndex: first.index })
  await settle()
  await base.write(register('n2', { service: service('api') }))
  await base.write({ kind: 'deregister', request: { node: 'n2' } })
  assert.ok(await isPending(answer))
  const index = await base.write(register('n3', { service: service('ghost') }))
  const reply = await answer
  assert.equal(reply.index, index)
  assert.equal(reply.value.length, 1)
})

test('what comes and goes before anyone looks is still absent', async () => {
  const { base, reads } = await started()
  await using _ = base
  await base.write(set('other', '1'))
  const read = keyRead(base, 'a')
  const first = await reads.run(read)
  const answer = reads.run(read, { minIndex: first.index })
  await settle()
  await Promise.all([base.write(set('a', '1')), base.write(remove('a'))])
  assert.ok(await isPending(answer))
  assert.equal(read.evaluations, 3, 'it was woken and looked')
  await base.write(set('a', '2'))
  assert.notEqual((await answer).value, null)
})

test('no watch is left in the store, however the wait ended', async () => {
  const base = await new RaftAndStore().start()
  await using _ = base
  let watches = 0
  const store = {
    watchOnce: (...args: Parameters<typeof base.store.watchOnce>) => {
      watches += 1
      const cancel = base.store.watchOnce(...args)
      return () => {
        watches -= 1
        cancel()
      }
    },
  }
  const reads = new BlockingReads({ store, clock: base.clock, rng: base.rng })
  const minIndex = await base.write(set('a', '1'))
  const controller = new AbortController()
  const waits = Promise.allSettled([
    reads.run(keyRead(base, 'a'), { minIndex, signal: controller.signal }),
    reads.run(keyRead(base, 'a'), { minIndex, waitMs: 1000 }),
    reads.run(keyRead(base, 'a'), { minIndex }),
    reads.run(keyRead(base, 'b'), { minIndex }),
  ])
  await settle()
  assert.equal(watches, 4)
  controller.abort(new Error('gone'))
  await pass(base.clock, 1100)
  assert.equal(watches, 2)
  await base.write(set('a', '2'))
  await settle()
  assert.equal(watches, 1)
  reads.close()
  await waits
  assert.equal(watches, 0)
})

test('a key that is deleted answers, and so does one that appears', async () => {
  const { base, reads } = await started()
  await using _ = base
  const index = await base.write(set('a', '1'))
  const gone = reads.run(keyRead(base, 'a'), { minIndex: index })
  await settle()
  await base.write(remove('a'))
  const absent = await gone
  assert.equal(absent.value, null)
  const back = reads.run(keyRead(base, 'a'), { minIndex: absent.index })
  await settle()
  await base.write(set('zzz', '1'))
  assert.ok(await isPending(back))
  await base.write(set('a', '2'))
  assert.notEqual((await back).value, null)
})

test('an abort ends the wait with its reason', async () => {
  const { base, reads } = await started()
  await using _ = base
  const index = await base.write(set('a', '1'))
  const armed = base.clock.armed
  const controller = new AbortController()
  const answer = reads.run(keyRead(base, 'a'), { minIndex: index, signal: controller.signal })
  assert.ok(await isPending(answer))
  controller.abort(new Error('client went away'))
  await assert.rejects(answer, /client went away/)
  await assert.rejects(
    reads.run(keyRead(base, 'a'), { minIndex: index, signal: controller.signal }),
    /client went away/,
  )
  assert.equal(base.clock.armed, armed)
})

test('the number of blocked reads is bounded, and freed places are used again', async () => {
  const base = await new RaftAndStore().start()
  await using _ = base
  const reads = new BlockingReads(base, { waitersMax: 2 })
  const index = await base.write(set('a', '1'))
  const controller = new AbortController()
  const options = { minIndex: index, signal: controller.signal }
  const two = [reads.run(keyRead(base, 'a'), options), reads.run(keyRead(base, 'a'), options)]
  await settle()
  await assert.rejects(reads.run(keyRead(base, 'a'), options), { code: 'RATE_LIMITED' })
  assert.equal((await reads.run(keyRead(base, 'a'))).index, index, 'reads that do not block pass')
  controller.abort(new Error('gone'))
  await Promise.allSettled(two)
  const again = reads.run(keyRead(base, 'a'), { minIndex: index })
  await base.write(set('a', '2'))
  await again
})

test('closing ends every wait, and those that come later', async () => {
  const { base, reads } = await started()
  await using _ = base
  const index = await base.write(set('a', '1'))
  const answer = reads.run(keyRead(base, 'a'), { minIndex: index })
  await settle()
  reads.close()
  await assert.rejects(answer, { code: 'SHUTTING_DOWN' })
  await assert.rejects(reads.run(keyRead(base, 'a'), { minIndex: index }), {
    code: 'SHUTTING_DOWN',
  })
})

test('a snapshot that is restored wakes blocked reads', async () => {
  const { base, reads } = await started()
  await using _ = base
  const index = await base.write(set('a', '1'))
  const other = await new RaftAndStore().start()
  await using __ = other
  for (let i = 0; i < 10; i++) await other.write(set('a', `${i}`))
  const answer = reads.run(keyRead(base, 'a'), { minIndex: index })
  await settle()
  base.store.restore(other.store.snapshot().image())
  assert.equal(Buffer.from((await answer).value?.value ?? []).toString(), '9')
})
