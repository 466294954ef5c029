/**
 * What the contract suite cannot arrange: no leader yet, a closing server, a store that is still behind.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pass, RaftAndStore, register, service, set, settle } from '../raft-and-store.ts'
import { apiOf, HOLD_MS } from './server-apis.ts'

test('before there is a leader, reads of every mode, writes and feeds are held, then answered', async () => {
  await using base = new RaftAndStore()
  const api = apiOf(base)
  const waiting = [
    api.read('catalog.nodes', {}),
    api.read('catalog.nodes', {}, { consistency: 'consistent' }),
    api.read('catalog.nodes', {}, { consistency: 'stale' }),
    api.write(set('a', '1')),
    api.subscribe({ topic: 'health', key: 'web' })[Symbol.asyncIterator]().next(),
  ]
  let answered = 0
  for (const one of waiting) {
    void one.then(() => {
      answered += 1
    })
  }
  await settle()
  assert.equal(answered, 0)
  await base.start()
  await settle()
  await Promise.all(waiting)
  api.close()
})

test('without a leader, reads fail after the hold and a feed goes on waiting', async () => {
  await using base = new RaftAndStore()
  const api = apiOf(base)
  const frames = api.subscribe({ topic: 'health', key: 'web' })[Symbol.asyncIterator]()
  const first = frames.next()
  const refused = assert.rejects(api.read('catalog.nodes', {}), {
    code: 'NO_LEADER',
    message: 'No cluster leader',
  })
  await pass(base.clock, HOLD_MS + 600, 100)
  await refused
  await pass(base.clock, 3 * HOLD_MS, 500)
  await base.start()
  await pass(base.clock, 1000, 100)
  assert.equal((await first).value.kind, 'snapshot')
  api.close()
})

test('a feed that begins late still begins with all there is', async () => {
  await using base = await new RaftAndStore().start()
  await base.write(register('n1', { service: service('web') }))
  const api = apiOf(base)
  const frame = (
    await api.subscribe({ topic: 'health', key: 'web' })[Symbol.asyncIterator]().next()
  ).value
  assert.equal(frame.items.length, 1)
  api.close()
})

test('closing ends all that waits, and what comes after', async () => {
  await using base = await new RaftAndStore().start()
  const api = apiOf(base)
  const index = await base.write(set('a', '1'))
  const gone = { code: 'SHUTTING_DOWN' }
  const frames = api.subscribe({ topic: 'roots', key: '' })[Symbol.asyncIterator]()
  await frames.next()
  const ends = [
    assert.rejects(api.read('kv.get', { key: 'a' }, { minIndex: index }), gone),
    assert.rejects(frames.next(), gone),
    assert.rejects(api.signLeaf(''), gone),
  ]
  await settle()
  const armed = base.clock.armed
  api.close()
  api.close()
  await Promise.all(ends)
  assert.ok(base.clock.armed < armed)
  await assert.rejects(api.read('kv.get', { key: 'a' }), gone)
  await assert.rejects(api.write(set('a', '2')), gone)
  await assert.rejects(
    api.subscribe({ topic: 'roots', key: '' })[Symbol.asyncIterator]().next(),
    gone,
  )
})

test('when Raft stops, a blocked read of the default mode does not sleep on', async () => {
  await using base = await new RaftAndStore().start()
  const api = apiOf(base)
  const index = await base.write(set('a', '1'))
  const failed = assert.rejects(api.read('kv.get', { key: 'a' }, { minIndex: index }), {
    code: 'SHUTTING_DOWN',
  })
  await settle()
  await base.raft.stop()
  await failed
  api.close()
})

test('stamps of the leader never go back, whatever the wall clock does', async () => {
  await using base = await new RaftAndStore().start()
  const stamps: number[] = []
  base.stateMachine.observe(({ command }) => {
    if ('now' in command && command.now !== undefined) stamps.push(command.now)
  })
  const api = apiOf(base)
  await api.write(set('a', '1'))
  base.clock.jumpWall(-3_600_000)
  await api.write(set('a', '2'))
  base.clock.jumpWall(7_200_000)
  await api.write(register('n1'))
  assert.equal(stamps.length, 3)
  assert.equal(stamps[0], stamps[1])
  assert.ok((stamps[2] ?? 0) > (stamps[1] ?? 0))
  api.close()
})

test('a write that is aborted while it is held is not made', async () => {
  await using base = new RaftAndStore()
  const api = apiOf(base)
  const controller = new AbortController()
  const aborted = assert.rejects(api.write(set('a', '1'), { signal: controller.signal }), /enough/)
  await settle()
  controller.abort(new Error('enough'))
  await aborted
  await base.start()
  await settle()
  assert.equal((await api.read('kv.get', { key: 'a' })).value, null)
  api.close()
})

test('a restore whose caller goes away leaves nothing that would hold up the next', async () => {
  await using base = await new RaftAndStore().start()
  const api = apiOf(base)
  const image = Buffer.concat([...base.store.snapshot().image()])
  const caller = new AbortController()
  async function* chunks(): AsyncGenerator<Uint8Array> {
    yield image.subarray(0, 10)
    caller.abort(new Error('went away'))
    yield image.subarray(10)
  }
  await assert.rejects(api.restoreImage(chunks(), caller.signal), { message: 'went away' })
  await settle()
  const text = Buffer.concat([...base.store.snapshot().image()]).toString()
  assert.equal(text.includes('"restore"'), false)
  api.close()
})
