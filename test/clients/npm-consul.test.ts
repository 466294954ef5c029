/**
 * The npm client `consul`, written for Consul, drives the agent unchanged.
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
  await agent[Symbol.asyncDispose]()
})

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
    const response = await agent.put('/v1/txn', [
      { KV: { Verb: 'set', Key: 'txn/a', Value: 'YQ==' } },
      { KV: { Verb: 'get', Key: 'txn/a' } },
    ])
    assert.equal(response.status, 200, await response.text())
    assert.equal((await consul.kv.get('txn/a'))?.Value, 'a')
  })
})
