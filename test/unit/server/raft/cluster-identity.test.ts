/**
 * Which messages reach the core, and that a cluster is adopted durably before any does.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FairleadError } from '../../../../core/errors.ts'
import { silentLogger } from '../../../../core/log.ts'
import type { RaftMessage } from '../../../../core/raft/messages.ts'
import { logIndex, serverId, term } from '../../../../core/raft/types.ts'
import type { ClusterName } from '../../../../core/rpc/peer-calls.ts'
import { ClusterIdentity } from '../../../../server/raft/cluster-identity.ts'

const ours: ClusterName = { clusterId: 'ours', epoch: 1 }
const header = { from: serverId('l'), to: serverId('s'), term: term(4) }
const heartbeat: RaftMessage = {
  ...header,
  kind: 'heartbeat',
  commit: logIndex(0),
  readSeq: 0,
  leaseSeq: 0,
}
const vote: RaftMessage = {
  ...header,
  kind: 'vote',
  lastIndex: logIndex(1),
  lastTerm: term(1),
  transfer: false,
}

class Rig {
  readonly delivered: string[] = []
  readonly announced: (ClusterName | null)[] = []
  readonly fatal: unknown[] = []
  readonly saved = Promise.withResolvers<void>()
  readonly identity: ClusterIdentity

  constructor(cluster: ClusterName | null) {
    this.identity = new ClusterIdentity(cluster, {
      serverId: serverId('s'),
      store: { saveIdentity: () => this.saved.promise },
      transport: { setCluster: (name) => this.announced.push(name) },
      log: silentLogger,
      deliver: (message) => this.delivered.push(message.kind),
      onFatal: (thrown) => this.fatal.push(thrown),
    })
  }
}

describe('a member of a cluster', () => {
  it('hears its own cluster and epoch alone', () => {
    const { identity, delivered, announced } = new Rig(ours)
    identity.receive(heartbeat, ours)
    identity.receive(heartbeat, { clusterId: 'theirs', epoch: 1 })
    identity.receive(heartbeat, { clusterId: 'ours', epoch: 0 })
    identity.receive(vote, ours)
    assert.deepEqual(delivered, ['heartbeat', 'vote'])
    assert.deepEqual(announced, [ours])
  })
})

describe('a server of no cluster', () => {
  it('adopts that of the first leader, and hears it once that is durable', async () => {
    const { identity, delivered, saved, announced } = new Rig(null)
    identity.receive(vote, ours)
    identity.receive(heartbeat, ours)
    identity.receive(heartbeat, { clusterId: 'late', epoch: 0 })
    assert.deepEqual(delivered, [])
    assert.equal(identity.cluster, null)
    saved.resolve()
    await identity.settled()
    assert.deepEqual(delivered, ['heartbeat'])
    assert.deepEqual(identity.cluster, ours)
    assert.deepEqual(announced, [null, ours])
  })

  it('is not moved by votes', () => {
    const { identity, delivered } = new Rig(null)
    identity.receive(vote, ours)
    assert.deepEqual([identity.cluster, delivered], [null, []])
  })

  it('that cannot write its adoption down hears nothing', async () => {
    const { identity, delivered, saved, fatal } = new Rig(null)
    identity.receive(heartbeat, ours)
    saved.reject(new Error('disk full'))
    await identity.settled()
    assert.deepEqual(delivered, [])
    assert.equal(fatal.length, 1)
  })

  it('that founds one adopts no other, and hears its own from then on', async () => {
    const { identity, delivered } = new Rig(null)
    assert.equal(await identity.claim(ours), true)
    identity.receive(heartbeat, { clusterId: 'theirs', epoch: 0 })
    identity.receive(heartbeat, ours)
    const isBusy = (err: unknown) => err instanceof FairleadError && err.code === 'BUSY'
    await assert.rejects(identity.claim(ours), isBusy)
    identity.founded(ours)
    assert.deepEqual(delivered, ['heartbeat'])
    assert.equal(await identity.claim(ours), false, 'it is a member already')
    const isRefused = (err: unknown) => err instanceof FairleadError && err.code === 'REJECTED'
    await assert.rejects(identity.claim({ clusterId: 'theirs', epoch: 0 }), isRefused)
  })
})
