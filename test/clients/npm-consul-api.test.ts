/**
 * The rest of what the npm client `consul` offers: catalog, sessions, checks, maintenance, queries, transactions, watches.
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

/** The names of instances, as the library gives them. */
function ids(entries: readonly { readonly Service: { readonly ID: string } }[]): string[] {
  return entries.map((entry) => entry.Service.ID).sort()
}

describe('the client library', () => {
  it('registers in the catalog, reads it in every way, and deregisters', async () => {
    await consul.catalog.register({
      node: 'ext',
      address: '192.0.2.20',
      nodemeta: { rack: 'r1' },
      service: { id: 'db-1', service: 'db', address: '192.0.2.21', port: 5432, tags: ['main'] },
      check: {
        node: 'ext',
        checkid: 'db-1',
        name: 'alive',
        serviceid: 'db-1',
        status: 'passing',
        definition: { tcp: '192.0.2.21:5432', intervalduration: '10s', timeoutduration: '1s' },
      },
    })
    const nodes = await consul.catalog.node.list({ filter: 'Meta.rack == "r1"' })
    assert.deepEqual(
      nodes.map((node) => node.Node),
      ['ext'],
    )
    assert.deepEqual((await consul.catalog.services())['db'], ['main'])
    const { Services } = await consul.catalog.node.services('ext')
    assert.equal(Services['db-1'].Port, 5432)
    assert.equal((await consul.catalog.service.nodes({ service: 'db', tag: 'none' })).length, 0)
    assert.deepEqual(await consul.catalog.connect.nodes('db'), [])
    assert.equal((await consul.health.node('ext'))[0]?.CheckID, 'db-1')
    assert.equal((await consul.health.checks('db'))[0]?.Status, 'passing')
    const passing = await consul.health.state('passing')
    assert.ok(passing.some((check) => check.CheckID === 'db-1'))
    await consul.catalog.deregister({ node: 'ext', checkid: 'db-1' })
    assert.deepEqual(await consul.health.node('ext'), [])
    await consul.catalog.deregister('ext')
    assert.equal(await consul.catalog.node.services('ext'), undefined)
  })

  it('creates, renews, lists and destroys sessions', async () => {
    const options = { name: 's', ttl: '30s', lockdelay: '0s', behavior: 'delete' as const }
    const { ID } = await consul.session.create(options)
    // The library gives the record alone, its types a list or not.
    const shown: unknown = await consul.session.get(ID)
    assert.ok(JSON.stringify(shown).includes('"TTL":"30s"'), JSON.stringify(shown))
    assert.ok((await consul.session.list()).some((each) => each.ID === ID))
    assert.ok((await consul.session.node('vm-a')).some((each) => each.ID === ID))
    assert.equal((await consul.session.renew(ID))[0]?.ID, ID)
    await consul.session.destroy(ID)
    await assert.rejects(consul.session.renew(ID), { message: /not found/ })
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

  it('reports checks, and puts service and node into maintenance', async () => {
    await consul.agent.service.register({
      name: 'kept',
      connect: { sidecarservice: {} },
      checks: [
        { name: 'ttl', checkid: 'kept-ttl', ttl: '1h', timeout: '1s', status: 'passing' },
        { name: 'alias', checkid: 'kept-alias', aliasnode: 'vm-a', timeout: '1s' },
      ],
    })
    await consul.agent.check.register({ name: 'mine', checkid: 'mine', ttl: '1h', timeout: '1s' })
    await consul.agent.check.warn({ id: 'mine', note: 'so so' })
    assert.equal((await consul.agent.checks())['mine']?.Output, 'so so')
    await consul.agent.check.deregister('mine')
    assert.equal((await consul.agent.checks())['mine'], undefined)
    assert.ok((await consul.agent.services())['kept-sidecar-proxy'] !== undefined)
    const isPassing = async (): Promise<boolean> =>
      ids(await consul.health.service({ service: 'kept', passing: true })).includes('kept')
    await eventually('all its checks pass', isPassing)
    await consul.agent.service.maintenance({ id: 'kept', enable: true, reason: 'r' })
    assert.equal(await isPassing(), false)
    await consul.agent.service.maintenance({ id: 'kept', enable: false })
    await consul.agent.maintenance({ enable: true, reason: 'r' })
    assert.equal(await isPassing(), false)
    await consul.agent.maintenance(false)
    await eventually('it passes again', isPassing)
    await consul.agent.reload()
    await consul.agent.service.deregister('kept')
  })

  it('makes, changes, explains, runs and destroys prepared queries', async () => {
    await consul.agent.service.register({ name: 'asked', tags: ['v1'] })
    const query = { name: 'by-npm', service: { service: 'asked', tags: ['v1'], onlypassing: true } }
    const made = await consul.query.create(query)
    const listed: unknown = await consul.query.list()
    assert.ok(JSON.stringify(listed).includes(made.ID))
    const shown: unknown = await consul.query.get(made.ID)
    assert.ok(JSON.stringify(shown).includes('by-npm'))
    const run: unknown = await consul.query.execute('by-npm')
    assert.ok(JSON.stringify(run).includes('"ID":"asked"'))
    await consul.query.update({ query: made.ID, name: 'renamed', service: { service: 'asked' } })
    // Missing in its types.
    await (consul.query as unknown as { destroy(id: string): Promise<void> }).destroy(made.ID)
    await assert.rejects(consul.query.execute('renamed'), { message: /not found/i })
  })

  it('runs transactions, and says which operation failed', async () => {
    const value = Buffer.from('v').toString('base64')
    const set = { KV: { Verb: 'set', Key: 'npm/txn', Value: value } }
    // The library sends what it is given; its types describe another form.
    const run = async (operations: readonly object[]): Promise<unknown> =>
      await consul.transaction.create(operations as never)
    const done = JSON.stringify(await run([set, { KV: { Verb: 'get', Key: 'npm/txn' } }]))
    assert.ok(done.includes(value), done)
    const check = { KV: { Verb: 'check-not-exists', Key: 'npm/txn' } }
    await assert.rejects(run([set, check]), { message: /conflict|exists/i })
  })

  it('watches the health of a service through failures and recovery', async () => {
    const check = { name: 'ttl', ttl: '1h', timeout: '1s', status: 'passing' }
    await consul.agent.service.register({ name: 'seen', check })
    const options = { service: 'seen', passing: 'true', wait: '30s' }
    const watch = consul.watch({ method: consul.health.service, options })
    let last: readonly string[] | undefined
    watch.on('change', (entries: readonly { readonly Service: { readonly ID: string } }[]) => {
      last = ids(entries)
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
