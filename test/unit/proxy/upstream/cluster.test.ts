/**
 * Which instance the next attempt goes to.
 */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import type {
  Cluster as ClusterSpec,
  Endpoint as Spec,
} from '../../../../core/mesh/proxy-snapshot.ts'
import { seededRng } from '../../../../core/rng.ts'
import { Cluster } from '../../../../proxy/upstream/cluster.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'

function spec(...endpoints: readonly Spec[]): ClusterSpec {
  return { id: 'c', serviceName: 'c', sni: 'c', spiffeUris: [], endpoints, connectTimeoutMs: 1000 }
}

function endpoint(id: string, change: Partial<Spec> = {}): Spec {
  return { id, address: '127.0.0.1', port: 1, weight: 1, healthy: true, ...change }
}

function setup(...endpoints: readonly Spec[]): { clock: ManualClock; cluster: Cluster } {
  const clock = new ManualClock({ now: 1000 })
  return { clock, cluster: new Cluster(spec(...endpoints), { clock, rng: seededRng(1) }) }
}

const ids = (cluster: Cluster, count: number): string =>
  Array.from({ length: count }, () => cluster.pick(undefined)?.spec.id ?? '-').join('')

it('never picks the one that was just tried while there is another', () => {
  const { cluster } = setup(endpoint('a'), endpoint('b'))
  for (let i = 0; i < 20; i++) {
    const first = cluster.pick(undefined)
    assert.notEqual(cluster.pick(first), first)
    if (i % 3 === 0) cluster.pick(undefined)
  }
  const { cluster: alone } = setup(endpoint('a'))
  const only = alone.pick(undefined)
  assert.equal(alone.pick(only), only)
})

it('passes over what could not be reached, for a while and only while there is another', () => {
  const { clock, cluster } = setup(endpoint('a'), endpoint('b'))
  const a = cluster.endpoints[0]
  a?.avoidance.failed(clock.now())
  assert.equal(ids(cluster, 6), 'bbbbbb')
  cluster.endpoints[1]?.avoidance.failed(clock.now())
  assert.match(ids(cluster, 6), /ab/)
  clock.advance(1001)
  assert.match(ids(cluster, 6), /ab/)
})

it('keeps what it knows of an instance over snapshots, and forgives one that became healthy again', () => {
  const { clock, cluster } = setup(endpoint('a'), endpoint('b'))
  const [a, b] = cluster.endpoints
  a?.avoidance.failed(clock.now())
  assert.deepEqual(cluster.update(spec(endpoint('a'), endpoint('b', { weight: 2 }))), [])
  assert.equal(cluster.endpoints[0], a)
  assert.equal(ids(cluster, 4), 'bbbb')
  cluster.update(spec(endpoint('a', { healthy: false }), endpoint('b')))
  cluster.update(spec(endpoint('a'), endpoint('b')))
  assert.match(ids(cluster, 4), /ab/)
  assert.deepEqual(cluster.update(spec(endpoint('a'))), [b])
  const moved = cluster.update(spec(endpoint('a', { port: 2 })))
  assert.deepEqual(moved, [a], 'another address is another instance')
})

it('has nothing to pick when nothing is healthy', () => {
  const { cluster } = setup(endpoint('a', { healthy: false }))
  assert.equal(cluster.pick(undefined), undefined)
})
