/**
 * Anti-entropy between a real local state and a real state store, in one process and virtual time.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  addCheck,
  assertAgree,
  Catalog,
  NODE,
  register,
  remoteCheck,
  remoteRegister,
  remoteService,
  world,
} from './world.ts'

describe('a registration', () => {
  it('is in the catalog when its promise resolves, checks included, in one command', async () => {
    const { local, catalog, sync } = await world()
    catalog.commands.length = 0
    await register(local, { Name: 'web', Port: 80, Checks: [{ TTL: '10s' }, { TTL: '10s' }] })
    assert.deepEqual(catalog.ids(), ['service:web:1', 'service:web:2', 'web'])
    assert.equal(catalog.commands.length, 1)
    await local.deregisterService('web')
    assert.deepEqual(catalog.ids(), [])
    assert.equal(catalog.commands.length, 2, 'the checks go with their service')
    await register(local, { Name: 'web', Port: 80, Checks: [{ TTL: '10s' }, { TTL: '10s' }] })
    assert.deepEqual(catalog.ids(), ['service:web:1', 'service:web:2', 'web'])
    await sync.stop()
  })

  it('does not let its sidecar wait for it, and a crowd not come all at once', async () => {
    const { catalog, local, sync } = await world()
    await register(local, { Name: 'web', Connect: { SidecarService: {} } })
    assert.equal(catalog.mostAtOnce, 2)
    await sync.stop()
    const crowd = await world({
      before: async (state) => {
        for (let i = 0; i < 20; i++) await register(state, { Name: `s${i}` })
      },
    })
    assert.equal(crowd.catalog.mostAtOnce, 4)
    assert.equal(crowd.catalog.ids().length, 20)
    await crowd.sync.stop()
  })

  it('resolves also when the servers cannot be reached, and is synced later', async () => {
    const { local, catalog, sync, clock } = await world()
    catalog.failure = 'NO_LEADER'
    await register(local, { Name: 'web' })
    assert.deepEqual(catalog.ids(), [])
    catalog.failure = undefined
    clock.advance(14_999)
    await sync.syncChanges()
    clock.advance(15_001)
    await sync.syncChanges()
    assert.deepEqual(catalog.ids(), ['web'])
    await sync.stop()
  })

  it('takes along what failed before it', async () => {
    const { local, catalog, sync } = await world()
    catalog.failure = 'BUSY'
    await addCheck(local, { Name: 'c', TTL: '1h' })
    await register(local, { Name: 'web' })
    catalog.failure = undefined
    await register(local, { Name: 'other' })
    assert.deepEqual(catalog.ids(), ['c', 'other', 'web'])
    await sync.stop()
  })

  it('made before the servers were first reached is synced, and so is its end', async () => {
    const catalog = new Catalog()
    catalog.failure = 'NO_LEADER'
    const { local, sync } = await world({ catalog })
    remoteRegister(catalog, { service: remoteService('old') })
    await register(local, { Name: 'old' })
    await register(local, { Name: 'web' })
    await local.deregisterService('old')
    catalog.failure = undefined
    await register(local, { Name: 'late' })
    assert.deepEqual(catalog.ids(), ['late', 'web'])
    await sync.stop()
  })
})

describe('a full sync', () => {
  it('registers the node with its meta and runs every minute', async () => {
    const { local, catalog, sync, clock } = await world()
    assertAgree(local, catalog)
    const reads = catalog.reads
    remoteRegister(catalog, { service: remoteService('foreign') })
    clock.advance(59_999)
    await sync.syncChanges()
    assert.equal(catalog.reads, reads)
    clock.advance(60_001)
    await sync.syncChanges()
    assert.equal(catalog.reads, reads + 1)
    assertAgree(local, catalog)
    await sync.stop()
  })

  it('writes nothing when all agrees', async () => {
    const { local, catalog, sync } = await world()
    await register(local, {
      Name: 'web',
      Port: 1,
      Address: '10.0.0.7',
      Check: { TTL: '10s' },
      Connect: { SidecarService: {} },
    })
    await sync.syncAll()
    const written = catalog.commands.length
    await sync.syncAll()
    assert.equal(catalog.commands.length, written)
    assert.ok(
      local.services().get('web-sidecar-proxy')?.service.taggedAddresses['consul-virtual'],
      'the virtual address of the servers is taken over',
    )
    assertAgree(local, catalog)
    await sync.stop()
  })

  it('never touches what the servers own', async () => {
    const { catalog, sync } = await world()
    remoteRegister(catalog, {
      service: remoteService('consul'),
      checks: [remoteCheck('serfHealth'), remoteCheck('foreign')],
    })
    await sync.syncAll()
    assert.deepEqual(catalog.ids(), ['consul', 'serfHealth'])
    await sync.stop()
  })

  it('brings back what others removed or changed', async () => {
    const { local, catalog, sync } = await world()
    await register(local, { Name: 'web', Check: { TTL: '10s' } })
    catalog.apply({ kind: 'deregister', request: { node: NODE } })
    await sync.syncAll()
    assertAgree(local, catalog)
    remoteRegister(catalog, {
      service: remoteService('web', { port: 9 }),
      checks: [remoteCheck('service:web', { serviceId: 'web' })],
    })
    await sync.syncAll()
    assertAgree(local, catalog)
    await sync.stop()
  })

  it('takes over tags of the catalog only where that was allowed', async () => {
    const { local, catalog, sync } = await world()
    for (const [name, allowed] of [
      ['open', true],
      ['closed', false],
    ] as const) {
      await register(local, { Name: name, Tags: ['mine'], EnableTagOverride: allowed })
      const service = remoteService(name, { tags: ['theirs'], enableTagOverride: allowed })
      remoteRegister(catalog, { service })
    }
    await sync.syncAll()
    assert.deepEqual(local.services().get('open')?.service.tags, ['theirs'])
    assert.deepEqual(local.services().get('closed')?.service.tags, ['mine'])
    assertAgree(local, catalog)
    await register(local, { Name: 'open', Tags: ['newer'], EnableTagOverride: true })
    assert.deepEqual(
      catalog.node()?.services.find(({ id }) => id === 'open')?.tags,
      ['newer'],
      'registering again is the newer word',
    )
    await sync.stop()
  })

  it('comes soon after a server joined', async () => {
    const { catalog, sync, clock, membership } = await world()
    const reads = catalog.reads
    membership.set([
      ...membership.current,
      { name: 's1', address: '10.0.0.9', port: 8301, tags: { role: 'consul' }, status: 'alive' },
    ])
    clock.advance(3_000)
    await sync.syncChanges()
    assert.equal(catalog.reads, reads + 1)
    await sync.stop()
  })
})

describe('check results', () => {
  it('that follow from each other in a turn are sent together', async () => {
    const { catalog, local, sync } = await world()
    await register(local, { Name: 'web', Checks: [{ TTL: '1h', CheckID: 'a' }] })
    await register(local, { Name: 'api', Checks: [{ TTL: '1h', CheckID: 'b' }] })
    catalog.mostAtOnce = 0
    // As an alias does.
    const unfollow = local.onChange(({ id }) => {
      if (id === 'a') queueMicrotask(() => local.reportCheck('b', 'passing', ''))
    })
    await local.updateTtl('a', 'passing', '')
    unfollow()
    assert.equal(catalog.mostAtOnce, 2)
    await sync.stop()
  })

  it('are sent at once when the status changes', async () => {
    const { local, catalog, sync } = await world({ checkUpdateIntervalMs: 300_000 })
    await addCheck(local, { Name: 'c', TTL: '1h' })
    local.reportCheck('c', 'passing', 'out 1')
    await sync.syncChanges()
    const check = catalog.node()?.checks.find(({ checkId }) => checkId === 'c')
    assert.deepEqual([check?.status, check?.output], ['passing', 'out 1'])
    await sync.stop()
  })

  it('wait for half to one and a half update intervals when only the output changes', async () => {
    const { local, catalog, sync, clock } = await world({ checkUpdateIntervalMs: 40_000 })
    await addCheck(local, { Name: 'c', TTL: '1h' })
    const output = () => catalog.node()?.checks.find(({ checkId }) => checkId === 'c')?.output
    local.reportCheck('c', 'critical', 'out 1')
    clock.advance(19_999)
    await sync.syncChanges()
    assert.equal(output(), '')
    await sync.syncAll()
    assert.equal(output(), '', 'nor does a full sync send it')
    local.reportCheck('c', 'critical', 'out 2')
    clock.advance(40_001)
    await sync.syncChanges()
    assert.equal(output(), 'out 2')
    await sync.stop()
  })

  it('are sent one by one without an update interval', async () => {
    const { local, catalog, sync } = await world()
    await addCheck(local, { Name: 'c', TTL: '1h' })
    local.reportCheck('c', 'critical', 'out')
    await sync.syncChanges()
    assert.equal(catalog.node()?.checks.find(({ checkId }) => checkId === 'c')?.output, 'out')
    await sync.stop()
  })
})

describe('refusals', () => {
  it('by access control are not repeated before the next full sync', async () => {
    const { local, catalog, sync, clock } = await world()
    catalog.failure = 'PERMISSION_DENIED'
    await register(local, { Name: 'web' })
    catalog.failure = undefined
    await register(local, { Name: 'other' })
    assert.deepEqual(catalog.ids(), ['other'])
    clock.advance(120_000)
    await sync.syncChanges()
    assert.deepEqual(catalog.ids(), ['other', 'web'])
    await sync.stop()
  })

  it('of one change do not hold up the others', async () => {
    const catalog = new Catalog()
    catalog.failure = 'REJECTED'
    catalog.failing = (command) =>
      command.kind === 'register' && command.request.service?.id === 'bad'
    const { local, sync } = await world({
      catalog,
      before: async (state) => {
        for (const name of ['bad', 'good']) await register(state, { Name: name })
      },
    })
    assert.deepEqual(catalog.ids(), ['good'])
    assert.equal(local.services().size, 2)
    await sync.stop()
  })

  it('of the node keep this host from writing under the name of another', async () => {
    const catalog = new Catalog()
    const other = '11111111-2222-3333-4444-555555555555'
    catalog.apply({
      kind: 'register',
      request: {
        id: other,
        node: NODE,
        address: '10.0.0.6',
        taggedAddresses: null,
        meta: null,
        skipNodeUpdate: false,
        service: remoteService('theirs'),
        checks: [remoteCheck('serfHealth')],
      },
    })
    const { local, sync } = await world({ catalog })
    await register(local, { Name: 'ours' })
    assert.equal(catalog.node()?.node.id, other)
    assert.deepEqual(catalog.ids(), ['serfHealth', 'theirs'])
    await sync.stop()
  })
})

describe('stopping', () => {
  it('leaves no timer and syncs no more', async () => {
    const { local, catalog, sync, clock } = await world()
    await sync.stop()
    assert.equal(clock.armed, 0)
    const written = catalog.commands.length
    await register(local, { Name: 'web' })
    assert.equal(catalog.commands.length, written)
  })
})
