/**
 * What DNS answers from its own views, and when it asks the servers instead; and reconfiguration while it runs.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'
import {
  check,
  dnsConfig,
  entry,
  node,
  service,
  VM_A,
  WEB,
} from '../../../unit/core/dns/example-catalog.ts'
import { ask, exchangeTcp, query } from './dns-client.ts'
import { startServer } from './running-server.ts'

const PTR_A = '5.0.0.10.in-addr.arpa'

describe('DNS from views', () => {
  it('asks no server for nodes, reverse names and services, and repeats them from its cache', async () => {
    await using running = await startServer()
    const { catalog, port, server } = running
    catalog.register(...WEB)
    const questions = [
      ['vm-a.node.consul', 'A'],
      ['Vm-A.node.dc1.consul', 'TXT'],
      ['ghost.node.consul', 'A'],
      [PTR_A, 'PTR'],
      ['6.1.0.10.in-addr.arpa', 'PTR'],
      ['web.service.consul', 'SRV'],
    ] as const
    for (const [name, type] of questions) {
      const fresh = await ask(port, name, type)
      const again = await ask(port, name, type)
      assert.deepEqual(again.answers, fresh.answers, name)
      const tcp = await ask(port, name, type, { transport: 'tcp' })
      const tcpAgain = await ask(port, name, type, { transport: 'tcp' })
      assert.deepEqual(tcpAgain.answers, tcp.answers, name)
    }
    assert.equal(catalog.reads, 0)
    // The SOA of the unknown node may have lived less than a question.
    assert.ok(server.counters.cacheHits >= 10, `${server.counters.cacheHits} hits`)
    assert.equal((await ask(port, 'vm-a.node.dc2.consul', 'A')).rcode, 'NXDOMAIN')
    assert.equal(catalog.reads, 1)
  })

  it('follows nodes and addresses as they come, change and go', async () => {
    await using running = await startServer()
    const { catalog, port } = running
    const ptr = async (name: string) => (await ask(port, name, 'PTR')).answers.join()
    const a = async (name: string) => (await ask(port, name, 'A')).answers.join()
    const until = async (probe: () => Promise<string>, wanted: string) => {
      for (let i = 0; (await probe()) !== wanted; i++) assert.ok(i < 1000, await probe())
    }
    assert.equal(await a('late.node.consul'), '')
    assert.equal(await ptr('7.0.0.10.in-addr.arpa'), '')
    catalog.registerNode(node('Late', '10.0.0.7'))
    await until(() => a('late.node.consul'), 'late.node.consul A 10.0.0.7')
    await until(
      () => ptr('7.0.0.10.in-addr.arpa'),
      '7.0.0.10.in-addr.arpa PTR Late.node.dc1.consul',
    )
    catalog.registerNode(node('Late', '10.0.0.8'))
    await until(() => a('late.node.consul'), 'late.node.consul A 10.0.0.8')
    await until(() => ptr('7.0.0.10.in-addr.arpa'), '')
    catalog.register(entry(VM_A, service(VM_A, 'db', { address: '10.0.0.7' })))
    await until(
      () => ptr('7.0.0.10.in-addr.arpa'),
      '7.0.0.10.in-addr.arpa PTR db.service.dc1.consul',
    )
    catalog.apply({ kind: 'deregister', request: { node: 'Late' } })
    await until(() => a('late.node.consul'), '')
  })

  it('finds an IPv6 address however it was registered', async () => {
    await using running = await startServer()
    running.catalog.registerNode(node('six', '2001:DB8:0:0::0:5'))
    const name = `${'20010db8000000000000000000000005'.split('').reverse().join('.')}.ip6.arpa`
    const { answers } = await ask(running.port, name, 'PTR')
    assert.deepEqual(answers, [`${name} PTR six.node.dc1.consul`])
  })

  it('goes on without servers until the view is older than allowed, then asks', async () => {
    const clock = new ManualClock()
    await using running = await startServer({ clock, dns: { maxStaleMs: 60_000 } })
    const { catalog, port } = running
    catalog.register(...WEB)
    const questions = [
      ['web.service.consul', 'A'],
      ['vm-a.node.consul', 'A'],
      [PTR_A, 'PTR'],
      ['web.virtual.consul', 'A'],
      ['consul', 'SOA'],
    ] as const
    const askAll = async () => {
      const rcodes: string[] = []
      for (const [name, type] of questions) rcodes.push((await ask(port, name, type)).rcode)
      return rcodes.join(' ')
    }
    const fine = 'NOERROR NOERROR NOERROR NOERROR NOERROR'
    assert.equal(await askAll(), fine)
    catalog.cut()
    await new Promise(setImmediate)
    clock.advance(59_000)
    assert.equal(await askAll(), fine)
    assert.equal(catalog.reads, 0)
    clock.advance(2_000)
    assert.equal(await askAll(), fine)
    assert.equal(catalog.reads, questions.length)
  })
})

describe('DNS reconfigured while it runs', () => {
  it('answers by the new configuration at once, over open connections too', async () => {
    await using running = await startServer({ dns: { nodeTtlSeconds: 3 } })
    const { catalog, port, server } = running
    const other = node('other', '10.0.0.9')
    const warning = entry(other, service(other, 'shaky'), check(other, 'warning'))
    catalog.register(...WEB, warning)
    const ttl = async () => {
      const { packet } = await ask(port, '0a000005.addr.consul', 'A')
      return (packet.answers?.[0] as { ttl?: number } | undefined)?.ttl
    }
    assert.equal(await ttl(), 3)
    assert.equal((await ask(port, 'shaky.service.consul', 'A')).rcode, 'NOERROR')
    const asked = server.counters.queries
    const prepared = await server.prepare(dnsConfig({ nodeTtlSeconds: 7, onlyPassing: true }))
    assert.equal(await ttl(), 3)
    prepared.putInForce()
    assert.equal(await ttl(), 7)
    assert.equal((await ask(port, 'shaky.service.consul', 'A')).rcode, 'NXDOMAIN')
    assert.equal((await ask(port, 'web.service.consul', 'A')).answers.length, 2)
    assert.equal(server.counters.queries, asked + 4)
    const replies = await exchangeTcp(port, [query('vm-a.node.consul', 'A')])
    assert.equal(replies.length, 1)
  })

  it('stays as it is when the new one cannot be used', async () => {
    await using running = await startServer()
    running.catalog.register(...WEB)
    const bad = running.server.prepare(dnsConfig({ recursors: ['1.2.3.4:99999'] }))
    await assert.rejects(bad, { code: 'INVALID_CONFIG', message: /1\.2\.3\.4:99999/ })
    assert.equal((await ask(running.port, 'web.service.consul', 'A')).answers.length, 2)
    assert.equal((await ask(running.port, 'example.com', 'A')).rcode, 'REFUSED')
  })

  it('lets go of the former views and answers what waited for them', async () => {
    const clock = new ManualClock()
    await using running = await startServer({ clock })
    const { catalog, port, server, views } = running
    catalog.isSilent = true
    const waiting = ask(port, 'web.service.consul', 'A')
    while (catalog.subscriptions === 0) await new Promise(setImmediate)
    const refused = await server.prepare(dnsConfig())
    refused.discard()
    const prepared = await server.prepare(dnsConfig())
    prepared.putInForce()
    clock.advance(2_000)
    assert.equal((await waiting).rcode, 'SERVFAIL')
    await server.stop()
    await views.stop()
    assert.equal(catalog.subscriptions, 0)
    assert.equal(clock.armed, 0)
  })
})
