/**
 * Gossip made true in a real catalog, sweep by sweep.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Command } from '../../../../core/catalog/commands.ts'
import { FairleadError } from '../../../../core/errors.ts'
import { silentLogger } from '../../../../core/log.ts'
import { unrecordedMetrics } from '../../../../core/metrics/metrics.ts'
import {
  MemberReconciler,
  RECONCILE_INTERVAL_MS,
} from '../../../../server/leader/member-reconciler.ts'
import { HandMembership, member, NODE_ID } from '../../../integration/server/running-server.ts'
import { pass, RaftAndStore, register, settle } from '../raft-and-store.ts'

const RECONNECT_TIMEOUT_MS = 72 * 3_600_000
const OLD_ID = '5b7f0c5e-8d4b-4f0a-9a51-6f2f6f3f0a01'
const NEW_ID = '5b7f0c5e-8d4b-4f0a-9a51-6f2f6f3f0a02'

interface Rig {
  readonly base: RaftAndStore
  readonly membership: HandMembership
  readonly reconciler: MemberReconciler
  readonly written: Command[]
  /** Makes this many writes fail. */
  failures: number
}

async function rig(): Promise<Rig> {
  const base = await new RaftAndStore().start()
  const membership = new HandMembership([member('n1')])
  const written: Command[] = []
  const made: Rig = {
    base,
    membership,
    written,
    failures: 0,
    reconciler: new MemberReconciler({
      store: base.store,
      membership,
      reconnectTimeoutMs: RECONNECT_TIMEOUT_MS,
      ownTags: () => ({ role: 'consul', id: NODE_ID, port: '8300' }),
      clock: base.clock,
      log: silentLogger,
      metrics: unrecordedMetrics,
      write: async (command) => {
        if (made.failures-- > 0) throw new FairleadError('BUSY', 'later')
        written.push(command)
        return base.write(command)
      },
    }),
  }
  return made
}

function status(base: RaftAndStore, node: string): string {
  const known = base.store.read('catalog.node', { node }).value
  if (known === null) return 'absent'
  return known.checks.find((check) => check.checkId === 'serfHealth')?.status ?? 'unchecked'
}

test('the own node comes first, with the service consul; the others follow', async () => {
  const { base, membership, reconciler, written } = await rig()
  await using _ = base
  membership.set([member('n1'), member('n0'), member('n2')])
  await reconciler.start()
  const nodes = written.map((command) => command.kind === 'register' && command.request.node)
  assert.deepEqual(nodes, ['n1', 'n0', 'n2'])
  const own = base.store.read('catalog.node', { node: 'n1' }).value
  assert.equal(own?.services[0]?.service, 'consul')
  assert.equal(own?.services[0]?.port, 8300)
  assert.equal(own?.node.id, NODE_ID)
  await reconciler.stop()
})

test('a host that took over a name gets a clean node, though the one before never failed', async () => {
  const { base, membership, reconciler, written } = await rig()
  await using _ = base
  membership.set([
    member('n1'),
    member('n2', { tags: { role: 'consul', id: OLD_ID, port: '8300' } }),
  ])
  await reconciler.start()
  membership.set([member('n1'), member('n2', { tags: { role: 'node', id: NEW_ID } })])
  await reconciler.sweepSoon()
  const { node, services } = base.store.read('catalog.node', { node: 'n2' }).value ?? {}
  assert.equal(node?.id, NEW_ID)
  assert.deepEqual(services, [], 'nothing of the host before it')
  assert.equal(status(base, 'n2'), 'passing')
  const count = written.length
  await reconciler.sweepSoon()
  assert.equal(written.length, count)
  await reconciler.stop()
})

test('a sweep that finds nothing different writes nothing', async () => {
  const { base, reconciler, written } = await rig()
  await using _ = base
  await reconciler.start()
  assert.equal(written.length, 1)
  const index = base.store.lastIndex
  await pass(base.clock, 10 * RECONCILE_INTERVAL_MS, RECONCILE_INTERVAL_MS)
  assert.equal(written.length, 1)
  assert.equal(base.store.lastIndex, index)
  await reconciler.stop()
})

test('changes of gossip reach the catalog at once', async () => {
  const { base, membership, reconciler } = await rig()
  await using _ = base
  membership.set([member('n1'), member('n2')])
  await reconciler.start()
  assert.equal(status(base, 'n2'), 'passing')
  membership.set([member('n1'), member('n2', { status: 'failed' })])
  await settle()
  assert.equal(status(base, 'n2'), 'critical')
  membership.set([member('n1'), member('n2')])
  await settle()
  assert.equal(status(base, 'n2'), 'passing')
  membership.set([member('n1'), member('n2', { status: 'left' })])
  await settle()
  assert.equal(status(base, 'n2'), 'absent')
  await reconciler.stop()
})

test('a server that leads never takes itself out, whatever gossip says', async () => {
  const { base, membership, reconciler } = await rig()
  await using _ = base
  membership.set([member('n1', { status: 'left' })])
  await reconciler.start()
  assert.equal(status(base, 'n1'), 'passing')
  await reconciler.stop()
})

test('damage to the catalog is repaired by the next sweep', async () => {
  const { base, reconciler } = await rig()
  await using _ = base
  await reconciler.start()
  await base.write({ kind: 'deregister', request: { node: 'n1' } })
  await pass(base.clock, RECONCILE_INTERVAL_MS)
  assert.equal(status(base, 'n1'), 'passing')
  await reconciler.stop()
})

test('whom gossip forgets is taken out at once', async () => {
  const { base, membership, reconciler } = await rig()
  await using _ = base
  membership.set([member('n1'), member('n2', { status: 'failed' }), member('n3')])
  await base.write(register('by-api'))
  await reconciler.start()
  membership.set([member('n1'), member('n3')])
  await settle()
  assert.equal(status(base, 'n2'), 'absent')
  assert.equal(status(base, 'n3'), 'passing')
  assert.equal(status(base, 'by-api'), 'unchecked', 'nodes of the API are left alone')
  await reconciler.stop()
})

test('whom a leader never saw turns critical at the second sweep and is gone after 72 hours', async () => {
  const { base, membership, reconciler } = await rig()
  await using _ = base
  membership.set([member('n1'), member('n2')])
  await base.write(register('by-api'))
  await reconciler.start()
  await reconciler.stop()
  membership.set([member('n1')])
  await reconciler.start()
  assert.equal(status(base, 'n2'), 'passing')
  await pass(base.clock, RECONCILE_INTERVAL_MS)
  assert.equal(status(base, 'n2'), 'critical')
  base.clock.advance(RECONNECT_TIMEOUT_MS - 2 * RECONCILE_INTERVAL_MS)
  await settle()
  assert.equal(status(base, 'n2'), 'critical')
  await pass(base.clock, 3 * RECONCILE_INTERVAL_MS, RECONCILE_INTERVAL_MS)
  assert.equal(status(base, 'n2'), 'absent')
  assert.equal(status(base, 'by-api'), 'unchecked', 'nodes of the API are left alone')
  await reconciler.stop()
})

test('a sweep that fails is tried again soon', async () => {
  const made = await rig()
  const { base, reconciler } = made
  await using _ = base
  made.failures = 2
  await reconciler.start()
  assert.equal(status(base, 'n1'), 'absent')
  await pass(base.clock, 3000, 1000)
  assert.equal(status(base, 'n1'), 'passing')
  await reconciler.stop()
})

test('a member that the catalog refuses does not keep the others out', async () => {
  const { base, membership, reconciler } = await rig()
  await using _ = base
  membership.set([member('n1'), member('n2', { tags: { id: 'no uuid' } }), member('n3')])
  await reconciler.start()
  assert.equal(status(base, 'n2'), 'absent')
  assert.equal(status(base, 'n3'), 'passing')
  await reconciler.stop()
})

test('a storm of changes makes one sweep at a time and ends at the last state', async () => {
  const { base, membership, reconciler } = await rig()
  await using _ = base
  await reconciler.start()
  for (let i = 0; i < 50; i++) {
    membership.set([member('n1'), member('n2', { status: i % 2 === 0 ? 'alive' : 'failed' })])
  }
  await settle()
  assert.notEqual(status(base, 'n2'), 'passing')
  membership.set([member('n1'), member('n2')])
  await settle()
  assert.equal(status(base, 'n2'), 'passing')
  await reconciler.stop()
})

test('after stop nobody listens and no timer is armed', async () => {
  const { base, membership, reconciler } = await rig()
  await using _ = base
  const armed = base.clock.armed
  await reconciler.start()
  await reconciler.stop()
  await reconciler.stop()
  assert.equal(membership.listeners, 0)
  assert.equal(base.clock.armed, armed)
})
