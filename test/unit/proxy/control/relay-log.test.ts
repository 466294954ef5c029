/**
 * The proxy's log: what waits for an agent, what is dropped, how errors travel.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LogRecord } from '../../../../core/mesh/proxy-control.ts'
import { LogRelay } from '../../../../proxy/control/relay-log.ts'

test('keeps the newest records until an agent is there, then says how many it dropped', () => {
  const relay = new LogRelay('info')
  const log = relay.logger('')
  for (let i = 0; i < 300; i++) log.info('tick', { i })
  const seen: LogRecord[] = []
  relay.connect((record) => seen.push(record))
  assert.equal(seen.length, 257)
  assert.deepEqual(seen[0]?.facts, { i: 44 })
  assert.deepEqual(seen.at(-1)?.facts, { count: 44 })
  log.warn('now')
  assert.equal(seen.at(-1)?.message, 'now')
})

test('waits again when the agent goes, and gives each record once', () => {
  const relay = new LogRelay('info')
  const log = relay.logger('')
  const first: LogRecord[] = []
  const second: LogRecord[] = []
  relay.connect((record) => first.push(record))
  log.info('one')
  relay.disconnect()
  log.info('two')
  relay.connect((record) => second.push(record))
  assert.deepEqual(
    [first, second].map((list) => list.map((r) => r.message)),
    [['one'], ['two']],
  )
})

test('drops what is below the level and names nested components', () => {
  const relay = new LogRelay('warn')
  const seen: LogRecord[] = []
  relay.connect((record) => seen.push(record))
  const log = relay.logger('').child('listener').child('tls')
  log.info('not this')
  log.error('this', { err: Object.assign(new Error('refused'), { code: 'EACCES' }) })
  assert.deepEqual(seen, [
    {
      level: 'error',
      component: 'listener.tls',
      message: 'this',
      facts: { err: 'EACCES: refused' },
    },
  ])
})
