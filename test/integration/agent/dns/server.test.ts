/**
 * The DNS server over real sockets: nodes, reverse names, transports, recursion, lifecycle.
 */

import assert from 'node:assert/strict'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import { describe, it } from 'node:test'
import dnsPacket from 'dns-packet'
import { createDnsServer } from '../../../../agent/dns/dns-server.ts'
import { COLD_WAIT_MS } from '../../../../agent/dns/responder.ts'
import { silentLogger } from '../../../../core/log.ts'
import { unrecordedMetrics } from '../../../../core/metrics/metrics.ts'
import { seededRng } from '../../../../core/rng.ts'
import { instant } from '../../../../core/time.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'
import { systemClock } from '../../../../runtime/clock/system-clock.ts'
import {
  check,
  dnsConfig,
  entry,
  node,
  service,
  VM_A,
  VM_B,
  WEB,
} from '../../../unit/core/dns/example-catalog.ts'
import { answered, ask, exchangeTcp, exchangeUdp, query } from './dns-client.ts'
import { startServer } from './running-server.ts'
import { queriesOver, StoreCatalog } from './store-catalog.ts'

/** Lets everything that is due now run once. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('DNS server: nodes and reverse names', () => {
  it('answers PTR for nodes and service addresses, NXDOMAIN for others', async () => {
    await using running = await startServer()
    const { catalog, port } = running
    catalog.register(...WEB)
    catalog.registerNode(node('v6', '2001:db8::5'))
    assert.deepEqual((await ask(port, '5.0.0.10.in-addr.arpa', 'PTR')).answers, [
      '5.0.0.10.in-addr.arpa PTR vm-a.node.dc1.consul',
    ])
    assert.deepEqual((await ask(port, '6.1.0.10.IN-ADDR.ARPA', 'PTR')).answers, [
      '6.1.0.10.IN-ADDR.ARPA PTR web.service.dc1.consul',
    ])
    const nibbles = '20010db8000000000000000000000005'.split('').reverse().join('.')
    assert.deepEqual((await ask(port, `${nibbles}.ip6.arpa`, 'PTR')).answers, [
      `${nibbles}.ip6.arpa PTR v6.node.dc1.consul`,
    ])
    for (const name of ['9.9.9.9.in-addr.arpa', '0.10.in-addr.arpa', 'arpa']) {
      const unknown = await ask(port, name, 'PTR')
      assert.equal(unknown.rcode, 'NXDOMAIN', name)
      assert.deepEqual(unknown.authority, ['consul SOA ns.consul hostmaster.consul'])
    }
  })

  it('asks the leader when stale answers are not wanted, and fails without one', async () => {
    await using running = await startServer({ dns: { allowStale: false } })
    const { catalog, port } = running
    catalog.register(...WEB)
    assert.equal((await ask(port, 'web.service.consul', 'A')).answers.length, 2)
    catalog.hasLeader = false
    for (const name of ['web.service.consul', 'vm-a.node.consul']) {
      const failed = await ask(port, name, 'A')
      assert.deepEqual([failed.rcode, failed.authority], ['SERVFAIL', []])
    }
  })

  it('waits for a view that was never filled, then fails', async () => {
    const clock = new ManualClock()
    await using running = await startServer({ clock })
    const { catalog, port } = running
    catalog.isSilent = true
    const reply = ask(port, 'web.service.consul', 'A')
    while (catalog.subscriptions === 0) await turn()
    clock.advance(COLD_WAIT_MS)
    assert.equal((await reply).rcode, 'SERVFAIL')
  })

  it('completes host-name addresses from its own zone, and stops at loops', async () => {
    await using running = await startServer()
    const { catalog, port } = running
    catalog.register(...WEB)
    const named = (name: string, address: string) =>
      entry(VM_A, service(VM_A, name, { id: name, address }), check(VM_A, 'passing'))
    catalog.register(named('alias', 'vm-b.node.consul'))
    const { answers } = await ask(port, 'alias.service.consul', 'A')
    assert.deepEqual(answers, [
      'alias.service.consul CNAME vm-b.node.consul',
      'vm-b.node.consul A 10.0.0.6',
    ])
    const srv = await ask(port, 'alias.service.consul', 'SRV', { edns: 4096 })
    assert.deepEqual(srv.answers, ['alias.service.consul SRV 1 1 0 vm-b.node.consul'])
    assert.ok(srv.additional.includes('vm-b.node.consul A 10.0.0.6'))
    catalog.register(named('ping', 'pong.service.consul'), named('pong', 'ping.service.consul'))
    const loop = await ask(port, 'ping.service.consul', 'A')
    assert.equal(loop.rcode, 'NOERROR')
    assert.ok(loop.answers.includes('ping.service.consul CNAME pong.service.consul'))
    catalog.register(named('outside', 'db.example.com'))
    const outside = await ask(port, 'outside.service.consul', 'A')
    assert.deepEqual(outside.answers, ['outside.service.consul CNAME db.example.com'])
  })
})

describe('DNS server: transports', () => {
  it('rejects broken packets and goes on', async (t) => {
    await using running = await startServer()
    const { catalog, port } = running
    catalog.register(...WEB)
    const good = query('web.service.consul', 'A')
    const cut = await exchangeUdp(port, good.subarray(0, 20), '127.0.0.1')
    assert.equal(answered(cut).rcode, 'FORMERR')
    const update = Buffer.from(good)
    update[2] = 5 << 3
    assert.equal(answered(await exchangeUdp(port, update, '127.0.0.1')).rcode, 'NOTIMP')
    const socket = createSocket('udp4')
    t.after(() => socket.close())
    const rng = seededRng(3)
    for (let i = 0; i < 300; i++) {
      const junk = Buffer.from(Array.from({ length: rng.range(0, 80) }, () => rng.range(0, 256)))
      socket.send(junk, port, '127.0.0.1')
    }
    await once(
      socket.on('message', () => {}),
      'listening',
    )
    assert.equal((await ask(port, 'web.service.consul', 'A')).answers.length, 2)
  })

  it('answers any class alike, and never one class with the echo of another', async () => {
    await using running = await startServer()
    running.catalog.register(...WEB)
    for (const wanted of [3, 1, 255, 3, 1]) {
      const packet = query('web.service.consul', 'A')
      packet.writeUInt16BE(wanted, packet.length - 2)
      const reply = await exchangeUdp(running.port, packet, '127.0.0.1')
      assert.deepEqual(reply.subarray(12, packet.length), packet.subarray(12))
      assert.equal(reply.readUInt16BE(6), 2)
    }
  })

  it('listens on several addresses with one port for both transports', async () => {
    await using running = await startServer({ addresses: ['127.0.0.1', '127.0.0.2', '::1'] })
    running.catalog.register(...WEB)
    const { addresses } = running.server
    assert.deepEqual(
      addresses.map((a) => a.address),
      ['127.0.0.1', '127.0.0.2', '::1'],
    )
    assert.equal(new Set(addresses.map((a) => a.port)).size, 1)
    for (const { address, port } of addresses) {
      for (const transport of ['udp', 'tcp'] as const) {
        const reply = await ask(port, 'web.service.consul', 'A', { host: address, transport })
        assert.equal(reply.answers.length, 2)
      }
    }
  })

  it('starts, drains and stops in a loop, and leaves nothing behind', async () => {
    const clock = new ManualClock()
    for (let i = 0; i < 5; i++) {
      await using running = await startServer({ clock })
      running.catalog.register(...WEB)
      assert.equal((await ask(running.port, 'web.service.consul', 'A')).answers.length, 2)
      const idle = connect(running.port, '127.0.0.1')
      await once(idle, 'connect')
      await running.server.drain(instant(clock.now() + 1000))
      await running.server.stop()
      await running.server.stop()
      idle.resume()
      await once(idle, 'close')
      await running.views.stop()
      assert.equal(running.catalog.subscriptions, 0)
      assert.equal(clock.armed, 0)
      await assert.rejects(exchangeTcp(running.port, [query('a.consul', 'A')]))
    }
  })

  it('says what is in the way when it cannot listen', async () => {
    await using running = await startServer()
    const catalog = new StoreCatalog()
    const shared = { clock: systemClock, rng: seededRng(1), log: silentLogger }
    const server = createDnsServer(
      { addresses: ['127.0.0.1'], port: running.port, virtualBase: '127.128.0.0' },
      {
        views: running.views,
        servers: catalog,
        queries: queriesOver(catalog, shared),
        config: { domain: 'consul', altDomain: '', datacenter: 'dc1', dns: dnsConfig() },
        ...shared,
        metrics: unrecordedMetrics,
      },
    )
    await assert.rejects(server.start(AbortSignal.timeout(5000)), {
      code: 'INVALID_CONFIG',
      message: /Cannot listen for DNS on 127\.0\.0\.1 port \d+: .*EADDRINUSE/,
    })
  })

  it('listens on nothing when DNS is off', async () => {
    const catalog = new StoreCatalog()
    const shared = { clock: systemClock, rng: seededRng(1), log: silentLogger }
    const server = createDnsServer(
      { addresses: ['127.0.0.1'], port: -1, virtualBase: '127.128.0.0' },
      {
        views: { open: () => assert.fail('no view is needed') },
        servers: catalog,
        queries: queriesOver(catalog, shared),
        config: { domain: 'consul', altDomain: '', datacenter: 'dc1', dns: dnsConfig() },
        ...shared,
        metrics: unrecordedMetrics,
      },
    )
    await server.start(AbortSignal.timeout(5000))
    assert.deepEqual(server.addresses, [])
    await server.stop()
  })
})

/** A name server of the test: answers on UDP and TCP with what `respond` makes of a question. */
async function upstream(
  respond: (question: dnsPacket.Question, id: number) => Buffer | null,
): Promise<{ port: number; asked: string[] } & AsyncDisposable> {
  const asked: string[] = []
  const handle = (packet: Buffer): Buffer | null => {
    const { questions, id } = dnsPacket.decode(packet)
    const question = questions?.[0] as dnsPacket.Question
    asked.push(question.name)
    return respond(question, id ?? 0)
  }
  const { udp, tcp, port } = await bindBoth()
  udp.on('message', (packet, client) => {
    const reply = handle(packet)
    if (reply !== null) udp.send(reply, client.port, client.address)
  })
  tcp.on('connection', (socket) => {
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      const reply = handle(chunk.subarray(2))
      if (reply === null) return
      const size = Buffer.alloc(2)
      size.writeUInt16BE(reply.length)
      socket.write(Buffer.concat([size, reply]))
    })
  })
  return {
    port,
    asked,
    [Symbol.asyncDispose]: async () => {
      udp.close()
      tcp.close()
      await once(tcp, 'close')
    },
  }
}

/** A port that is free on both transports: another one is tried while it is not. */
async function bindBoth(): Promise<{ udp: Socket; tcp: Server; port: number }> {
  for (;;) {
    const tcp = createServer().listen(0, '127.0.0.1')
    await once(tcp, 'listening')
    const { port } = tcp.address() as AddressInfo
    const udp = createSocket('udp4')
    try {
      udp.bind(port, '127.0.0.1')
      await once(udp, 'listening')
      return { udp, tcp, port }
    } catch {
      udp.close() // taken: try the next
      tcp.close()
    }
  }
}

function reply(question: dnsPacket.Question, id: number, data: string, rcode = 0): Buffer {
  return dnsPacket.encode({
    type: 'response',
    id,
    flags: rcode | dnsPacket.RECURSION_AVAILABLE,
    questions: [question],
    answers: rcode === 0 ? [{ type: 'A', name: question.name, ttl: 60, data }] : [],
  })
}

describe('DNS server: recursion', () => {
  it('passes foreign questions on over both transports and returns the reply as it is', async () => {
    await using up = await upstream((question, id) => reply(question, id, '192.0.2.7'))
    await using running = await startServer({ dns: { recursors: [`127.0.0.1:${up.port}`] } })
    for (const transport of ['udp', 'tcp'] as const) {
      const got = await ask(running.port, 'Www.example.com', 'A', { transport })
      assert.deepEqual(got.answers, ['Www.example.com A 192.0.2.7'])
      assert.equal(got.packet.flag_aa, false)
    }
    running.catalog.register(...WEB)
    const own = await ask(running.port, 'ghost.service.consul', 'A')
    assert.equal(own.rcode, 'NXDOMAIN')
    assert.equal(own.packet.flag_ra, true)
    assert.deepEqual(up.asked, ['Www.example.com', 'Www.example.com'])
    await ask(running.port, '9.9.9.9.in-addr.arpa', 'PTR')
    assert.equal(up.asked.at(-1), '9.9.9.9.in-addr.arpa')
  })

  it('moves on from a recursor that fails, and fails when all do', async () => {
    await using refusing = await upstream((question, id) => reply(question, id, '', 5))
    await using liar = await upstream((question, id) =>
      question.name === 'lost.example'
        ? reply({ ...question, name: 'other.example' }, id, '6.6.6.6')
        : reply(question, id, '192.0.2.8'),
    )
    const recursors = [refusing, liar].map((up) => `127.0.0.1:${up.port}`)
    await using running = await startServer({ dns: { recursors, recursorTimeoutMs: 1000 } })
    const got = await ask(running.port, 'www.example', 'A')
    assert.deepEqual(got.answers, ['www.example A 192.0.2.8'])
    const failed = await ask(running.port, 'lost.example', 'A')
    assert.equal(failed.rcode, 'SERVFAIL')
    assert.equal(failed.packet.flag_ra, true)
  })

  it('passes NXDOMAIN on without asking further', async () => {
    await using first = await upstream((question, id) => reply(question, id, '', 3))
    await using second = await upstream((question, id) => reply(question, id, '192.0.2.8'))
    const recursors = [first, second].map((up) => `127.0.0.1:${up.port}`)
    await using running = await startServer({ dns: { recursors } })
    assert.equal((await ask(running.port, 'no.example', 'A')).rcode, 'NXDOMAIN')
    assert.deepEqual(second.asked, [])
  })

  it('completes host-name addresses through the recursors', async () => {
    await using up = await upstream((question, id) => reply(question, id, '192.0.2.9'))
    await using running = await startServer({ dns: { recursors: [`127.0.0.1:${up.port}`] } })
    const host = service(VM_B, 'db', { address: 'db.example.com' })
    running.catalog.register(entry(VM_B, host, check(VM_B, 'passing')))
    const { answers } = await ask(running.port, 'db.service.consul', 'A')
    assert.deepEqual(answers, [
      'db.example.com A 192.0.2.9',
      'db.service.consul CNAME db.example.com',
    ])
  })

  it('refuses to start with a recursor that is no address', async () => {
    for (const entry of ['1.2.3.4:99999', '[::1', '']) {
      await assert.rejects(startServer({ dns: { recursors: [entry] } }), {
        code: 'INVALID_CONFIG',
        message: `Invalid recursor address "${entry}"`,
      })
    }
  })
})
