/**
 * Who is woken by what, and when (watch-registry.ts).
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { kvPrefixWatch, kvWatch } from '../../../../core/catalog/watch-keys.ts'
import { WatchRegistry } from '../../../../core/catalog/watch-registry.ts'
import { check, Driver, kvWrite, service, sidecar } from './store-fixture.ts'

describe('WatchRegistry', () => {
  it('calls once, at the first of the keys', () => {
    const watches = new WatchRegistry()
    let calls = 0
    watches.watchOnce(['a', 'b', 'a'], () => {
      calls += 1
    })
    assert.equal(watches.size, 2)
    watches.fire(['c'], [])
    assert.equal(calls, 0)
    watches.fire(['b', 'a'], [])
    watches.fire(['a', 'b'], [])
    assert.equal(calls, 1)
    assert.equal(watches.size, 0)
  })

  it('does not call after cancel, and cancel may be repeated', () => {
    const watches = new WatchRegistry()
    const cancel = watches.watchOnce(['a'], () => assert.fail('cancelled'))
    cancel()
    cancel()
    watches.fire(['a'], [])
    assert.equal(watches.size, 0)
  })

  it('matches prefixes of every length, the empty one included', () => {
    const watches = new WatchRegistry()
    const seen: string[] = []
    for (const prefix of ['', 'a', 'a/', 'a/b', 'a/bc', 'b']) {
      watches.watchOnce([kvPrefixWatch(prefix)], () => seen.push(prefix))
    }
    watches.watchOnce([kvWatch('a/b')], () => seen.push('key'))
    watches.fire([kvWatch('a/b')], ['a/b'])
    assert.deepEqual(seen.toSorted(), ['', 'a', 'a/', 'a/b', 'key'])
    assert.equal(watches.size, 2)
  })

  it('registers nothing beyond its bound', () => {
    const watches = new WatchRegistry(2)
    const cancel = watches.watchOnce(['a', 'b'], () => {})
    assert.throws(() => watches.watchOnce(['c'], () => {}), { code: 'BUSY' })
    assert.equal(watches.size, 2)
    cancel()
    watches.watchOnce(['c'], () => {})
  })

  it('lets a call register again without being called for the same change', () => {
    const watches = new WatchRegistry()
    let calls = 0
    const again = (): void => {
      calls += 1
      watches.watchOnce(['a'], again)
    }
    watches.watchOnce(['a'], again)
    watches.fire(['a'], [])
    watches.fire(['a'], [])
    assert.equal(calls, 2)
    watches.fireAll()
    assert.equal(calls, 3)
  })
})

describe('watches of the store', () => {
  it('fire after the state has changed and before apply returns', () => {
    const driver = new Driver()
    const { watch } = driver.store.read('catalog.service', { service: 'web' })
    const seen: number[] = []
    driver.store.watchOnce(watch, () => {
      seen.push(driver.read('catalog.service', { service: 'web' }).length)
    })
    driver.ok(driver.register('n1', { service: service({ service: 'Web' }) }))
    assert.deepEqual(seen, [1])
  })

  it('stay quiet for other services, unchanged writes and refused commands', () => {
    const driver = new Driver()
    driver.ok(driver.register('n1', { service: service({ service: 'web' }) }))
    for (const connect of [false, true]) {
      const { watch } = driver.store.read('health.service', { service: 'web', connect })
      driver.store.watchOnce(watch, () => assert.fail('nothing changed'))
    }
    driver.ok(driver.register('n1', { service: service({ service: 'web' }) }))
    driver.ok(driver.register('n1', { service: service({ service: 'db' }) }))
    driver.ok(driver.register('n2', { service: sidecar('db'), checks: [check('x', 'critical')] }))
    const lost = check('c', 'passing', { serviceId: 'ghost' })
    driver.refused(driver.register('n1', { address: '10.9.9.9', checks: [lost] }))
  })

  it('refuse to be used for applying', () => {
    const driver = new Driver()
    driver.store.watchOnce(driver.store.read('kv.get', { key: 'a' }).watch, () => {
      assert.throws(() => driver.apply({ kind: 'noop' }), /apply was called by a watch/)
    })
    driver.ok(driver.kv({ verb: 'set', entry: kvWrite('a', 'v') }))
    assert.throws(() => driver.store.apply(1, { kind: 'noop' }), /index above every earlier one/)
  })
})
