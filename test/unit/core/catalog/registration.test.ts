/**
 * Registration, node identity and deregistration, with the texts of http-api.md 11.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { RegisterRequest } from '../../../../core/catalog/commands.ts'
import { check, Driver, service, session, sidecar } from './store-fixture.ts'

const ID_A = '6f1a4c0e-51d6-7f5b-2a44-0d6a0b6f2b11'
const ID_B = '7f1a4c0e-51d6-7f5b-2a44-0d6a0b6f2b22'

const REFUSED: readonly (readonly [Partial<RegisterRequest>, string])[] = [
  [{ node: '' }, 'Must provide node'],
  [{ address: '' }, 'Must provide address if SkipNodeUpdate is not set'],
  [{ id: 'abc' }, 'Bad node ID: uuid string is wrong length'],
  [{ id: 'z'.repeat(36) }, 'Bad node ID: uuid is improperly formatted'],
  [{ node: 'a\0b' }, 'Invalid node name: it contains a NUL character'],
  [{ service: service({ service: '', id: '' }) }, 'Must provide service name (Service.Service)'],
  [
    { service: service({ service: '', id: 'x' }) },
    'Must provide service name (Service.Service) when service ID is provided',
  ],
  [{ service: service({ service: 'w', address: '0.0.0.0' }) }, 'Invalid service address'],
  [{ service: service({ service: 'w', address: '::' }) }, 'Invalid service address'],
  [
    { service: service({ service: 'w', id: 'a\0b' }) },
    'Invalid service ID: it contains a NUL character',
  ],
  [
    { service: service({ service: 'w', weights: { passing: 0, warning: 1 } }) },
    'Invalid Weights: Passing must be greater than 0',
  ],
  [
    { service: service({ service: 'w', weights: { passing: 1, warning: -1 } }) },
    'Invalid Weights: Warning must be greater or equal than 0',
  ],
  [
    { service: service({ service: 'w', weights: { passing: 65_536, warning: 1 } }) },
    'Invalid Weights: the maximum is 65535',
  ],
  [
    { service: service({ service: 'w', connectNative: true, port: 0 }) },
    'Port or SocketPath must be set for a Connect native service.',
  ],
  [
    { service: sidecar('web', { connectNative: true }) },
    'A Proxy cannot also be Connect Native, only typical services',
  ],
  [{ service: sidecar('web', { port: 0 }) }, 'Port or SocketPath must be set for a connect-proxy'],
  [
    { service: sidecar('') },
    'Proxy.DestinationServiceName must be non-empty for Connect proxy services',
  ],
  [
    { service: sidecar('*') },
    'Proxy.DestinationServiceName must not be a wildcard for Connect proxy services',
  ],
  [
    { service: service({ service: 'g', kind: 'mesh-gateway', port: 0 }) },
    'Port must be non-zero for a mesh-gateway',
  ],
  [
    { meta: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, ''])) },
    'Node metadata cannot contain more than 64 key/value pairs',
  ],
  [{ meta: { '': 'v' } }, "Couldn't load metadata pair ('', 'v'): Key cannot be blank"],
  [
    { meta: { 'a.b': 'v' } },
    "Couldn't load metadata pair ('a.b', 'v'): Key contains invalid characters",
  ],
  [
    { meta: { ['k'.repeat(129)]: 'v' } },
    `Couldn't load metadata pair ('${'k'.repeat(129)}', 'v'): Key is too long (limit: 128 characters)`,
  ],
  [
    { service: service({ service: 'w', meta: { k: 'v'.repeat(513) } }) },
    `Couldn't load metadata pair ('k', '${'v'.repeat(513)}'): Value is too long (limit: 512 characters)`,
  ],
  [
    { checks: [check('c', 'passing', { serviceId: 'nope' })] },
    "Unknown service ID 'nope' for check ID 'c'",
  ],
  [{ checks: [check('', 'passing')] }, 'Must provide check ID or name'],
]

describe('register', () => {
  for (const [given, text] of REFUSED) {
    it(`refuses and changes nothing: ${text.slice(0, 80)}`, () => {
      const driver = new Driver()
      driver.ok(driver.register('n1'))
      assert.equal(driver.refused(driver.register(given.node ?? 'n1', given)), text)
    })
  }

  it('stores node, service and checks in one step', () => {
    const driver = new Driver()
    driver.ok(
      driver.register('Node-A', {
        id: ID_A,
        meta: { rack: 'r7' },
        service: service({ service: 'web', id: '', tags: ['v1'] }),
        checks: [
          check('serfHealth', 'passing'),
          check('', 'warning', { name: 'web check', serviceId: 'web' }),
        ],
      }),
    )
    const found = driver.read('catalog.node', { node: 'nOdE-a' })
    assert.equal(found?.node.datacenter, 'dc1')
    assert.deepEqual(
      found?.services.map((one) => [one.id, one.node, one.createIndex]),
      [['web', 'Node-A', 1]],
    )
    const checks = found?.checks.map((one) => [one.checkId, one.serviceName, one.serviceTags])
    assert.deepEqual(checks, [
      ['serfHealth', '', []],
      ['web check', 'web', ['v1']],
    ])
    const byId = driver.read('catalog.node', { node: ID_A.slice(0, 13) })
    assert.equal(byId?.node.node, 'Node-A')
  })

  it('leaves an existing node alone with SkipNodeUpdate, and creates a missing one', () => {
    const driver = new Driver()
    driver.ok(driver.register('n1', { address: '10.0.0.1' }))
    driver.ok(driver.register('n1', { address: '', skipNodeUpdate: true }))
    assert.equal(driver.read('catalog.node', { node: 'n1' })?.node.address, '10.0.0.1')
    driver.ok(driver.register('n2', { address: '', skipNodeUpdate: true }))
    assert.equal(driver.read('catalog.node', { node: 'n2' })?.node.address, '')
  })

  it('keeps name and tags of a service right on its checks', () => {
    const driver = new Driver()
    driver.ok(
      driver.register('n1', {
        service: service({ service: 'web', id: 'w' }),
        checks: [check('c', 'passing', { serviceId: 'w' })],
      }),
    )
    driver.ok(driver.register('n1', { service: service({ service: 'api', id: 'w', tags: ['x'] }) }))
    const [found] = driver.read('health.checks', { service: 'api' })
    assert.deepEqual(
      [found?.serviceName, found?.serviceTags, found?.modifyIndex],
      ['api', ['x'], 2],
    )
    assert.deepEqual(driver.read('health.checks', { service: 'web' }), [])
  })

  it('moves a check to another service of the node', () => {
    const driver = new Driver()
    const two = [service({ service: 'a' }), service({ service: 'b' })] as const
    driver.ok(driver.register('n1', { service: two[0] }))
    driver.ok(driver.register('n1', { service: two[1] }))
    driver.ok(driver.register('n1', { checks: [check('c', 'passing', { serviceId: 'a' })] }))
    driver.ok(driver.register('n1', { checks: [check('c', 'passing', { serviceId: 'b' })] }))
    assert.equal(driver.read('health.checks', { service: 'a' }).length, 0)
    assert.equal(driver.read('health.checks', { service: 'b' }).length, 1)
  })
})

describe('identity of a node', () => {
  function held(serf?: 'passing' | 'critical'): Driver {
    const driver = new Driver()
    const checks = serf === undefined ? [] : [check('serfHealth', serf)]
    driver.ok(driver.register('n1', { id: ID_A, checks, service: service({ service: 'web' }) }))
    return driver
  }

  it('reserves a name for the live node that holds it', () => {
    const driver = held('passing')
    assert.equal(
      driver.refused(driver.register('N1', { id: ID_B, address: '10.0.0.2' })),
      `failed inserting node: Error while renaming Node ID: "${ID_B}": Node name N1 is reserved by node ${ID_A} with name n1 (10.0.0.1)`,
    )
  })

  it('lets a name be taken over from a node that is failed or unknown to gossip', () => {
    for (const serf of ['critical', undefined] as const) {
      const driver = held(serf)
      driver.ok(driver.register('n1', { id: ID_B, address: '10.0.0.2' }))
      const found = driver.read('catalog.node', { node: 'n1' })
      assert.deepEqual([found?.node.id, found?.node.address], [ID_B, '10.0.0.2'])
      assert.equal(driver.read('catalog.node', { node: ID_A }), null)
    }
  })

  it('lets a node without id be taken over, and keeps an id that a later write leaves out', () => {
    const driver = new Driver()
    driver.ok(driver.register('n1', { checks: [check('serfHealth', 'passing')] }))
    driver.ok(driver.register('n1', { id: ID_A }))
    driver.ok(driver.register('n1', { address: '10.0.0.9' }))
    assert.equal(driver.read('catalog.node', { node: 'n1' })?.node.id, ID_A)
  })

  it('renames: the old node goes with its services, checks and sessions', () => {
    const driver = held('passing')
    driver.ok({ kind: 'session.create', session: session('s1', 'n1') })
    driver.ok(driver.register('n2', { id: ID_A }))
    assert.equal(driver.read('catalog.node', { node: 'n1' }), null)
    assert.deepEqual(driver.read('session.list', {}), [])
    assert.deepEqual(driver.read('catalog.service', { service: 'web' }), [])
    const found = driver.read('catalog.node', { node: ID_A })
    assert.deepEqual([found?.node.node, found?.node.createIndex], ['n2', 1])
    assert.deepEqual(found?.services, [])
  })

  it('refuses to rename onto the name of a live node', () => {
    const driver = held('passing')
    driver.ok(driver.register('n2', { id: ID_B }))
    assert.equal(
      driver.refused(driver.register('n1', { id: ID_B })),
      `failed inserting node: Error while renaming Node ID: "${ID_B}": Node name n1 is reserved by node ${ID_A} with name n1 (10.0.0.1)`,
    )
  })

  it('changes the spelling of a name without renaming', () => {
    const driver = held('passing')
    driver.ok(driver.register('N1', { id: ID_A }))
    const found = driver.read('catalog.node', { node: 'n1' })
    assert.deepEqual([found?.node.node, found?.services.length], ['N1', 1])
  })
})

describe('deregister', () => {
  function filled(): Driver {
    const driver = new Driver()
    driver.ok(
      driver.register('n1', {
        service: service({ service: 'web' }),
        checks: [check('serfHealth', 'passing'), check('c', 'passing', { serviceId: 'web' })],
      }),
    )
    return driver
  }

  it('removes a check, a service with its checks, or everything', () => {
    const driver = filled()
    driver.ok(driver.deregister('N1', { checkId: 'serfHealth' }))
    assert.deepEqual(
      driver.read('health.node', { node: 'n1' }).map((one) => one.checkId),
      ['c'],
    )
    driver.ok(driver.deregister('n1', { serviceId: 'web' }))
    assert.deepEqual(driver.read('health.node', { node: 'n1' }), [])
    driver.ok(driver.deregister('n1'))
    assert.deepEqual(driver.read('catalog.nodes', {}), [])
  })

  it('is true and moves no index when nothing matches', () => {
    const driver = filled()
    const before = driver.indexOf('catalog.services', {})
    for (const given of [{ serviceId: 'x' }, { checkId: 'x' }]) {
      assert.equal(driver.ok(driver.deregister('n1', given)), true)
    }
    assert.equal(driver.ok(driver.deregister('other')), true)
    assert.equal(driver.indexOf('catalog.services', {}), before)
  })

  it('needs a node', () => {
    const driver = filled()
    assert.equal(driver.refused(driver.deregister('')), 'Must provide node')
  })
})
