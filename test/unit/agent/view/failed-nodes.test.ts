/**
 * What gossip knows of failed nodes, shown in views before the catalog says so.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SubscribedViews } from '../../../../agent/view/catalog-views.ts'
import { FailedNodes } from '../../../../agent/view/failed-nodes.ts'
import type { HealthEntry } from '../../../../core/catalog/types.ts'
import { silentLogger } from '../../../../core/log.ts'
import type { MemberStatus } from '../../../../core/membership.ts'
import { seededRng } from '../../../../core/rng.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'
import { HandMembership } from '../../../integration/server/running-server.ts'
import { manyInstances } from '../../core/dns/example-catalog.ts'
import { Feed, turn } from './scripted-feed.ts'

function members(...status: readonly MemberStatus[]) {
  return status.map((one, i) => ({
    name: `VM-${i}`,
    address: `10.0.0.${i}`,
    port: 8301,
    tags: {},
    status: one,
  }))
}

/** With the check that the leader keeps of nodes with an agent. */
function agents(count: number): Map<string, HealthEntry> {
  return new Map(manyInstances('web', count).map((entry) => [entry.node.node, entry]))
}

/** Names of the nodes that are shown as failed. */
function failedIn(shown: ReadonlyMap<string, HealthEntry>): readonly string[] {
  return [...shown.values()]
    .filter(({ checks }) => checks.some(({ status }) => status === 'critical'))
    .map(({ node }) => node.node)
}

test('a failed node is shown so, a suspected or left one is not, and one that is back no more', () => {
  const membership = new HandMembership(members('alive', 'alive', 'failed', 'left'))
  const failed = new FailedNodes(membership)
  let changes = 0
  failed.onChange(() => changes++)
  failed.start()
  const entries = agents(4)
  assert.deepEqual(failedIn(failed.shown(entries)), ['vm-2'])
  assert.equal(failedIn(entries).length, 0, 'the view itself is left alone')
  membership.set(members('alive', 'failed', 'failed', 'left'))
  assert.deepEqual(failedIn(failed.shown(entries)), ['vm-1', 'vm-2'])
  membership.set(members('alive', 'alive', 'alive', 'alive'))
  assert.equal(failed.shown(entries), entries)
  assert.equal(changes, 3)
  membership.set(members('alive', 'alive', 'leaving', 'alive'))
  assert.equal(changes, 3)
  failed.stop()
  assert.equal(membership.listeners, 0)
})

test('what would cost more than half of the endpoints, or leave too few, is not shown', () => {
  const failed = new FailedNodes(new HandMembership(members('failed', 'failed', 'failed')))
  failed.start()
  assert.deepEqual(failedIn(failed.shown(agents(5))), [])
  assert.deepEqual(failedIn(failed.shown(agents(6))), ['vm-0', 'vm-1', 'vm-2'])
  assert.deepEqual(failedIn(failed.shown(agents(2))), [])
})

test('nodes that were registered by API are left alone, whatever a member of that name does', () => {
  const failed = new FailedNodes(new HandMembership(members('failed')))
  failed.start()
  const entries = new Map(
    [...agents(4)].map(([id, entry]) => {
      const checks = entry.checks.map((check) => ({ ...check, checkId: 'ping' }))
      return [id, { ...entry, checks }]
    }),
  )
  assert.equal(failed.shown(entries), entries)
})

test('holders of a view are told at once, and see what the leader will write', async () => {
  const membership = new HandMembership(members('alive', 'alive', 'alive'))
  const feed = new Feed()
  const clock = new ManualClock()
  const views = new SubscribedViews({
    servers: feed,
    clock,
    rng: seededRng(1),
    log: silentLogger,
    failed: new FailedNodes(membership),
  })
  await views.start()
  const view = views.open('health', 'web')
  const items = [...agents(3)].map(([id, value]) => ({ id, value }))
  feed.last.push({ kind: 'snapshot', index: 5, items })
  await view.ready()
  let told = 0
  view.onChange(() => told++)
  await turn()
  told = 0
  membership.set(members('alive', 'failed', 'alive'))
  assert.deepEqual(failedIn(view.items()), ['vm-1'])
  await turn()
  assert.equal(told, 1)
  membership.set(members('alive', 'failed', 'alive'))
  await turn()
  assert.equal(told, 1)
  await views.stop()
})
