/**
 * The npm client `consul`, written for Consul, drives the agent unchanged, by all that it offers.
 */

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import Consul from 'consul'
import { startAgent, type TestAgent } from '../e2e/harness/agent.ts'
import { eventually } from '../e2e/harness/program.ts'

let agent: TestAgent
let consul: Consul

before(async () => {
  agent = await startAgent({ flags: ['-node=vm-a'] })
  consul = new Consul({ host: '127.0.0.1', port: agent.ready.http })
})
after(async () => {
  consul.destroy()
  await agent[Symbol.asyncDispose]()
})

type Healthy = readonly { readonly Service: { readonly ID: string } }[]

function instances(entries: Healthy): readonly string[] {
  return entries.map((entry) => entry.Service.ID).sort()
}

/** The library's types leave the session out. */
async function lockHolder(key: string): Promise<string | undefined> {
  const entry = (await consul.kv.get(key)) as { readonly Session?: string } | undefined
  return entry?.Session
}

describe('the client library', () => {
  it('knows the agent and its cluster', async () => {
    const self = await consul.agent.self()
    assert.equal(self.Config.NodeName, 'vm-a')
    assert.equal((await consul.agent.members())[0]?.Name, 'vm-a')
    assert.match(await consul.status.leader(), /^127\.0\.0\.1:/)
    assert.deepEqual(await consul.catalog.datacenters(), ['dc1'])
  })

  it('writes, reads, locks and deletes keys', async () => {
    assert.equal(await consul.kv.set('lib/a', 'value'), true)
    assert.equal((await consul.kv.get('lib/a'))?.Value, 'value')
    assert.deepEqual(await consul.kv.keys('lib/'), ['lib/a'])
    const session = await consul.session.create({ name: 'mine', ttl: '30s' })
    assert.equal(await consul.kv.set({ key: 'lib/lock', value: 'me', acquire: session.ID }), true)
    assert.equal(await lockHolder('lib/lock'), session.ID)
    await consul.session.destroy(session.ID)
    assert.equal(await lockHolder('lib/lock'), undefined)
    await consul.kv.del({ key: 'lib/', recurse: true })
    assert.equal(await consul.kv.get('lib/a'), undefined)
  })

  it('registers a service with a check and follows its health', async () => {
    await consul.agent.service.register({
      name: 'web',
      id: 'web-1',
      port: 8080,
      tags: ['v1'],
      check: { name: 'alive', ttl: '30s', timeout: '1s' },
    })
    const isPassing = async (): Promise<boolean> => {
      return (await consul.health.service({ service: 'web', passing: true })).length === 1
    }
    assert.equal(await isPassing(), false)
    await consul.agent.check.pass('service:web-1')
    await eventually('the service passes', isPassing)
    const nodes = await consul.catalog.service.nodes('web')
    assert.equal(nodes[0]?.ServicePort, 8080)
    await consul.agent.check.fail({ id: 'service:web-1', note: 'broken' })
    await eventually('the service fails', async () => !(await isPassing()))
    await consul.agent.service.deregister('web-1')
    await eventually('the service is gone', async () => {
      return (await consul.catalog.service.nodes('web')).length === 0
    })
  })

  it('watches a key', async () => {
    await consul.kv.set('watched', 'one')
    const watch = consul.watch({ method: consul.kv.get, options: { key: 'watched', wait: '30s' } })
    const seen: string[] = []
    watch.on('change', (entry: { Value: string }) => {
      seen.push(entry.Value)
    })
    watch.on('error', () => {})
    try {
      await eventually('the first value', () => seen.includes('one'))
      await consul.kv.set('watched', 'two')
      await eventually('the second value', () => seen.includes('two'))
    } finally {
      watch.end()
    }
  })

  it('fires an event and lists it', async () => {
    const fired = await consul.event.fire('deploy', 'v1')
    const other = await consul.event.fire({ name: 'restart', payload: '', node: '^nobody$' })
    assert.equal(other.NodeFilter, '^nobody$')
    const [event, ...more] = await consul.event.list('deploy')
    assert.deepEqual([event?.ID, event?.Payload, more.length], [fired.ID, 'v1', 0])
    assert.deepEqual(await consul.event.list('restart'), [])
  })

  it('runs a transaction', async () => {
    const written = await consul.transaction.create([
      { KV: { Verb: 'set', Key: 'txn/a', Value: 'YQ==' } },
      { KV: { Verb: 'get', Key: 'txn/a' } },
    ] as never)
    assert.equal(written.Results?.[1]?.KV.Value, 'YQ==')
    assert.equal((await consul.kv.get('txn/a'))?.Value, 'a')
    const failed = consul.transaction.create([{ KV: { Verb: 'get', Key: 'none' } }] as never)
    await assert.rejects(
      failed,
      (thrown: { readonly response?: { readonly statusCode: number } }) => {
        return thrown.response?.statusCode === 409
      },
    )
    const contradiction = { KV: { Verb: 'check-not-exists', Key: 'txn/a' } }
    await assert.rejects(consul.transaction.create([contradiction] as never), {
      message: /conflict|exists/i,
    })
  })

  it('keeps, renews, lists and ends sessions', async () => {
    const { ID } = await consul.session.create({
      name: 'worker',
      ttl: '30s',
      behavior: 'delete',
      lockdelay: '5s',
      checks: ['serfHealth'],
    })
    const ids = (list: readonly { readonly ID: string }[]): boolean => list.some((s) => s.ID === ID)
    const info = await consul.session.info(ID)
    assert.deepEqual([info.Name, info.TTL, info.LockDelay], ['worker', '30s', 5_000_000_000])
    assert.deepEqual(await consul.session.get(ID), info)
    assert.ok(ids(await consul.session.list()) && ids(await consul.session.node('vm-a')))
    assert.ok(ids(await consul.session.renew(ID)))
    assert.equal(await consul.kv.set({ key: 'mine', value: 'x', acquire: ID }), true)
    assert.equal(await consul.kv.set({ key: 'mine', value: 'y', release: ID }), true)
    await consul.session.destroy(ID)
    await assert.rejects(consul.session.renew(ID), /not found/)
  })

  it('registers nodes and services in the catalog, and reads them by every path', async () => {
    await consul.catalog.register({
      node: 'db-host',
      address: '10.9.0.1',
      nodemeta: { rack: 'r1' },
      service: { id: 'db-1', service: 'db', tags: ['main'], port: 5432 },
      check: {
        checkid: 'db',
        name: 'db',
        serviceid: 'db-1',
        status: 'warning',
        definition: { tcp: '10.9.0.1:5432', intervalduration: '10s', timeoutduration: '1s' },
      },
    } as never)
    const { catalog, health } = consul
    assert.deepEqual((await catalog.services())['db'], ['main'])
    assert.deepEqual((await catalog.service.list())['db'], ['main'])
    assert.equal((await catalog.service.nodes('db'))[0]?.ServicePort, 5432)
    assert.deepEqual(await catalog.service.nodes({ service: 'db', tag: 'none' }), [])
    assert.deepEqual(await catalog.connect.nodes('db'), [])
    const inRack = await catalog.node.list({ filter: 'Meta.rack == "r1"' })
    assert.deepEqual(
      inRack.map(({ Node }) => Node),
      ['db-host'],
    )
    assert.ok((await catalog.node.list()).some(({ Node }) => Node === 'db-host'))
    assert.ok(Object.hasOwn((await catalog.node.services('db-host')).Services ?? {}, 'db-1'))
    assert.equal((await health.node('db-host'))[0]?.Status, 'warning')
    assert.equal((await health.checks('db'))[0]?.CheckID, 'db')
    assert.ok((await health.state('warning')).some(({ CheckID }) => CheckID === 'db'))
    assert.deepEqual(await health.service({ service: 'db', passing: true }), [])
    await catalog.deregister({ node: 'db-host', checkid: 'db' })
    assert.deepEqual(await health.node('db-host'), [])
    await catalog.deregister({ node: 'db-host', serviceid: 'db-1' } as never)
    assert.deepEqual(await catalog.service.nodes('db'), [])
    await catalog.deregister('db-host')
    assert.equal(await catalog.node.services('db-host'), undefined)
  })

  it('sets its agent, services and checks in and out of maintenance', async () => {
    const { agent: own } = consul
    await own.service.register({ name: 'kept', port: 1 })
    await own.check.register({ name: 'beat', id: 'beat', ttl: '1h', serviceid: 'kept' } as never)
    await own.check.warn({ id: 'beat', note: 'so so' })
    assert.equal((await own.checks())['beat']?.Output, 'so so')
    const statusOf = async (id: string): Promise<string | undefined> =>
      (await own.check.list())[id]?.Status
    assert.equal(await statusOf('beat'), 'warning')
    await own.service.maintenance({ id: 'kept', enable: true, reason: 'why' })
    assert.equal(await statusOf('_service_maintenance:kept'), 'critical')
    await own.service.maintenance({ id: 'kept', enable: false })
    await own.maintenance(true)
    assert.equal(await statusOf('_node_maintenance'), 'critical')
    await own.maintenance(false)
    assert.equal(await statusOf('_node_maintenance'), undefined)
    await own.check.deregister('beat')
    assert.ok(Object.hasOwn(await own.services(), 'kept'))
    assert.deepEqual(Object.keys(await own.checks()), [])
    await own.service.deregister('kept')
    await own.reload()
    assert.equal((await consul.status.peers()).length, 1)
    await assert.rejects(own.forceLeave('nobody'), /No node found/)
  })

  it('keeps prepared queries and executes them', async () => {
    await consul.agent.service.register({ name: 'cache', port: 11211, tags: ['hot'] })
    await eventually('the catalog has the service', async () => {
      return (await consul.catalog.service.nodes('cache')).length === 1
    })
    const { query } = consul
    const { ID } = await query.create({
      name: 'near-cache',
      service: {
        service: 'cache',
        failover: { nearestn: 3, datacenters: ['dc2'] },
        onlypassing: true,
        tags: ['hot', '!cold'],
      } as never,
      dns: { ttl: '10s' },
    })
    assert.equal((await query.list()).length, 1)
    const shown = await query.get(ID)
    assert.deepEqual(shown.Service.Failover, { NearestN: 3, Datacenters: ['dc2'], Targets: null })
    assert.deepEqual([shown.Service.OnlyPassing, shown.Service.Tags], [true, ['hot', '!cold']])
    const executed = await query.execute('near-cache')
    assert.deepEqual([executed.Service, executed.Failovers, executed.DNS.TTL], ['cache', 0, '10s'])
    assert.equal(executed.Nodes[0].Service.Port, 11211)
    await query.update({
      query: ID,
      name: 'cold-cache',
      service: { service: 'cache', tags: ['!hot'] } as never,
    })
    assert.deepEqual((await query.execute({ query: ID })).Nodes, [])
    // The library takes the answer for a list and gives nothing of it.
    await query.explain('cold-cache')
    await assert.rejects(query.execute('near-cache'), /Query not found/)
    await (query as unknown as { destroy(id: string): Promise<void> }).destroy(ID)
    assert.deepEqual(await query.list(), [])
    await consul.agent.service.deregister('cache')
  })

  it('compares and sets, keeps bytes, and lists by separator', async () => {
    const bytes = Buffer.from([0, 1, 254, 255])
    assert.equal(await consul.kv.set({ key: 'npm/bytes', value: bytes, flags: 7, cas: 0 }), true)
    // The library makes undefined of what is false.
    assert.notEqual(await consul.kv.set({ key: 'npm/bytes', value: 'x', cas: 0 }), true)
    const raw: unknown = await consul.kv.get({ key: 'npm/bytes', raw: true })
    assert.deepEqual(raw, bytes)
    const entry = await consul.kv.get('npm/bytes')
    assert.equal(entry?.Flags, 7)
    await consul.kv.set('npm/sub/a', '1')
    assert.deepEqual(await consul.kv.keys({ key: 'npm/', separator: '/' }), [
      'npm/bytes',
      'npm/sub/',
    ])
    const cas = entry?.ModifyIndex ?? 0
    assert.notEqual(await consul.kv.del({ key: 'npm/bytes', cas: cas + 1 }), true)
    assert.equal(await consul.kv.del({ key: 'npm/bytes', cas }), true)
  })

  it('takes a service with a sidecar and an alias check out of rotation for maintenance', async () => {
    const { agent: own } = consul
    await own.service.register({
      name: 'paired',
      connect: { sidecarservice: {} },
      checks: [
        { name: 'ttl', checkid: 'paired-ttl', ttl: '1h', timeout: '1s', status: 'passing' },
        { name: 'alias', checkid: 'paired-alias', aliasnode: 'vm-a', timeout: '1s' },
      ],
    })
    assert.ok(Object.hasOwn(await own.services(), 'paired-sidecar-proxy'))
    const isPassing = async (): Promise<boolean> =>
      instances(await consul.health.service({ service: 'paired', passing: true })).length === 1
    await eventually('all its checks pass', isPassing)
    await own.service.maintenance({ id: 'paired', enable: true, reason: 'r' })
    assert.equal(await isPassing(), false)
    await own.service.maintenance({ id: 'paired', enable: false })
    await own.maintenance({ enable: true, reason: 'r' })
    assert.equal(await isPassing(), false)
    await own.maintenance(false)
    await eventually('it passes again', isPassing)
    await own.service.deregister('paired')
  })

  it('watches the health of a service through failures and recovery', async () => {
    const check = { name: 'ttl', ttl: '1h', timeout: '1s', status: 'passing' }
    await consul.agent.service.register({ name: 'seen', check })
    const options = { service: 'seen', passing: 'true', wait: '30s' }
    const watch = consul.watch({ method: consul.health.service, options })
    let last: readonly string[] | undefined
    watch.on('change', (entries: Healthy) => {
      last = instances(entries)
    })
    watch.on('error', () => {})
    try {
      await eventually('it is healthy', () => last?.length === 1)
      await consul.agent.check.fail('service:seen')
      await eventually('it is not', () => last?.length === 0)
      await consul.agent.check.pass('service:seen')
      await eventually('it is again', () => last?.length === 1)
      assert.equal(watch.isRunning(), true)
    } finally {
      watch.end()
    }
    await consul.agent.service.deregister('seen')
  })

  it('gets errors with their status and text', async () => {
    const told = async (call: Promise<unknown>): Promise<string> => {
      const error = await call.then(
        () => undefined,
        (err: { readonly response?: { readonly body?: unknown } }) => err,
      )
      return String(error?.response?.body)
    }
    assert.match(await told(consul.agent.check.pass('none')), /Unknown check ID "none"/)
    assert.match(await told(consul.agent.service.deregister('none')), /Unknown service ID "none"/)
    const elsewhere = { key: 'a', dc: 'nowhere' }
    assert.match(await told(consul.kv.get(elsewhere)), /No path to datacenter/)
  })
})
