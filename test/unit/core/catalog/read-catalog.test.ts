/**
 * Reads of the catalog and the index each reports (read-catalog.ts; http-api.md 4, 11, 12).
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { check, Driver, service, sidecar } from './store-fixture.ts'

function twoNodes(): Driver {
  const driver = new Driver()
  for (const [node, tag] of [
    ['n1', 'V1'],
    ['n2', 'v2'],
  ] as const) {
    driver.ok(
      driver.register(node, {
        address: `10.0.0.${node.slice(1)}`,
        meta: { rack: node },
        service: service({ service: 'web', tags: [tag, 'all'] }),
        checks: [
          check('serfHealth', 'passing'),
          check('c', node === 'n1' ? 'passing' : 'warning', { serviceId: 'web' }),
        ],
      }),
    )
  }
  return driver
}

function nodesOf(entries: readonly { readonly node: { readonly node: string } }[]): string[] {
  return entries.map((entry) => entry.node.node)
}

describe('reads by service', () => {
  it('narrows by tags, all of them, whatever their case', () => {
    const driver = twoNodes()
    const by = (tags: string[]) => nodesOf(driver.read('catalog.service', { service: 'Web', tags }))
    assert.deepEqual(by([]), ['n1', 'n2'])
    assert.deepEqual(by(['v1']), ['n1'])
    assert.deepEqual(by(['ALL', 'V2']), ['n2'])
    assert.deepEqual(by(['v1', 'v2']), [])
  })

  it('narrows by node metadata and by health', () => {
    const driver = twoNodes()
    const nodeMeta = { rack: 'n2' }
    assert.deepEqual(nodesOf(driver.read('health.service', { service: 'web', nodeMeta })), ['n2'])
    assert.deepEqual(
      nodesOf(driver.read('health.service', { service: 'web', passingOnly: true })),
      ['n1'],
    )
    assert.equal(driver.read('health.checks', { service: 'web', nodeMeta }).length, 1)
    assert.equal(driver.read('catalog.nodes', { nodeMeta }).length, 1)
    assert.equal(driver.read('catalog.nodes', { nodeMeta: { constructor: 'x' } }).length, 0)
    assert.equal(driver.read('catalog.services', { nodeMeta }).length, 1)
    assert.equal(driver.read('health.state', { state: 'any', nodeMeta }).length, 2)
  })

  it('shows the checks of the node first, then those of the instance only', () => {
    const driver = twoNodes()
    driver.ok(driver.register('n1', { service: service({ service: 'other' }) }))
    driver.ok(driver.register('n1', { checks: [check('o', 'critical', { serviceId: 'other' })] }))
    const [entry] = driver.read('health.service', { service: 'web' })
    assert.deepEqual(
      entry?.checks.map((one) => one.checkId),
      ['serfHealth', 'c'],
    )
  })

  it('finds proxies and native instances by destination', () => {
    const driver = twoNodes()
    driver.ok(driver.register('n1', { service: sidecar('web') }))
    driver.ok(
      driver.register('n2', { service: service({ service: 'Web', id: 'n', connectNative: true }) }),
    )
    const found = driver.read('catalog.service', { service: 'WEB', connect: true })
    assert.deepEqual(
      found.map((one) => one.service.id),
      ['web-sidecar-proxy', 'n'],
    )
    assert.equal(driver.read('health.service', { service: 'none', connect: true }).length, 0)
  })

  it('finds checks by state', () => {
    const driver = twoNodes()
    const count = (state: string) => driver.read('health.state', { state }).length
    assert.deepEqual([count('any'), count('passing'), count('warning'), count('odd')], [4, 3, 1, 0])
  })

  it('finds nodes and instances by address, and forgets old addresses', () => {
    const driver = new Driver()
    const tagged = { lan_ipv4: { address: '10.9.0.1', port: 1 } }
    driver.ok(
      driver.register('n1', {
        address: '10.0.0.1',
        taggedAddresses: { wan: '1.2.3.4' },
        service: service({ service: 'web', address: '10.8.0.1', taggedAddresses: tagged }),
      }),
    )
    const at = (ip: string) => {
      const { nodes, services } = driver.read('catalog.address', { ip })
      return [nodes.length, services.length]
    }
    assert.deepEqual(['10.0.0.1', '1.2.3.4', '10.8.0.1', '10.9.0.1'].map(at), [
      [1, 0],
      [1, 0],
      [0, 1],
      [0, 1],
    ])
    driver.ok(driver.register('n1', { address: '10.0.0.2', service: service({ service: 'web' }) }))
    assert.deepEqual(['10.0.0.1', '1.2.3.4', '10.8.0.1', '10.0.0.2'].map(at), [
      [0, 0],
      [0, 0],
      [0, 0],
      [1, 0],
    ])
    driver.ok(driver.deregister('n1'))
    driver.ok(driver.register('n1', { address: '10.0.0.3' }))
    assert.deepEqual(['10.0.0.2', '10.0.0.3'].map(at), [
      [0, 0],
      [1, 0],
    ])
  })
})

describe('index of a service', () => {
  const web = { service: 'web' }

  it('moves with its own instances and checks only', () => {
    const driver = twoNodes()
    driver.ok(driver.register('n1', { meta: { rack: 'n1' }, service: service({ service: 'db' }) }))
    assert.equal(driver.indexOf('health.service', web), 2)
    assert.equal(driver.indexOf('health.service', { service: 'db' }), 3)
    const failing = check('c', 'critical', { serviceId: 'web' })
    driver.ok(driver.register('n2', { skipNodeUpdate: true, checks: [failing] }))
    assert.equal(driver.indexOf('health.service', web), 4)
    assert.equal(driver.indexOf('catalog.service', web), 4)
    assert.equal(driver.indexOf('health.checks', web), 4)
    assert.equal(driver.indexOf('health.service', { service: 'db' }), 3)
  })

  it('moves with checks and with the record of a node it runs on', () => {
    const driver = twoNodes()
    driver.ok(driver.register('n1', { skipNodeUpdate: true, checks: [check('disk', 'passing')] }))
    assert.equal(driver.indexOf('health.service', web), 3)
    driver.ok(driver.register('n1', { address: '10.1.1.1' }))
    assert.equal(driver.indexOf('health.service', web), 4)
    driver.ok(driver.register('n3', { checks: [check('disk', 'passing')] }))
    assert.equal(driver.indexOf('health.service', web), 4)
  })

  it('moves when the output of a check changes', () => {
    const driver = twoNodes()
    const louder = check('c', 'passing', { serviceId: 'web', output: 'more' })
    driver.ok(driver.register('n1', { skipNodeUpdate: true, checks: [louder] }))
    assert.equal(driver.indexOf('health.service', web), 3)
  })

  it('stays when a registration says nothing new', () => {
    const driver = twoNodes()
    const same = driver.register('n1', {
      address: '10.0.0.1',
      meta: { rack: 'n1' },
      service: service({ service: 'web', tags: ['V1', 'all'] }),
      checks: [check('serfHealth', 'passing'), check('c', 'passing', { serviceId: 'web' })],
    })
    const before = driver.image()
    driver.ok(same)
    assert.equal(driver.image().replace('"lastIndex":3', '"lastIndex":2'), before)
    assert.equal(driver.store.lastIndex, 3)
  })

  it('is that of the last extinction once some service is gone, else that of the tables', () => {
    const driver = twoNodes()
    const ghost = { service: 'ghost' }
    assert.equal(driver.indexOf('catalog.service', ghost), 2)
    const more = check('x', 'passing')
    driver.ok(driver.register('n1', { skipNodeUpdate: true, checks: [more] }))
    assert.equal(driver.indexOf('catalog.service', ghost), 2)
    assert.equal(driver.indexOf('health.service', ghost), 3)
    driver.ok(driver.register('n1', { skipNodeUpdate: true, service: service({ service: 'db' }) }))
    driver.ok(driver.deregister('n1', { serviceId: 'db' }))
    driver.ok(driver.register('n9'))
    for (const service of ['ghost', 'db']) {
      assert.equal(driver.indexOf('health.service', { service }), 5)
      assert.equal(driver.store.read('health.service', { service }).found, false)
    }
    assert.equal(driver.indexOf('health.service', web), 3)
  })

  it('of a destination never goes back when one of its proxies leaves', () => {
    const driver = new Driver()
    const connect = { service: 'web', connect: true }
    driver.ok(driver.register('n1', { service: sidecar('web', { id: 'p1' }) }))
    driver.ok(driver.register('n2', { service: sidecar('web', { id: 'p2', service: 'proxy2' }) }))
    driver.ok(driver.deregister('n2', { serviceId: 'p2' }))
    assert.equal(driver.indexOf('health.service', connect), 3)
    driver.ok(
      driver.register('n1', {
        service: sidecar('other', { id: 'p1', service: 'web-sidecar-proxy' }),
      }),
    )
    assert.equal(driver.indexOf('health.service', connect), 4)
    assert.equal(driver.read('health.service', connect).length, 0)
  })
})

describe('index of other reads', () => {
  it('is that of the table for lists, at least 1', () => {
    const driver = new Driver()
    assert.equal(driver.indexOf('catalog.nodes', {}), 1)
    assert.equal(driver.indexOf('kv.get', { key: 'x' }), 1)
    driver.ok({ kind: 'noop' })
    driver.ok(driver.register('n1', { service: service({ service: 'web' }) }))
    driver.ok(driver.register('n1', { checks: [check('c', 'passing')] }))
    assert.equal(driver.indexOf('catalog.nodes', {}), 2)
    assert.equal(driver.indexOf('catalog.services', {}), 2)
    assert.equal(driver.indexOf('health.state', { state: 'any' }), 3)
  })

  it('of a node follows the node and its services, also when one leaves', () => {
    const driver = new Driver()
    driver.ok(driver.register('n1', { service: service({ service: 'web' }) }))
    driver.ok(driver.register('n2', { service: service({ service: 'web' }) }))
    assert.equal(driver.indexOf('catalog.node', { node: 'n1' }), 1)
    driver.ok(driver.deregister('n1', { serviceId: 'web' }))
    assert.equal(driver.indexOf('catalog.node', { node: 'n1' }), 3)
    driver.ok(driver.register('n1', { checks: [check('c', 'passing')] }))
    assert.equal(driver.indexOf('catalog.node', { node: 'n1' }), 3)
    assert.equal(driver.indexOf('health.node', { node: 'n1' }), 4)
    driver.ok(driver.deregister('n1', { checkId: 'c' }))
    assert.equal(driver.indexOf('health.node', { node: 'n1' }), 5)
    driver.ok(driver.deregister('n1'))
    assert.deepEqual(driver.store.read('health.node', { node: 'n1' }), {
      value: [],
      index: 6,
      watch: ['n:n1'],
      found: false,
    })
  })
})
