/**
 * What a leader says about the catalog, and how often.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CatalogNotice } from '../../../../core/catalog/notice.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'
import { BEAT_MS, Notices } from '../../../../server/leader/notices.ts'
import { STATUS_BEFORE_START } from '../../../../server/raft/status.ts'

test('a leader tells what has changed at most five times a second, and beats while nothing does', () => {
  const clock = new ManualClock()
  const store = { lastIndex: 7 }
  const said: CatalogNotice[] = []
  let hasLease = true
  const notices = new Notices({
    clock,
    store,
    raft: { status: () => ({ ...STATUS_BEFORE_START, term: 3 }), holdsLease: () => hasLease },
    board: { announce: (notice) => said.push(notice) },
    epoch: () => 'c/1',
  })
  notices.start()
  for (let i = 0; i < 1000; i++) {
    store.lastIndex += 1
    clock.advance(1)
  }
  assert.equal(said.length, 5)
  assert.deepEqual(said[0], { epoch: 'c/1', term: 3, index: 207, beat: 1 })
  said.length = 0
  clock.advance(2 * BEAT_MS)
  assert.deepEqual(
    said.map(({ index, beat }) => [index, beat]),
    [
      [1007, 6],
      [1007, 7],
    ].slice(0, said.length),
  )
  assert.ok(said.length >= 1)
  hasLease = false
  said.length = 0
  store.lastIndex += 1
  clock.advance(2 * BEAT_MS)
  assert.deepEqual(said, [])
  notices.stop()
  assert.equal(clock.armed, 0)
})
