/**
 * What a leader says about the catalog, and how often.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CatalogNotice } from '../../../../core/catalog/notice.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'
import { BEAT_MS, Notices } from '../../../../server/leader/notices.ts'
import { STATUS_BEFORE_START } from '../../../../server/raft/status.ts'

test('a leader tells what has changed at most once a second, and beats while nothing does', () => {
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
  for (let i = 0; i < 5000; i++) {
    store.lastIndex += 1
    clock.advance(1)
  }
  assert.equal(said.length, 5)
  assert.deepEqual(said[0], { epoch: 'c/1', term: 3, index: 1007, beat: 1 })
  said.length = 0
  clock.advance(2 * BEAT_MS)
  assert.deepEqual(
    said.map(({ index, beat }) => [index, beat]),
    [
      [5007, 6],
      [5007, 7],
    ],
  )
  hasLease = false
  said.length = 0
  store.lastIndex += 1
  clock.advance(2 * BEAT_MS)
  assert.deepEqual(said, [])
  notices.stop()
  assert.equal(clock.armed, 0)
})
