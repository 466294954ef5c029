/**
 * What the mesh reads out of its views (agent/mesh/view-set.ts), over a scripted feed.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ViewSet } from '../../../../agent/mesh/view-set.ts'
import { SubscribedViews } from '../../../../agent/view/catalog-views.ts'
import { silentLogger } from '../../../../core/log.ts'
import { seededRng } from '../../../../core/rng.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'
import { manyInstances } from '../../core/dns/example-catalog.ts'
import { Feed, turn } from '../view/scripted-feed.ts'

test('is the same object until the view has changed, and never an old one after that', async () => {
  const feed = new Feed()
  const views = new SubscribedViews({
    servers: feed,
    clock: new ManualClock(),
    rng: seededRng(1),
    log: silentLogger,
  })
  let changes = 0
  const set = new ViewSet(
    { topic: 'connect', read: (items) => [...items], onChange: () => changes++ },
    views,
  )
  set.want(new Set(['web', 'db']))
  assert.equal(set.values().size, 0, 'nothing is known yet')
  const [one, two] = manyInstances('web', 2)
  assert.ok(one !== undefined && two !== undefined)
  const [web, db] = feed.subscriptions
  web?.push({ kind: 'snapshot', index: 5, items: [{ id: 'a', value: one }] })
  db?.push({ kind: 'snapshot', index: 5, items: [] })
  await turn()
  const first = set.values()
  assert.deepEqual(first.get('web'), [one])
  assert.equal(set.values().get('web'), first.get('web'))
  web?.push({
    kind: 'delta',
    index: 6,
    after: 5,
    upserts: [{ id: 'b', value: two }],
    deletes: [],
  })
  await turn()
  const second = set.values()
  assert.deepEqual(second.get('web'), [one, two])
  assert.deepEqual(first.get('web'), [one], 'what was read before is left alone')
  assert.equal(second.get('db'), first.get('db'))
  assert.equal(changes, 3)
  set.want(new Set(['db']))
  assert.deepEqual([...set.values().keys()], ['db'])
  set.close()
  await views.stop()
})
