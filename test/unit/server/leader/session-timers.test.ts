/**
 * How long sessions live, under a clock moved by hand, on a real store.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FairleadError } from '../../../../core/errors.ts'
import { silentLogger } from '../../../../core/log.ts'
import { SessionTimers } from '../../../../server/leader/session-timers.ts'
import { NOW, pass, RaftAndStore, register, session, settle } from '../raft-and-store.ts'

const TTL = 10_000

function timersOf(base: RaftAndStore, destroyed: string[] = []): SessionTimers {
  const timers = new SessionTimers({
    store: base.store,
    clock: base.clock,
    log: silentLogger,
    destroy: (id) => {
      destroyed.push(id)
      return base.write({ kind: 'session.destroy', id, now: NOW })
    },
  })
  base.stateMachine.observe((applied) => timers.observe(applied))
  return timers
}

function exists(base: RaftAndStore, id: string): boolean {
  return base.store.read('session.get', { id }).value !== null
}

test('a session dies twice its TTL after it was made, and not before', async () => {
  await using base = await new RaftAndStore().start()
  const timers = timersOf(base)
  timers.start()
  await base.write(register('n1'))
  await base.write(session('s1', TTL))
  await pass(base.clock, 2 * TTL - 1)
  assert.ok(exists(base, 's1'))
  await pass(base.clock, 1)
  assert.equal(exists(base, 's1'), false)
  timers.stop()
})

test('a renewal starts the time anew', async () => {
  await using base = await new RaftAndStore().start()
  const timers = timersOf(base)
  timers.start()
  await base.write(register('n1'))
  await base.write(session('s1', TTL))
  for (let i = 0; i < 5; i++) {
    await pass(base.clock, 2 * TTL - 1)
    timers.touch({ id: 's1', ttlMs: TTL })
  }
  assert.ok(exists(base, 's1'))
  await pass(base.clock, 2 * TTL)
  assert.equal(exists(base, 's1'), false)
  timers.stop()
})

test('sessions found at the start of a reign get their full time; those without a TTL get none', async () => {
  await using base = await new RaftAndStore().start()
  const timers = timersOf(base)
  await base.write(register('n1'))
  await base.write(session('s1', TTL))
  await base.write(session('forever', 0))
  await pass(base.clock, 10 * TTL, TTL)
  assert.ok(exists(base, 's1'), 'nobody leads, nobody dies')
  timers.start()
  await pass(base.clock, 2 * TTL - 1)
  assert.ok(exists(base, 's1'))
  await pass(base.clock, 1)
  assert.equal(exists(base, 's1'), false)
  assert.ok(exists(base, 'forever'))
  timers.stop()
})

test('a session that ended otherwise is not destroyed again', async () => {
  await using base = await new RaftAndStore().start()
  const destroyed: string[] = []
  const timers = timersOf(base, destroyed)
  timers.start()
  await base.write(register('n1'))
  await base.write(session('s1', TTL))
  await base.write(session('s2', TTL))
  await base.write({ kind: 'session.destroy', id: 's1', now: NOW })
  await base.write({ kind: 'deregister', request: { node: 'n1' } })
  await pass(base.clock, 3 * TTL)
  assert.deepEqual(destroyed, [])
  timers.stop()
})

test('a destruction that fails is tried again while leading', async () => {
  await using base = await new RaftAndStore().start()
  let attempts = 0
  const timers = new SessionTimers({
    store: base.store,
    clock: base.clock,
    log: silentLogger,
    destroy: async () => {
      attempts += 1
      throw new FairleadError('BUSY', 'later')
    },
  })
  await base.write(register('n1'))
  await base.write(session('s1', TTL))
  timers.start()
  await pass(base.clock, 2 * TTL)
  await pass(base.clock, 3000, 1000)
  assert.equal(attempts, 4)
  timers.stop()
  await pass(base.clock, 60_000)
  assert.equal(attempts, 4)
})

test('after stop no timer is armed', async () => {
  await using base = await new RaftAndStore().start()
  const armed = base.clock.armed
  const timers = timersOf(base)
  timers.start()
  await base.write(register('n1'))
  for (let i = 0; i < 10; i++) await base.write(session(`s${i}`, TTL))
  assert.equal(base.clock.armed, armed + 10)
  timers.stop()
  timers.touch({ id: 's1', ttlMs: TTL })
  await settle()
  assert.equal(base.clock.armed, armed)
})
