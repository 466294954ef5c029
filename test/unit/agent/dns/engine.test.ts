/**
 * Packets in, packets out: waiting questions, kept answers, and arbitrary bytes.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { CatalogSources } from '../../../../agent/dns/catalog-sources.ts'
import { DnsEngine, newCounters, WAITING_MAX } from '../../../../agent/dns/engine.ts'
import { HostResolver } from '../../../../agent/dns/host-resolver.ts'
import { Recursors } from '../../../../agent/dns/recursors.ts'
import { COLD_WAIT_MS, Responder } from '../../../../agent/dns/responder.ts'
import { SubscribedViews } from '../../../../agent/view/catalog-views.ts'
import { RCODE } from '../../../../core/dns/protocol.ts'
import { silentLogger } from '../../../../core/log.ts'
import { seededRng } from '../../../../core/rng.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'
import { answered, query } from '../../../integration/agent/dns/dns-client.ts'
import { queriesOver, StoreCatalog } from '../../../integration/agent/dns/store-catalog.ts'
import { dnsConfig, WEB } from '../../core/dns/example-catalog.ts'

const CLIENT = '127.0.0.1'

function setUp() {
  const clock = new ManualClock()
  const servers = new StoreCatalog()
  const log = silentLogger
  const rng = seededRng(1)
  const { signal } = new AbortController()
  const views = new SubscribedViews({ servers, clock, rng, log })
  const config = dnsConfig()
  const sources = new CatalogSources(views, { onlyPassing: false, maxStaleMs: 1e9 })
  const recursors = new Recursors(
    [],
    { strategy: 'sequential', timeoutMs: 1 },
    { clock, rng, signal },
  )
  const queries = queriesOver(servers, { clock, rng, log })
  const responder = new Responder(
    { domain: 'consul', altDomain: '', datacenter: 'dc1', config, virtualBase: '127.128.0.0' },
    { sources, servers, queries, clock, rng, log, signal },
  )
  const engine = new DnsEngine(
    { compress: true, recursionAvailable: false, enableTruncate: false, udpAnswerLimit: 3 },
    {
      responder,
      recursors,
      hosts: new HostResolver({ responder, recursors, log }),
      clock,
      log,
      metrics: { measured: (answer) => answer() },
      counters: newCounters(),
    },
  )
  return { engine, clock, servers, views }
}

describe('DnsEngine', () => {
  it('drops and counts questions beyond the bound of waiting ones', async () => {
    const { engine, clock, servers, views } = setUp()
    servers.isSilent = true
    const replies = Array.from({ length: WAITING_MAX + 5 }, (_, i) =>
      engine.answerUdp(query(`s${i % 10}.service.consul`, 'A'), CLIENT),
    )
    assert.equal(replies.filter((reply) => reply === null).length, 5)
    assert.equal(engine.counters.dropped, 5)
    clock.advance(COLD_WAIT_MS)
    for (const reply of await Promise.all(replies)) {
      if (reply !== null) assert.equal((reply[3] as number) & 0xf, RCODE.SERVFAIL)
    }
    await engine.idle()
    await views.stop()
  })

  it('uses a kept answer until the catalog changes, and an SOA for one second only', async () => {
    const { engine, clock, servers, views } = setUp()
    servers.register(...WEB)
    const ask = async (name: string) => {
      const reply = await engine.answerUdp(query(name, 'A'), CLIENT)
      assert.ok(reply !== null)
      return answered(Buffer.from(reply))
    }
    const hits = () => engine.counters.cacheHits
    await ask('web.service.consul')
    await ask('web.service.consul')
    assert.equal(hits(), 1)
    servers.deregister('vm-b', 'web')
    await new Promise(setImmediate)
    assert.deepEqual((await ask('web.service.consul')).answers, ['web.service.consul A 10.0.0.5'])
    assert.equal(hits(), 1)
    await ask('ghost.service.consul')
    await ask('ghost.service.consul')
    assert.equal(hits(), 2)
    clock.advance(1000)
    await ask('ghost.service.consul')
    assert.equal(hits(), 2)
    await views.stop()
  })

  it('never throws and always answers what it can read, whatever the bytes', async () => {
    const { engine, servers, views } = setUp()
    servers.register(...WEB)
    const names = ['web.service.consul', 'x.node.consul', '1.2.3.4.in-addr.arpa', 'a.b', 'consul']
    const mutated = fc
      .tuple(fc.constantFrom(...names), fc.nat(255), fc.array(fc.tuple(fc.nat(70), fc.nat(255))))
      .map(([name, type, changes]) => {
        const packet = query(name, 'A', 1232)
        packet[packet.length - 12 - 2] = type
        for (const [at, value] of changes) if (at < packet.length) packet[at] = value
        return packet
      })
    const bytes = fc.uint8Array({ maxLength: 100 }).map((random) => Buffer.from(random))
    await fc.assert(
      fc.asyncProperty(fc.oneof(mutated, bytes), fc.boolean(), async (packet, isTcp) => {
        const reply = await (isTcp
          ? engine.answerTcp(packet, CLIENT)
          : engine.answerUdp(packet, CLIENT))
        if (reply === null) return
        assert.equal(reply[0], packet[0])
        assert.equal((reply[2] as number) & 0x80, 0x80)
      }),
      { numRuns: 1000 },
    )
    await views.stop()
  })
})
