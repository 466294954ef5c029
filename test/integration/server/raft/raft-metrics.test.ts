/**
 * What three servers count of Raft: writes, times, roles, contact with followers.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { RAFT_METRICS } from '../../../../core/metrics/catalogue/raft.ts'
import { MetricRegistry } from '../../../../core/metrics/registry.ts'
import { TestCluster } from './test-cluster.ts'

const IDS = ['a', 'b', 'c']

async function ofThree(): Promise<{
  readonly cluster: TestCluster
  readonly registryOf: (id: string) => MetricRegistry
}> {
  const cluster = await TestCluster.create()
  const registries = new Map(IDS.map((id) => [id, new MetricRegistry()]))
  const registryOf = (id: string): MetricRegistry => registries.get(id) ?? new MetricRegistry()
  for (const id of IDS) {
    await cluster.start(id, { ...cluster.founding(IDS), metrics: registryOf(id) })
  }
  await cluster.leader()
  return { cluster, registryOf }
}

describe('the metrics of Raft', () => {
  it('count what the leader appended, and how long it took to commit', async () => {
    const { cluster, registryOf } = await ofThree()
    await using _ = cluster
    const { id } = await cluster.leader()
    await cluster.write('one', 'two', 'three')
    const metrics = registryOf(id)
    assert.equal(metrics.counter(RAFT_METRICS.apply).total, 3)
    assert.equal(metrics.counter(RAFT_METRICS.leader).total, 1)
    assert.ok(metrics.sample(RAFT_METRICS.commitTime).totalCount >= 1)
    assert.ok(metrics.sample(RAFT_METRICS.dispatchLog).totalCount >= 1)
    for (const follower of await cluster.followers()) {
      assert.equal(registryOf(follower).counter(RAFT_METRICS.apply).total, 0)
      assert.equal(registryOf(follower).sample(RAFT_METRICS.commitTime).totalCount, 0)
    }
  })

  it('show on every server where it stands, and who leads', async () => {
    const { cluster, registryOf } = await ofThree()
    await using _ = cluster
    const { id } = await cluster.leader()
    await cluster.write('one')
    for (const each of IDS) {
      const metrics = registryOf(each)
      metrics.present()
      const status = cluster.node(each).node.status()
      assert.equal(metrics.gauge(RAFT_METRICS.peers).value, 3)
      assert.equal(metrics.gauge(RAFT_METRICS.lastIndex).value, status.lastLogIndex)
      assert.equal(metrics.gauge(RAFT_METRICS.appliedIndex).value, status.appliedIndex)
      assert.equal(metrics.gauge(RAFT_METRICS.isLeader).value, each === id ? 1 : 0)
    }
  })

  it('tell the leader how long it has not heard a follower', async () => {
    const { cluster, registryOf } = await ofThree()
    await using _ = cluster
    const { id } = await cluster.leader()
    await cluster.write('one')
    const contact = registryOf(id).sample(RAFT_METRICS.leaderLastContact)
    await cluster.until(() => contact.totalCount >= 4, 'looks at the followers')
    contact.take()
    const healthy = contact.totalSum / contact.totalCount
    const [lost = ''] = await cluster.followers()
    cluster.network.disconnect(lost)
    const before = contact.totalCount
    await cluster.until(() => contact.totalCount >= before + 4, 'looks at one that is gone')
    const { max } = contact.take()
    assert.ok(max > 500 && max > 3 * healthy, `${max} beside ${healthy}`)
  })

  it('count the next leader, and an office that was lost', async () => {
    const { cluster, registryOf } = await ofThree()
    await using _ = cluster
    const { id } = await cluster.leader()
    await cluster.write('one')
    await cluster.stop(id)
    await cluster.until(
      () => IDS.some((each) => each !== id && isLeader(cluster, each)),
      'another leader',
    )
    const others = IDS.filter((each) => each !== id)
    const won = others.map((each) => registryOf(each).counter(RAFT_METRICS.leader).total)
    assert.equal(
      won.reduce((sum, times) => sum + times, 0),
      1,
    )
    assert.ok(others.some((each) => registryOf(each).counter(RAFT_METRICS.candidate).total > 0))
  })
})

function isLeader(cluster: TestCluster, id: string): boolean {
  return cluster.node(id).node.status().role === 'leader'
}
