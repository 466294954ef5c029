/**
 * Which reads rely on the leader's lease, and what becomes of one whose lease lapsed meanwhile.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ReadMode } from '../../../../core/raft/types.ts'
import type { RaftNodeApi } from '../../../../server/raft/types.ts'
import { RaftAndStore } from '../raft-and-store.ts'
import { apiOf } from './server-apis.ts'

/** The real Raft, with a lease that the test gives and takes, and a note of every read point. */
function withLease(base: RaftAndStore, holds: () => boolean) {
  const points: ReadMode[] = []
  const raft = new Proxy<RaftNodeApi>(base.raft, {
    get: (target, name) => {
      if (name === 'holdsLease') return holds
      if (name === 'readIndex') {
        return (mode: ReadMode) => {
          points.push(mode)
          return target.readIndex('quorum')
        }
      }
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  return { points, api: apiOf(base, { raft, defaultRead: 'lease' }) }
}

test('reads of the catalog rely on the lease, in the default mode alone', async () => {
  await using base = await new RaftAndStore().start()
  const { api, points } = withLease(base, () => true)
  await api.read('catalog.nodes', {})
  await api.read('health.service', { service: 'web' }, { consistency: 'default' })
  assert.deepEqual(points.splice(0), ['lease', 'lease'])
  await api.read('catalog.nodes', {}, { consistency: 'consistent' })
  assert.deepEqual(points.splice(0), ['quorum'])
})

test('sessions, keys, certificates and intentions never do', async () => {
  await using base = await new RaftAndStore().start()
  const { api, points } = withLease(base, () => true)
  await api.read('session.list', {})
  await api.read('kv.get', { key: 'a' })
  await api.read('ca.roots', {})
  await api.read('intention.list', {})
  assert.deepEqual(points, ['quorum', 'quorum', 'quorum', 'quorum'])
})

test('without a lease the others are asked', async () => {
  await using base = await new RaftAndStore().start()
  const { api, points } = withLease(base, () => false)
  await api.read('catalog.nodes', {})
  assert.deepEqual(points, ['quorum'])
})

test('a lease that lapsed during the read makes it be done anew', async () => {
  await using base = await new RaftAndStore().start()
  const looks = [true, false, false]
  const { api, points } = withLease(base, () => looks.shift() ?? false)
  const { lastContactMs, knownLeader } = await api.read('catalog.nodes', {})
  assert.deepEqual(points, ['lease', 'quorum'])
  assert.deepEqual([lastContactMs, knownLeader], [0, true])
})
