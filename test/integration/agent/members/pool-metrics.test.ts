/**
 * The metrics of gossip pools on loopback: what happens is counted, once, and shown as it stands.
 */

import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { test } from 'node:test'
import { silentLogger } from '../../../../core/log.ts'
import { MetricRegistry } from '../../../../core/metrics/registry.ts'
import { encodeCompound, encodeMessage } from '../../../../core/swim/packet-codec.ts'
import { systemClock } from '../../../../runtime/clock/system-clock.ts'
import { Seal } from '../../../../runtime/gossip/seal.ts'
import { addressOf, NEVER, sees, seesAlive, startPool, until } from './pool-fixture.ts'

/** By name, and label where there is one. */
function figuresOf(metrics: MetricRegistry): ReadonlyMap<string, number> {
  const { gauges, counters, samples } = metrics.rotate(systemClock.now())
  const found = new Map<string, number>()
  const key = (series: (typeof gauges)[number]['series'] | (typeof counters)[number]['series']) =>
    [series.definition.name, ...series.labels.map(([, value]) => value)].join(' ')
  for (const { series, value } of gauges) found.set(key(series), value)
  for (const { series, aggregate } of counters) found.set(key(series), aggregate.sum)
  for (const { series, aggregate } of samples) {
    found.set(`${series.definition.name} samples`, aggregate.count)
  }
  return found
}

test('a pool counts who comes and fails, what was sent and what was refused', async (t) => {
  const metrics = new MetricRegistry()
  const a = await startPool(t, 'a', {}, silentLogger, metrics)
  const b = await startPool(t, 'b')
  await b.join([addressOf(a)], NEVER)
  await until(a, seesAlive('a', 'b'))
  const first = figuresOf(metrics)
  assert.equal(first.get('serf.member.join'), 2, 'itself and the other')
  assert.equal(first.get('memberlist.node.instances alive'), 2)
  assert.equal(first.get('memberlist.health.score'), 0)
  assert.equal(first.get('memberlist.queue.broadcasts samples'), 1)
  await b.stop()
  await until(a, sees('b', 'failed'))
  const second = figuresOf(metrics)
  assert.equal(second.get('serf.member.failed'), 1)
  assert.equal(second.get('serf.member.join'), undefined, 'not told again')
  assert.equal(second.get('memberlist.node.instances dead'), 1)
  assert.ok((second.get('gossip.probes_failed') ?? 0) > 0)
  const sent = second.get('gossip.packets_sent') ?? 0
  assert.ok(sent > 0)
  assert.ok((second.get('memberlist.udp.sent') ?? 0) > sent, 'bytes, and more of them')
})

test('a pool counts garbage by its reason, accusations, and who comes back soon', async (t) => {
  const metrics = new MetricRegistry()
  const a = await startPool(t, 'a', {}, silentLogger, metrics)
  const udp = createSocket('udp4')
  t.after(() => udp.close())
  const seal = new Seal('dc1')
  const dead = { kind: 'dead', name: 'a', incarnation: 5, from: 'x' } as const
  const packets = [
    Buffer.from('garbage'),
    new Seal('dc2').sealPacket(Buffer.from([0])),
    seal.sealPacket(Buffer.from([1, 0, 9])), // a part that is longer than what there is
    seal.sealPacket(encodeCompound([Uint8Array.of(200)])),
    seal.sealPacket(encodeCompound([encodeMessage(dead)])),
  ]
  for (const packet of packets) {
    await new Promise((done) => udp.send(packet, a.self().port, '127.0.0.1', done))
  }
  const b = await startPool(t, 'b')
  await b.join([addressOf(a)], NEVER)
  await until(a, seesAlive('a', 'b'))
  const { port } = b.self()
  await b.stop()
  await until(a, sees('b', 'failed'))
  const again = await startPool(t, 'b', { port })
  await again.join([addressOf(a)], NEVER)
  await until(a, seesAlive('a', 'b'))
  const found = figuresOf(metrics)
  assert.equal(found.get('gossip.refused version'), 1)
  assert.equal(found.get('gossip.refused label'), 1)
  assert.equal(found.get('gossip.malformed'), 1)
  assert.equal(found.get('gossip.unknown'), 1)
  assert.equal(found.get('gossip.refutations'), 1)
  assert.ok((found.get('memberlist.msg.dead') ?? 0) >= 1)
  assert.equal(found.get('serf.member.flap'), 1)
  const later = figuresOf(metrics)
  assert.equal(later.get('gossip.refused version'), undefined, 'told once')
  assert.equal(later.get('gossip.refutations'), undefined)
})

test('a pool that has stopped is not read any more', async (t) => {
  const metrics = new MetricRegistry()
  const a = await startPool(t, 'a', {}, silentLogger, metrics)
  await a.stop()
  figuresOf(metrics)
  assert.equal(figuresOf(metrics).get('memberlist.queue.broadcasts samples'), undefined)
})
