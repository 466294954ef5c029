/**
 * Sessions, their ends, lock delays and session checks (sessions.ts; http-api.md 14).
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { SessionRecord } from '../../../../core/catalog/types.ts'
import { check, Driver, kvWrite, service, session } from './store-fixture.ts'

function ready(): Driver {
  const driver = new Driver()
  driver.ok(
    driver.register('n1', {
      service: service({ service: 'web' }),
      checks: [
        check('serfHealth', 'passing'),
        check('c', 'warning', { serviceId: 'web' }),
        check('bad', 'critical'),
      ],
    }),
  )
  return driver
}

function create(driver: Driver, id: string, given: Partial<SessionRecord> = {}): void {
  assert.equal(driver.ok({ kind: 'session.create', session: session(id, 'N1', given) }), id)
}

function lock(driver: Driver, key: string, id: string): unknown {
  return driver.ok(driver.kv({ verb: 'lock', entry: kvWrite(key, 'v', { session: id }) }))
}

describe('creating a session', () => {
  const REFUSED: readonly (readonly [string, Partial<SessionRecord>, string])[] = [
    ['nowhere', {}, 'Missing node registration'],
    ['n1', { nodeChecks: ['nope'] }, "Missing check 'nope' registration"],
    ['n1', { nodeChecks: ['bad'] }, "Check 'bad' is in critical state"],
    ['n1', { serviceChecks: [{ id: 'x', namespace: '' }] }, "Missing check 'x' registration"],
    ['n1', { behavior: 'keep' as 'release' }, "Invalid Behavior setting 'keep'"],
    ['n1', { id: '' }, 'Missing session ID'],
  ]
  for (const [node, given, text] of REFUSED) {
    it(`refuses: ${text}`, () => {
      const driver = ready()
      const command = { kind: 'session.create', session: session('s1', node, given) } as const
      assert.equal(driver.refused(command), text)
    })
  }

  it('refuses an id that is taken', () => {
    const driver = ready()
    create(driver, 's1')
    const again = { kind: 'session.create', session: session('s1', 'n1') } as const
    assert.equal(driver.refused(again), "Session 's1' already exists")
  })

  it('lists by node whatever its case, under the index of the table', () => {
    const driver = ready()
    create(driver, 's1')
    create(driver, 's2')
    const list = driver.store.read('session.list', { node: 'n1' })
    assert.deepEqual([list.value.map((one) => one.id), list.index], [['s1', 's2'], 3])
    assert.equal(driver.indexOf('session.get', { id: 's1' }), 3)
    assert.equal(driver.store.read('session.get', { id: 'x' }).found, false)
  })
})

describe('the end of a session', () => {
  const CAUSES: Readonly<Record<string, (driver: Driver) => void>> = {
    'it is destroyed': (driver) => driver.ok(driver.destroy('s1')),
    'a bound check turns critical': (driver) =>
      driver.ok(driver.register('n1', { checks: [check('serfHealth', 'critical')] })),
    'a bound service check turns critical': (driver) =>
      driver.ok(driver.register('n1', { checks: [check('c', 'critical', { serviceId: 'web' })] })),
    'a bound check is deregistered': (driver) =>
      driver.ok(driver.deregister('n1', { checkId: 'serfHealth' })),
    'the service of a bound check is deregistered': (driver) =>
      driver.ok(driver.deregister('n1', { serviceId: 'web' })),
    'its node is deregistered': (driver) => driver.ok(driver.deregister('n1')),
  }
  for (const [cause, act] of Object.entries(CAUSES)) {
    it(`comes when ${cause}, and releases its locks in the same step`, () => {
      const driver = ready()
      create(driver, 's1', {
        nodeChecks: ['serfHealth'],
        serviceChecks: [{ id: 'c', namespace: '' }],
      })
      lock(driver, 'k/1', 's1')
      lock(driver, 'k/2', 's1')
      act(driver)
      assert.equal(driver.read('session.get', { id: 's1' }), null)
      const held = driver.read('kv.list', { prefix: 'k/' })
      assert.deepEqual(
        held.map((one) => [one.session, one.lockIndex, one.modifyIndex]),
        [
          ['', 1, 5],
          ['', 1, 5],
        ],
      )
    })
  }

  it('does not come by a check that is not bound, or only warns', () => {
    const driver = ready()
    create(driver, 's1', { nodeChecks: ['serfHealth'] })
    driver.ok(
      driver.register('n1', { checks: [check('serfHealth', 'warning'), check('z', 'critical')] }),
    )
    assert.notEqual(driver.read('session.get', { id: 's1' }), null)
  })

  it('deletes what it held when it behaves so', () => {
    const driver = ready()
    create(driver, 's1', { behavior: 'delete' })
    lock(driver, 'k', 's1')
    driver.ok(driver.destroy('s1'))
    assert.equal(driver.read('kv.get', { key: 'k' }), null)
    assert.equal(driver.indexOf('kv.list', { prefix: 'k' }), 4)
  })

  it('is no error for a session that does not exist', () => {
    const driver = ready()
    assert.equal(driver.ok(driver.destroy('ghost')), true)
    assert.equal(driver.indexOf('session.list', {}), 1)
  })
})

describe('lock delay', () => {
  it('keeps everyone out until the stamped time is over', () => {
    const driver = ready()
    create(driver, 's1')
    create(driver, 's2')
    lock(driver, 'k', 's1')
    driver.ok(driver.destroy('s1'))
    assert.equal(lock(driver, 'k', 's2'), false)
    driver.now += 14_999
    assert.equal(lock(driver, 'k', 's2'), false)
    driver.now += 1
    assert.equal(lock(driver, 'k', 's2'), true)
    assert.equal(driver.image().includes('lock-delay'), false)
  })

  it('does not follow a voluntary release, nor a session that asks for none', () => {
    const driver = ready()
    create(driver, 's1')
    create(driver, 's2', { lockDelayMs: 0 })
    lock(driver, 'k', 's1')
    driver.ok(driver.kv({ verb: 'unlock', entry: kvWrite('k', 'v', { session: 's1' }) }))
    assert.equal(lock(driver, 'k', 's2'), true)
    driver.ok(driver.destroy('s2'))
    assert.equal(lock(driver, 'k', 's1'), true)
  })

  it('counts from the time of the command that ended the session, and never back', () => {
    const driver = ready()
    create(driver, 's1', { nodeChecks: ['serfHealth'] })
    create(driver, 's2')
    lock(driver, 'k', 's1')
    driver.now += 60_000
    driver.ok(driver.register('n1', { checks: [check('serfHealth', 'critical')] }))
    driver.now -= 60_000
    assert.equal(lock(driver, 'k', 's2'), false)
    driver.now += 74_999
    assert.equal(lock(driver, 'k', 's2'), false)
    driver.now += 1
    assert.equal(lock(driver, 'k', 's2'), true)
  })
})

describe('a check of type session', () => {
  const follows = check('elect', 'critical', {
    type: 'session',
    definition: { SessionName: 'leader' },
  })

  it('passes while a session of its name is in force', () => {
    const driver = ready()
    driver.ok(driver.register('n1', { checks: [follows] }))
    const state = () => {
      const found = driver
        .read('health.node', { node: 'n1' })
        .find((one) => one.checkId === 'elect')
      return [found?.status, found?.output]
    }
    create(driver, 's0', { name: 'other' })
    assert.deepEqual(state(), ['critical', ''])
    create(driver, 's1', { name: 'leader', nodeChecks: ['elect'] })
    assert.deepEqual(state(), ['passing', "Session 's1' in force"])
    driver.ok(driver.destroy('s1'))
    assert.deepEqual(state(), ['critical', "Session 's1' is invalid"])
  })

  it('ends other sessions bound to it when it turns critical', () => {
    const driver = ready()
    driver.ok(driver.register('n1', { checks: [follows] }))
    create(driver, 's1', { name: 'leader' })
    create(driver, 's2', { nodeChecks: ['elect'] })
    driver.ok(driver.destroy('s1'))
    assert.deepEqual(driver.read('session.list', {}), [])
  })
})
