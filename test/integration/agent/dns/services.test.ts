/**
 * The DNS server over real sockets: services, tags, SRV, mesh names, TTLs, and dig as a client.
 */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { LOOPBACK_BASE, VIRTUAL_BASE } from '../../../../core/mesh/virtual-address.ts'
import {
  check,
  entry,
  manyInstances,
  node,
  service,
  VM_A,
  VM_B,
  WEB,
  WEB_A,
  WEB_B,
} from '../../../unit/core/dns/example-catalog.ts'
import { ask } from './dns-client.ts'
import { startServer } from './running-server.ts'

const run = promisify(execFile)
const SOA = 'consul SOA ns.consul hostmaster.consul'

describe('DNS server: services', () => {
  it('answers the worked example over UDP and TCP', async () => {
    await using running = await startServer()
    const { catalog, port } = running
    catalog.register(...WEB)
    for (const transport of ['udp', 'tcp'] as const) {
      const a = await ask(port, 'web.service.consul', 'A', { transport })
      assert.equal(a.rcode, 'NOERROR')
      assert.deepEqual(a.answers, [
        'web.service.consul A 10.0.0.5',
        'web.service.consul A 10.0.1.6',
      ])
      assert.equal(a.packet.flag_aa && a.packet.flag_rd, true)
      assert.equal(a.packet.flag_ra, false)
      for (const name of [
        '_web._tcp.service.consul',
        '_web._tcp.consul',
        'web.service.dc1.consul',
      ]) {
        const srv = await ask(port, name, 'SRV', { transport, edns: 4096 })
        assert.deepEqual(srv.answers, [
          `${name} SRV 1 1 8080 vm-a.node.dc1.consul`,
          `${name} SRV 1 10 8081 0a000106.addr.dc1.consul`,
        ])
        assert.deepEqual(srv.additional, [
          '0a000106.addr.dc1.consul A 10.0.1.6',
          'vm-a.node.dc1.consul A 10.0.0.5',
          'vm-a.node.dc1.consul TXT consul-network-segment=',
          'vm-a.node.dc1.consul TXT consul-version=1.21.4',
          'vm-a.node.dc1.consul TXT rack=r7',
        ])
      }
    }
    assert.equal((await ask(port, '_web._tcp.consul', 'A')).rcode, 'NXDOMAIN')
  })

  it('resolves the targets of its SRV answers', async () => {
    await using running = await startServer()
    running.catalog.register(...WEB)
    const byNode = await ask(running.port, 'vm-a.node.dc1.consul', 'A')
    assert.deepEqual(byNode.answers, ['vm-a.node.dc1.consul A 10.0.0.5'])
    const byAddress = await ask(running.port, '0A000106.addr.dc1.consul', 'A')
    assert.deepEqual(byAddress.answers, ['0a000106.addr.dc1.consul A 10.0.1.6'])
    const other = await ask(running.port, '0a000106.addr.dc1.consul', 'AAAA')
    assert.deepEqual(
      [other.rcode, other.answers, other.additional],
      ['NOERROR', [], ['0a000106.addr.dc1.consul A 10.0.1.6']],
    )
  })

  it('follows the catalog: health, tags, new and removed instances', async () => {
    await using running = await startServer()
    const { catalog, port } = running
    const name = 'web.service.consul'
    const addresses = async (): Promise<readonly string[]> => {
      // Twice: the second answer comes from the cache.
      const first = await ask(port, name, 'A')
      const second = await ask(port, name, 'A')
      assert.deepEqual(first.answers, second.answers)
      assert.equal(first.rcode, first.answers.length === 0 ? 'NXDOMAIN' : 'NOERROR')
      return first.answers.map((answer) => answer.slice(`${name} A `.length))
    }
    assert.deepEqual(await addresses(), [])
    catalog.register(...WEB)
    assert.deepEqual(await addresses(), ['10.0.0.5', '10.0.1.6'])
    const own = { serviceId: 'web', serviceName: 'web', checkId: 'web' }
    catalog.register({ ...WEB_B, checks: [check(VM_B, 'critical', own)] })
    assert.deepEqual(await addresses(), ['10.0.0.5'])
    catalog.register(entry(VM_A, WEB_A.service, check(VM_A, 'critical')))
    assert.deepEqual(await addresses(), [])
    assert.deepEqual((await ask(port, 'vm-a.node.consul', 'A')).answers, [
      'vm-a.node.consul A 10.0.0.5',
    ])
    catalog.register({ ...WEB_B, checks: [check(VM_B, 'warning', own)] })
    assert.deepEqual(await addresses(), ['10.0.1.6'])
    const srv = await ask(port, name, 'SRV')
    assert.deepEqual(srv.answers, [`${name} SRV 1 2 8081 0a000106.addr.dc1.consul`])
    catalog.deregister('vm-b', 'web')
    assert.deepEqual(await addresses(), [])
    catalog.register(entry(VM_B, service(VM_B, 'web', { tags: ['A.b', 'v2'] })))
    assert.equal((await ask(port, 'a.b.web.service.consul', 'A')).rcode, 'NOERROR')
    assert.equal((await ask(port, '_web._v2.service.consul', 'SRV')).rcode, 'NOERROR')
    assert.equal((await ask(port, 'v3.web.service.consul', 'A')).rcode, 'NXDOMAIN')
  })

  it('keeps answering from its views when the servers are gone', async () => {
    await using running = await startServer()
    const { catalog, port } = running
    catalog.register(...WEB)
    assert.equal((await ask(port, 'web.service.consul', 'A')).answers.length, 2)
    catalog.cut()
    for (const edns of [undefined, 1232, 4096]) {
      const options = edns === undefined ? {} : { edns }
      assert.equal((await ask(port, 'web.service.consul', 'A', options)).answers.length, 2)
    }
  })

  it('answers from the cache exactly as it did before, in every spelling', async () => {
    await using running = await startServer()
    const { catalog, port, server } = running
    catalog.register(WEB_A)
    catalog.register(
      entry(VM_A, service(VM_A, 'pay', { port: 80, connectNative: true }), check(VM_A, 'passing')),
    )
    const questions = [
      ['web.service.consul', 'SRV'],
      ['web.service.consul', 'AAAA'],
      ['pay.virtual.consul', 'A'],
      ['0a000005.addr.consul', 'A'],
    ] as const
    for (const [name, type] of questions) {
      const spellings = [name, name.toUpperCase(), name.replace(/e/g, 'E')]
      const fresh = await ask(port, name, type)
      for (const spelling of spellings) {
        const again = await ask(port, spelling, type)
        assert.equal(again.packet.questions?.[0]?.name, spelling)
        const asked = /virtual|addr/.test(name) ? name : spelling
        assert.deepEqual(
          again.answers,
          fresh.answers.map((answer) => answer.replace(name, asked)),
        )
        assert.deepEqual(again.additional, fresh.additional)
        assert.equal(again.rcode, fresh.rcode)
      }
    }
    assert.ok(server.counters.cacheHits >= 8, `${server.counters.cacheHits} hits`)
  })

  it('limits plain UDP to three, rotates through all, and tells truncation when asked to', async () => {
    await using running = await startServer({ dns: { enableTruncate: true } })
    const { catalog, port } = running
    catalog.register(...manyInstances('big', 4))
    const seen = new Set<string>()
    for (let i = 0; i < 60; i++) {
      const { answers, packet } = await ask(port, 'big.service.consul', 'A')
      assert.equal(answers.length, 3)
      assert.equal(packet.flag_tc, true)
      for (const answer of answers) seen.add(answer)
    }
    assert.equal(seen.size, 4)
    const tcp = await ask(port, 'big.service.consul', 'A', { transport: 'tcp' })
    assert.deepEqual([tcp.answers.length, tcp.packet.flag_tc], [4, false])
    const edns = await ask(port, 'big.service.consul', 'A', { edns: 4096 })
    assert.deepEqual([edns.answers.length, edns.packet.flag_tc], [4, false])
  })

  it('sends at most 1024 SRV answers of 2000 over TCP, in a message that decodes', async () => {
    await using running = await startServer()
    running.catalog.register(...manyInstances('huge', 2000))
    const { answers, size } = await ask(running.port, 'huge.service.consul', 'SRV', {
      transport: 'tcp',
    })
    assert.ok(answers.length > 500 && answers.length <= 1024, `${answers.length} answers`)
    assert.ok(size <= 65_523)
  })

  it('tells unknown from no data, with SOA in both', async () => {
    await using running = await startServer()
    running.catalog.register(...WEB)
    const expectations = [
      ['ghost.service.consul', 'A', 'NXDOMAIN', 1],
      ['web.service.consul', 'AAAA', 'NOERROR', 1],
      ['web.service.consul', 'MX', 'NOERROR', 1],
      ['web.service.dc2.consul', 'A', 'NXDOMAIN', 1],
      ['vm-a.node.dc2.consul', 'A', 'NXDOMAIN', 1],
      ['web.service.east.peer.consul', 'A', 'NXDOMAIN', 1],
      ['service.consul', 'A', 'NXDOMAIN', 1],
      ['consul', 'A', 'NXDOMAIN', 1],
      ['any.query.consul', 'SRV', 'NXDOMAIN', 1],
      ['web.ingress.consul', 'A', 'NXDOMAIN', 1],
      ['vm-x.node.consul', 'A', 'NXDOMAIN', 1],
      ['vm-a.node.consul', 'AAAA', 'NOERROR', 0],
      ['vm-x.node.consul', 'MX', 'NOERROR', 0],
      ['ghost.virtual.consul', 'A', 'NOERROR', 0],
      ['web.service.consul', 'AXFR', 'NOTIMP', 0],
      ['example.com', 'A', 'REFUSED', 0],
    ] as const
    for (const [name, type, rcode, soas] of expectations) {
      const { rcode: got, answers, authority } = await ask(running.port, name, type)
      assert.deepEqual([got, answers.length], [rcode, 0], `${name} ${type}`)
      assert.deepEqual(authority, soas === 1 ? [SOA] : [], `${name} ${type}`)
    }
  })

  it('answers mesh names: proxies for connect, the loopback or wide address for virtual', async () => {
    const proxy = service(VM_B, 'web-sidecar-proxy', {
      kind: 'connect-proxy',
      port: 21000,
      proxy: {
        destinationServiceName: 'web',
        destinationServiceId: 'web',
        localServiceAddress: '127.0.0.1',
        localServicePort: 8081,
        localServiceSocketPath: '',
        mode: '',
        config: null,
        upstreams: [],
        expose: { checks: false, paths: [] },
        meshGatewayMode: '',
      },
    } as never)
    for (const virtualBase of [LOOPBACK_BASE, VIRTUAL_BASE]) {
      await using running = await startServer({ virtualBase })
      running.catalog.register(...WEB, entry(VM_B, proxy, check(VM_B, 'passing')))
      const connect = await ask(running.port, 'web.connect.consul', 'SRV')
      assert.deepEqual(connect.answers, ['web.connect.consul SRV 1 1 21000 vm-b.node.dc1.consul'])
      const virtual = await ask(running.port, 'Web.virtual.consul', 'A')
      const prefix = virtualBase.slice(0, 5)
      assert.equal(virtual.answers.length, 1)
      assert.ok(virtual.answers[0]?.startsWith(`web.virtual.consul A ${prefix}`))
      assert.deepEqual((await ask(running.port, 'web.virtual.consul', 'AAAA')).answers, [])
    }
  })

  it('gives names of the domain that was asked, and TTLs by pattern', async () => {
    const serviceTtlSeconds = { '*': 5, 'db-*': 0, web: 10 }
    await using running = await startServer({
      altDomain: 'mesh.test',
      dns: { serviceTtlSeconds, nodeTtlSeconds: 3 },
    })
    const { catalog, port } = running
    catalog.register(WEB_A, entry(VM_A, service(VM_A, 'db-x')), entry(VM_A, service(VM_A, 'o')))
    const srv = await ask(port, 'web.service.mesh.test', 'SRV')
    assert.deepEqual(srv.answers, ['web.service.mesh.test SRV 1 1 8080 vm-a.node.dc1.mesh.test'])
    const ttl = async (name: string): Promise<number | undefined> => {
      const [answer] = (await ask(port, name, 'A')).packet.answers ?? []
      return (answer as { ttl?: number } | undefined)?.ttl
    }
    assert.equal(await ttl('web.service.consul'), 10)
    assert.equal(await ttl('db-x.service.consul'), 0)
    assert.equal(await ttl('o.service.consul'), 5)
    assert.equal(await ttl('vm-a.node.consul'), 3)
  })

  it('answers SOA and NS for any name of its zone', async () => {
    await using running = await startServer()
    const server = node('Srv-1', '10.0.0.1')
    running.catalog.register(entry(server, service(server, 'consul'), check(server, 'passing')))
    const soa = await ask(running.port, 'whatever.consul', 'SOA')
    assert.deepEqual(soa.answers, [SOA])
    assert.deepEqual(soa.authority, ['consul NS srv-1.node.dc1.consul'])
    assert.deepEqual(soa.additional, ['srv-1.node.dc1.consul A 10.0.0.1'])
    const ns = await ask(running.port, 'consul', 'NS')
    assert.deepEqual(ns.answers, ['consul NS srv-1.node.dc1.consul'])
    assert.deepEqual(ns.additional, ['srv-1.node.dc1.consul A 10.0.0.1'])
  })

  it('is understood by dig', async (t) => {
    const version = await run('dig', ['-v']).catch(() => null)
    if (version === null) return t.skip('dig is not installed')
    await using running = await startServer()
    running.catalog.register(...WEB)
    const dig = async (...args: string[]): Promise<string[]> => {
      const base = ['@127.0.0.1', '-p', String(running.port), '+short', '+tries=1', '+time=5']
      const { stdout } = await run('dig', [...base, ...args])
      return stdout.trim().split('\n').sort()
    }
    for (const transport of ['+notcp', '+tcp', '+noedns']) {
      assert.deepEqual(await dig(transport, 'web.service.consul'), ['10.0.0.5', '10.0.1.6'])
      assert.deepEqual(await dig(transport, 'web.service.consul', 'SRV'), [
        '1 1 8080 vm-a.node.dc1.consul.',
        '1 10 8081 0a000106.addr.dc1.consul.',
      ])
    }
    assert.deepEqual(await dig('-x', '10.0.0.5'), ['vm-a.node.dc1.consul.'])
    assert.deepEqual(await dig('vm-a.node.consul', 'TXT'), [
      '"consul-network-segment="',
      '"consul-version=1.21.4"',
      '"rack=r7"',
    ])
    assert.deepEqual(await dig('+subnet=10.1.2.0/24', 'web.service.consul'), [
      '10.0.0.5',
      '10.0.1.6',
    ])
  })
})
