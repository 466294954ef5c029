/**
 * When a stream of feeds counts as lagging (feed-lag.ts), and when an agent moves (server-moves.ts).
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '../../../../core/log.ts'
import { seededRng } from '../../../../core/rng.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'
import { FeedLag } from '../../../../runtime/rpc/feed-lag.ts'
import { FAILED_MS } from '../../../../runtime/rpc/server-choice.ts'
import { SETTLE_MS, ServerMoves } from '../../../../runtime/rpc/server-moves.ts'

function lag(onPing: (lag: FeedLag) => void = () => {}) {
  const clock = new ManualClock()
  const seen = { pings: 0, lagging: 0 }
  const subject: FeedLag = new FeedLag({
    clock,
    rng: seededRng(3),
    members: () => 10,
    ping: () => {
      seen.pings += 1
      onPing(subject)
    },
    onLagging: () => {
      seen.lagging += 1
    },
  })
  return { clock, seen, subject }
}

test('a stream that stands still while others go on is asked first, then left', () => {
  const { clock, seen, subject } = lag()
  subject.reached(10)
  subject.noticed(20)
  clock.advance(2000)
  assert.deepEqual(seen, { pings: 0, lagging: 0 })
  clock.advance(2000)
  assert.equal(seen.pings, 1)
  clock.advance(1000)
  assert.equal(seen.lagging, 1)
  assert.equal(clock.armed, 0)
})

test('progress is enough, and so is an answer', () => {
  const moving = lag()
  moving.subject.reached(10)
  moving.subject.noticed(100)
  for (let index = 11; index < 40; index++) {
    moving.clock.advance(500)
    moving.subject.reached(index)
  }
  assert.deepEqual(moving.seen, { pings: 0, lagging: 0 })
  const answering = lag((subject) => subject.reached(20))
  answering.subject.reached(10)
  answering.subject.noticed(20)
  answering.clock.advance(10_000)
  assert.deepEqual(answering.seen, { pings: 1, lagging: 0 })
})

test('a word that two servers deny is not believed again', () => {
  const { clock, seen, subject } = lag((it) => it.reached(10))
  subject.reached(10)
  for (let i = 0; i < 5; i++) {
    subject.noticed(1_000_000)
    clock.advance(10_000)
  }
  assert.equal(seen.lagging, 1)
  subject.noticed(1_000_001)
  clock.advance(10_000)
  assert.equal(seen.lagging, 2)
})

test('it does not switch twice in a row, nor while there is no stream', () => {
  const { clock, seen, subject } = lag()
  subject.reached(10)
  subject.noticed(20)
  clock.advance(5000)
  assert.equal(seen.lagging, 1)
  subject.reached(undefined)
  subject.noticed(30)
  clock.advance(20_000)
  assert.equal(seen.lagging, 1)
  assert.equal(clock.armed, 0)
  subject.reached(11)
  subject.noticed(31)
  clock.advance(5000)
  assert.equal(seen.lagging, 2)
})

test('what is known already is no reason to look', () => {
  const { clock, seen, subject } = lag()
  subject.reached(10)
  subject.noticed(10)
  assert.equal(clock.armed, 0)
  assert.deepEqual(seen, { pings: 0, lagging: 0 })
})

test('a move is looked at a while after servers have changed, and again while one is passed over', async () => {
  const clock = new ManualClock()
  let looks = 0
  let shallLookAgain = true
  const moves = new ServerMoves({
    clock,
    rng: seededRng(1),
    log: silentLogger,
    members: () => 15,
    move: async () => {
      looks += 1
      return shallLookAgain
    },
  })
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  moves.serversChanged()
  moves.serversChanged()
  clock.advance(SETTLE_MS - 1)
  assert.equal(looks, 0)
  clock.advance(SETTLE_MS + 1)
  assert.equal(looks, 1)
  await turn()
  shallLookAgain = false
  clock.advance(FAILED_MS + SETTLE_MS)
  await turn()
  assert.equal(looks, 2)
  assert.equal(clock.armed, 0)
  moves.serversChanged()
  moves.stop()
  assert.equal(clock.armed, 0)
})
