/**
 * The npm client `consul`, written for the real thing, drives the API over real HTTP.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'
import Consul from 'consul'
import { type RunningAgent, startAgent } from './running-agent.ts'

let agent: RunningAgent
/** Its type declarations describe an older client; what comes back is looked at as it is. */
let consul: Loose

// biome-ignore lint/suspicious/noExplicitAny: the client's own types do not fit what it returns
type Loose = any

before(async () => {
  agent = await startAgent()
  consul = new Consul({ host: '127.0.0.1', port: agent.port })
})

after(async () => {
  await agent[Symbol.asyncDispose]()
  assert.deepEqual(agent.errors, [])
})

describe('status', () => {
  it('names the leader and the peers', async () => {
    const leader = await consul.status.leader()
    assert.match(leader, /^127\.0\.0\.1:\d+$/)
    assert.deepEqual(await consul.status.peers(), [leader])
  })
})

describe('kv', () => {
  it('sets, gets, lists and deletes', async () => {
    assert.equal(await consul.kv.set('app/a', 'one'), true)
    assert.equal(await consul.kv.set({ key: 'app/b', value: 'two', flags: 7 }), true)
    const entry = await consul.kv.get('app/b')
    assert.equal(entry?.Value, 'two')
    assert.equal(entry?.Flags, 7)
    assert.deepEqual(await consul.kv.keys('app/'), ['app/a', 'app/b'])
    const all = await consul.kv.get({ key: 'app/', recurse: true })
    assert.deepEqual(
      all?.map((item: Loose) => item.Key),
      ['app/a', 'app/b'],
    )
    await consul.kv.del({ key: 'app/', recurse: true })
    assert.equal(await consul.kv.get('app/a'), undefined)
  })

  it('returns raw bytes', async () => {
    await consul.kv.set('bytes', Buffer.from([0, 255, 128]))
    const raw = await consul.kv.get({ key: 'bytes', raw: true })
    assert.deepEqual(raw, Buffer.from([0, 255, 128]))
  })

  it('writes only at the expected index', async () => {
    assert.equal(await consul.kv.set({ key: 'cas', value: 'a', cas: '0' }), true)
    assert.ok(!(await consul.kv.set({ key: 'cas', value: 'b', cas: '0' })))
    const { ModifyIndex } = await consul.kv.get('cas')
    assert.equal(await consul.kv.set({ key: 'cas', value: 'b', cas: String(ModifyIndex) }), true)
  })
})

describe('session', () => {
  it('locks a key for one holder at a time', async () => {
    const { ID: first } = await consul.session.create({ name: 'lock-a', ttl: '30s' })
    const { ID: second } = await consul.session.create({ lockdelay: '0s' })
    assert.equal(await consul.kv.set({ key: 'lock', value: 'me', acquire: first }), true)
    assert.ok(!(await consul.kv.set({ key: 'lock', value: 'you', acquire: second })))
    const held = await consul.kv.get('lock')
    assert.equal(held?.Session, first)
    assert.equal(held?.LockIndex, 1)
    assert.equal(await consul.kv.set({ key: 'lock', value: 'me', release: first }), true)
    assert.equal(await consul.kv.set({ key: 'lock', value: 'you', acquire: second }), true)
    const [renewed] = await consul.session.renew(first)
    assert.equal(renewed?.TTL, '30s')
    await consul.session.destroy(first)
    assert.equal(await consul.session.get(first), undefined)
    await assert.rejects(consul.session.renew(first), /not found/)
    const node = await consul.session.node('n1')
    assert.ok(node.some((session: Loose) => session.ID === second))
    assert.ok((await consul.session.list()).length >= 1)
  })
})

describe('agent and catalog', () => {
  it('registers a service with a TTL check and reports its health', async () => {
    await consul.agent.service.register({
      name: 'web',
      id: 'web-1',
      tags: ['v2', 'blue'],
      address: '10.0.0.5',
      port: 8080,
      meta: { owner: 'ops' },
      check: { ttl: '60s', notes: 'by hand' },
    })
    const services = await consul.agent.services()
    assert.equal(services['web-1']?.Port, 8080)
    const checks = await consul.agent.checks()
    assert.equal(checks['service:web-1']?.Status, 'critical')
    assert.deepEqual(await consul.health.service({ service: 'web', passing: true }), [])

    await consul.agent.check.pass({ id: 'service:web-1', note: 'fine' })
    const passing = await consul.health.service({ service: 'web', passing: true, tag: 'v2' })
    assert.equal(passing.length, 1)
    assert.equal(passing[0].Service.ID, 'web-1')
    assert.equal(passing[0].Checks.at(-1).Output, 'fine')
    await consul.agent.check.warn('service:web-1')
    assert.equal((await consul.health.state('warning'))[0].CheckID, 'service:web-1')
    await consul.agent.check.fail('service:web-1')
    assert.equal((await consul.health.checks('web'))[0].Status, 'critical')

    const names = await consul.catalog.services()
    assert.deepEqual(names['web']?.toSorted(), ['blue', 'v2'])
    const nodes = await consul.catalog.service.nodes('web')
    assert.equal(nodes[0].ServiceAddress, '10.0.0.5')

    await consul.agent.service.deregister('web-1')
    assert.deepEqual(await consul.catalog.service.nodes('web'), [])
  })

  it('puts a service and the node into maintenance and back', async () => {
    await consul.agent.service.register({ name: 'job', port: 1 })
    await consul.agent.service.maintenance({ id: 'job', enable: true, reason: 'upgrade' })
    const checks = await consul.agent.checks()
    assert.equal(checks['_service_maintenance:job']?.Notes, 'upgrade')
    await consul.agent.service.maintenance({ id: 'job', enable: false })
    await consul.agent.maintenance(true)
    assert.ok('_node_maintenance' in (await consul.agent.checks()))
    await consul.agent.maintenance(false)
    assert.deepEqual(await consul.agent.checks(), {})
    await consul.agent.service.deregister('job')
  })

  it('tells about itself, its members and nodes', async () => {
    const self = await consul.agent.self()
    assert.equal(self.Config.NodeName, 'n1')
    const members = await consul.agent.members()
    assert.deepEqual(
      members.map((m: Loose) => m.Name),
      ['n1'],
    )
    assert.deepEqual(await consul.catalog.datacenters(), ['dc1'])
    const nodes = await consul.catalog.node.list()
    assert.equal(nodes[0].Node, 'n1')
    const node = await consul.catalog.node.services('n1')
    assert.equal(node.Services.consul.Service, 'consul')
  })
})

describe('transaction', () => {
  it('applies all operations or none', async () => {
    const value = Buffer.from('1').toString('base64')
    const done = await consul.transaction.create([
      { KV: { Verb: 'set', Key: 'txn/a', Value: value } },
      { KV: { Verb: 'get', Key: 'txn/a' } },
    ])
    assert.equal(done.Errors, null)
    assert.equal(done.Results?.length, 2)
    await assert.rejects(
      consul.transaction.create([
        { KV: { Verb: 'set', Key: 'txn/b', Value: value } },
        { KV: { Verb: 'cas', Key: 'txn/a', Value: value, Index: 1 } },
      ]),
    )
    assert.equal(await consul.kv.get('txn/b'), undefined)
  })
})

describe('watch', () => {
  it('sees every change of a key by long polling', async () => {
    const watch = consul.watch({
      method: consul.kv.get,
      options: { key: 'watched', wait: '10s' },
      backoffFactor: 10,
    })
    try {
      await once(watch, 'change')
      for (const value of ['one', 'two']) {
        const seen = once(watch, 'change')
        await consul.kv.set('watched', value)
        const [entry] = await seen
        assert.equal(entry.Value, value)
      }
    } finally {
      watch.end()
    }
  })
})
