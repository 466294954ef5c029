/**
 * Which instance the next attempt goes to.
 */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import type {
  BalancePolicy,
  Cluster as ClusterSpec,
  LoadBalancer,
  Endpoint as Spec,
} from '../../../../core/mesh/proxy-snapshot.ts'
import { OUTLIER_DEFAULTS } from '../../../../core/resilience/outlier.ts'
import { seededRng } from '../../../../core/rng.ts'
import { Cluster } from '../../../../proxy/upstream/cluster.ts'
import type { Endpoint } from '../../../../proxy/upstream/endpoint.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'

function spec(...endpoints: readonly Spec[]): ClusterSpec {
  return { id: 'c', serviceName: 'c', sni: 'c', spiffeUris: [], endpoints, connectTimeoutMs: 1000 }
}

function endpoint(id: string, change: Partial<Spec> = {}): Spec {
  return { id, address: '127.0.0.1', port: 1, weight: 1, healthy: true, ...change }
}

function balanced(policy: BalancePolicy, change: Partial<LoadBalancer> = {}): LoadBalancer {
  return { policy, choices: 2, hashPolicies: [], panicPercent: 0, ...change }
}

class Setup {
  readonly clock = new ManualClock({ now: 1000 })
  readonly cluster: Cluster

  constructor(of: ClusterSpec) {
    this.cluster = new Cluster(of, { clock: this.clock, rng: seededRng(1) })
  }

  /** For a raw stream, unless a head is given. */
  pick(triedEndpoint?: object, head?: object, hash?: number): Endpoint | undefined {
    return this.cluster.pick({ head, triedEndpoint, hash }, this.clock.now())
  }

  ids(count: number, head?: object): string {
    return Array.from({ length: count }, () => this.pick(undefined, head)?.spec.id ?? '-').join('')
  }
}

function setup(...endpoints: readonly Spec[]): Setup {
  return new Setup(spec(...endpoints))
}

const REQUEST = {}

it('never picks the one that was just tried while there is another', () => {
  const both = setup(endpoint('a'), endpoint('b'))
  for (let i = 0; i < 20; i++) {
    const first = both.pick()
    assert.notEqual(both.pick(first), first)
    assert.notEqual(both.pick(first, REQUEST), first)
    if (i % 3 === 0) both.pick()
  }
  const alone = setup(endpoint('a'))
  const only = alone.pick()
  assert.equal(alone.pick(only), only)
})

it('passes over what could not be reached, for a while and only while there is another', () => {
  const both = setup(endpoint('a'), endpoint('b'))
  const { clock, cluster } = both
  cluster.endpoints[0]?.avoidance.failed(clock.now())
  assert.equal(both.ids(6), 'bbbbbb')
  cluster.endpoints[1]?.avoidance.failed(clock.now())
  assert.match(both.ids(6), /ab/)
  clock.advance(1001)
  assert.match(both.ids(6), /ab/)
})

it('keeps what it knows of an instance over snapshots, and forgives one that became healthy again', () => {
  const both = setup(endpoint('a'), endpoint('b'))
  const { clock, cluster } = both
  const [a, b] = cluster.endpoints
  a?.avoidance.failed(clock.now())
  assert.deepEqual(cluster.update(spec(endpoint('a'), endpoint('b', { weight: 2 }))), [])
  assert.equal(cluster.endpoints[0], a)
  assert.equal(both.ids(4), 'bbbb')
  cluster.update(spec(endpoint('a', { healthy: false }), endpoint('b')))
  cluster.update(spec(endpoint('a'), endpoint('b')))
  assert.match(both.ids(4), /ab/)
  assert.deepEqual(cluster.update(spec(endpoint('a'))), [b])
  const moved = cluster.update(spec(endpoint('a', { port: 2 })))
  assert.deepEqual(moved, [a], 'another address is another instance')
})

it('has nothing to pick when nothing is healthy, unless the panic threshold says so', () => {
  const down = endpoint('a', { healthy: false })
  assert.equal(setup(down).pick(), undefined)
  const some = [down, endpoint('b', { healthy: false }), endpoint('c')]
  const panic = (panicPercent: number) =>
    new Setup({ ...spec(...some), loadBalancer: balanced('round_robin', { panicPercent }) }).ids(30)
  assert.match(panic(50), /a/)
  assert.equal(panic(30), 'c'.repeat(30))
})

it('sends requests where answers come soonest, and still asks the others', () => {
  const both = setup(endpoint('slow'), endpoint('fast'))
  const { clock, cluster } = both
  const counts = { slow: 0, fast: 0 }
  for (let i = 0; i < 1000; i++) {
    const to = both.pick(undefined, REQUEST) as Endpoint
    const id = to.spec.id as keyof typeof counts
    counts[id]++
    const since = clock.now()
    clock.advance(id === 'slow' ? 400 : 5)
    cluster.answered(to, { status: 200, since, at: clock.now() })
  }
  assert.ok(counts.fast > 2 * counts.slow, JSON.stringify(counts))
  assert.ok(counts.slow > 50, JSON.stringify(counts))
})

it('prefers who has fewer requests under way', () => {
  const both = new Setup({
    ...spec(endpoint('a'), endpoint('b')),
    loadBalancer: balanced('least_request'),
  })
  const [a, b] = both.cluster.endpoints as [Endpoint, Endpoint]
  for (let i = 0; i < 100; i++) (both.pick(undefined, REQUEST) as Endpoint).active++
  assert.ok(Math.abs(a.active - b.active) < 12, `${a.active} ${b.active}`)
})

for (const policy of ['ring_hash', 'maglev'] as const) {
  it(`sends equal hashes to one instance, and back to it after it was out: ${policy}`, () => {
    const of = (...endpoints: readonly Spec[]): ClusterSpec => ({
      ...spec(...endpoints),
      loadBalancer: balanced(policy),
    })
    const all = ['a', 'b', 'c', 'd'].map((id) => endpoint(id))
    const four = new Setup(of(...all))
    const owners = () =>
      Array.from({ length: 400 }, (_, i) => {
        return four.pick(undefined, REQUEST, Math.imul(i, 0x9e3779b1) >>> 0)?.spec.id
      })
    const before = owners()
    assert.equal(new Set(before).size, 4)
    assert.deepEqual(owners(), before)
    four.cluster.update(of(...all.slice(0, 3)))
    const without = owners()
    const moved = before.filter((id, i) => id !== 'd' && without[i] !== id).length
    assert.ok(moved < 20, `${moved} moved that need not`)
    four.cluster.update(of(...all))
    assert.deepEqual(owners(), before)
    four.cluster.endpoints[0]?.outlier.eject(four.clock.now(), OUTLIER_DEFAULTS)
    assert.ok(!owners().includes('a'))
    four.clock.advance(OUTLIER_DEFAULTS.baseEjectionMs + 1)
    assert.deepEqual(owners(), before)
  })
}

it('ejects one of two, for longer each time, and never the last', () => {
  const both = setup(endpoint('a'), endpoint('b'))
  const { clock, cluster } = both
  const [a, b] = cluster.endpoints as [Endpoint, Endpoint]
  assert.ok(cluster.eject(a, OUTLIER_DEFAULTS))
  assert.equal(both.ids(5), 'bbbbb')
  assert.equal(cluster.eject(b, OUTLIER_DEFAULTS), false)
  assert.equal(cluster.membership.ejected, 1)
  clock.advance(30_001)
  assert.match(both.ids(5), /a/)
  assert.ok(cluster.eject(a, OUTLIER_DEFAULTS))
  clock.advance(59_000)
  assert.equal(both.ids(5), 'bbbbb')
  clock.advance(1001)
  assert.match(both.ids(5), /a/)
})

it('gives a new instance its share little by little', () => {
  const slowStart = { windowMs: 60_000, aggression: 1, minPercent: 10 }
  const of = (...endpoints: readonly Spec[]): ClusterSpec => ({
    ...spec(...endpoints),
    loadBalancer: balanced('round_robin', { slowStart }),
  })
  const some = new Setup(of(endpoint('a')))
  some.clock.advance(100_000)
  some.cluster.update(of(endpoint('a'), endpoint('n')))
  const share = (): number => some.ids(1000, REQUEST).split('n').length - 1
  const early = share()
  assert.ok(early > 30 && early < 200, `${early}`)
  some.clock.advance(60_001)
  assert.equal(share(), 500)
})

it('stays near while anybody near is usable, then goes no further than it must', () => {
  const near4 = setup(
    endpoint('n'),
    endpoint('N'),
    endpoint('z', { distance: 1 }),
    endpoint('r', { distance: 2 }),
  )
  const { clock, cluster } = near4
  const ids = (count: number, head?: object): string => near4.ids(count, head)
  const pick = (tried: object, head: object): Endpoint | undefined => near4.pick(tried, head)
  for (const head of [undefined, REQUEST]) {
    assert.match(ids(100, head), /^[nN]+$/)
    assert.match(ids(100, head), /n/)
    assert.match(ids(100, head), /N/)
  }
  const near = cluster.endpoints.filter(({ spec: { distance } }) => distance === undefined)
  for (const each of near) each.avoidance.failed(clock.now())
  assert.match(ids(50, REQUEST), /^z+$/)
  const zone = cluster.endpoints[2]
  assert.ok(zone !== undefined)
  assert.equal(pick(zone, REQUEST)?.spec.id, 'r')
  zone.outlier.eject(clock.now(), OUTLIER_DEFAULTS)
  assert.match(ids(50, REQUEST), /^r+$/)
  for (const each of near) each.avoidance.succeeded()
  assert.match(ids(50, REQUEST), /^[nN]+$/)
  zone.outlier.forgive()
  const farOnly = [endpoint('z', { distance: 1 }), endpoint('r', { distance: 2 })]
  cluster.update(spec(endpoint('n', { healthy: false }), ...farOnly))
  assert.match(ids(50, REQUEST), /^z+$/)
})

it('stays near whatever the policy', () => {
  for (const policy of [
    'random',
    'round_robin',
    'least_request',
    'peak_ewma',
    'ring_hash',
    'maglev',
  ] as const) {
    const endpoints = [
      ...['a', 'b', 'c', 'd', 'e', 'f'].map((id) => endpoint(id, { distance: 1 })),
      endpoint('n'),
      endpoint('N', { weight: 3 }),
    ]
    const made = new Setup({ ...spec(...endpoints), loadBalancer: balanced(policy) })
    const counts = new Map<string, number>()
    for (let i = 0; i < 400; i++) {
      const id = made.pick(undefined, REQUEST, Math.imul(i, 0x9e3779b1) >>> 0)?.spec.id ?? '-'
      counts.set(id, (counts.get(id) ?? 0) + 1)
    }
    assert.deepEqual([...counts.keys()].sort(), ['N', 'n'], policy)
    assert.ok((counts.get('N') ?? 0) > (counts.get('n') ?? 0), `${policy} ${[...counts]}`)
  }
})
