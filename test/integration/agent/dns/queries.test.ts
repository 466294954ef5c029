/**
 * The DNS server over real sockets: prepared queries, their order, their TTL, and where the client is.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { PreparedQuery } from '../../../../core/queries/types.ts'
import { check, entry, node, service, WEB } from '../../../unit/core/dns/example-catalog.ts'
import {
  preparedQuery,
  queryService,
  queryTemplate,
} from '../../../unit/core/queries/query-fixture.ts'
import { type AskOptions, ask } from './dns-client.ts'
import { type RunningServer, startServer } from './running-server.ts'

const SOA = 'consul SOA ns.consul hostmaster.consul'

function define({ catalog }: RunningServer, query: PreparedQuery): void {
  const id = query.id === '' ? `id-${query.name.toLowerCase()}` : query.id
  catalog.apply({ kind: 'query.set', mode: 'create', query: { ...query, id } })
}

function near(name: string, where: string): PreparedQuery {
  return preparedQuery({ name, service: queryService({ near: where }) })
}

async function firstOf(port: number, name: string, options: AskOptions = {}): Promise<unknown> {
  const { packet } = await ask(port, name, 'A', options)
  return (packet.answers?.[0] as { readonly data?: unknown } | undefined)?.data
}

async function always(wanted: string, first: () => Promise<unknown>): Promise<void> {
  for (let i = 0; i < 8; i++) assert.equal(await first(), wanted)
}

describe('DNS server: prepared queries', () => {
  it('answers by name and by id, over UDP and TCP, as for a service', async () => {
    await using running = await startServer()
    const { catalog, port } = running
    catalog.register(...WEB)
    define(running, preparedQuery({ id: 'some-id', name: 'My.Web', dnsTtl: '1m30.9s' }))
    for (const transport of ['udp', 'tcp'] as const) {
      for (const name of [
        'my.web.query.consul',
        'MY.WEB.query.dc1.consul',
        'some-id.query.consul',
      ]) {
        const a = await ask(port, name, 'A', { transport })
        assert.equal(a.rcode, 'NOERROR')
        assert.deepEqual(a.answers, [`${name} A 10.0.0.5`, `${name} A 10.0.1.6`])
        assert.deepEqual(
          new Set(a.packet.answers?.map((record) => 'ttl' in record && record.ttl)),
          new Set([90]),
        )
        assert.equal(a.packet.flag_aa, true)
      }
      const srv = await ask(port, '_my.web._tcp.query.consul', 'SRV', { transport, edns: 4096 })
      assert.deepEqual(srv.answers, [
        '_my.web._tcp.query.consul SRV 1 1 8080 vm-a.node.dc1.consul',
        '_my.web._tcp.query.consul SRV 1 10 8081 0a000106.addr.dc1.consul',
      ])
      const any = await ask(port, 'my.web.query.consul', 'ANY', { transport })
      assert.equal(any.answers.length, 2)
      const none = await ask(port, 'my.web.query.consul', 'AAAA', { transport })
      assert.deepEqual([none.rcode, none.answers, none.authority], ['NOERROR', [], [SOA]])
    }
  })

  it('has the TTL of the service when the query has none', async () => {
    await using running = await startServer({ dns: { serviceTtlSeconds: { web: 12, '*': 3 } } })
    running.catalog.register(...WEB)
    define(running, preparedQuery({ name: 'q', service: queryService({ service: 'Web' }) }))
    const { packet } = await ask(running.port, 'q.query.consul', 'A')
    assert.deepEqual(
      packet.answers?.map((record) => 'ttl' in record && record.ttl),
      [12, 12],
    )
  })

  it('knows no name without a query, and no query without instances', async () => {
    await using running = await startServer()
    running.catalog.register(...WEB)
    define(running, preparedQuery({ name: 'none', service: queryService({ tags: ['nope'] }) }))
    for (const name of [
      'none.query.consul',
      'ghost.query.consul',
      'none.query.dc9.consul',
      'none.query.dc1.dc.consul',
      'query.consul',
    ]) {
      const answer = await ask(running.port, name, 'A', { edns: 1232 })
      assert.deepEqual([answer.rcode, answer.authority], ['NXDOMAIN', [SOA]], name)
    }
  })

  it('fails for a template that cannot be used', async () => {
    await using running = await startServer()
    define(running, { ...queryTemplate('t', {}), id: 'template-id' })
    assert.equal((await ask(running.port, 'template-id.query.consul', 'A')).rcode, 'SERVFAIL')
  })

  it('takes names for templates', async () => {
    await using running = await startServer()
    running.catalog.register(...WEB)
    define(running, queryTemplate('', { service: '${match(1)}' }, { regexp: '^(.*)\\.any$' }))
    const found = await ask(running.port, 'web.any.query.consul', 'A')
    assert.equal(found.answers.length, 2)
    assert.equal((await ask(running.port, 'web.query.consul', 'A')).rcode, 'NXDOMAIN')
  })

  it('puts the nearest first: of this agent, of a node, of the client and of its subnet', async () => {
    await using running = await startServer()
    const { catalog, port } = running
    const own = node('vm-a', '127.0.0.1')
    for (const host of [own, node('vm-b', '10.0.1.6'), node('vm-c', '10.0.1.7')]) {
      catalog.register(entry(host, service(host, 'web', { port: 80 }), check(host, 'passing')))
    }
    define(running, near('agent', '_agent'))
    define(running, near('node', 'VM-C'))
    define(running, near('client', '_ip'))
    await always('127.0.0.1', () => firstOf(port, 'agent.query.consul'))
    await always('10.0.1.7', () => firstOf(port, 'node.query.consul'))
    await always('127.0.0.1', () => firstOf(port, 'client.query.consul'))
    await always('127.0.0.1', () => firstOf(port, 'client.query.consul', { transport: 'tcp' }))
    const options = { edns: 1232, subnet: '10.0.1.6/32' }
    await always('10.0.1.6', () => firstOf(port, 'client.query.consul', options))
  })

  it('says for which subnet an answer is, and that no other one is for one', async () => {
    await using running = await startServer()
    const { catalog, port } = running
    catalog.register(...WEB)
    define(running, near('client', '_ip'))
    const scopeOf = async (name: string): Promise<number | undefined> => {
      return (await ask(port, name, 'A', { edns: 1232, subnet: '10.0.0.0/24' })).scope
    }
    assert.equal(await scopeOf('client.query.consul'), 24)
    assert.equal(await scopeOf('ghost.query.consul'), 0)
    assert.equal(await scopeOf('web.service.consul'), 0)
  })
})
