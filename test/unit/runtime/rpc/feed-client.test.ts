/**
 * The agent's end of the feeds: what becomes of its subscriptions when streams end, and how a fleet comes back.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TopicKey } from '../../../../core/catalog/feed.ts'
import { FairleadError } from '../../../../core/errors.ts'
import { silentLogger } from '../../../../core/log.ts'
import { seededRng } from '../../../../core/rng.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'
import { FeedClient, SILENCE_MS } from '../../../../runtime/rpc/feed-client.ts'
import { encodeFeedMessage, type FromServer } from '../../../../runtime/rpc/feed-messages.ts'
import { FakeStream } from '../../server/feeds/fake-stream.ts'

const WEB: TopicKey = { topic: 'health', key: 'web' }

class Subject {
  readonly streams: FakeStream[] = []
  readonly connectedAt: number[] = []
  readonly clock: ManualClock
  readonly client: FeedClient
  givenUp = 0

  constructor(clock: ManualClock, seed = 1, members = 10) {
    this.clock = clock
    this.client = new FeedClient({
      clock,
      rng: seededRng(seed),
      log: silentLogger,
      members: () => members,
      servers: () => 2,
      connect: async () => {
        const stream = new FakeStream()
        this.streams.push(stream)
        this.connectedAt.push(clock.now())
        return {
          stream,
          address: 'server',
          giveUp: () => {
            this.givenUp += 1
          },
          hasMoved: () => false,
        }
      },
    })
  }

  get last(): FakeStream {
    return this.streams.at(-1) ?? assert.fail('never connected')
  }

  says(message: FromServer): void {
    this.last.sayBytes(encodeFeedMessage(message))
  }

  begins(index: number): void {
    this.says({
      kind: 'frame',
      topic: WEB,
      epoch: 'c/1',
      frame: { kind: 'snapshot', index, items: [] },
    })
  }

  async stop(): Promise<void> {
    const closed = this.client.close(new FairleadError('SHUTTING_DOWN', 'over'))
    for (const stream of this.streams) stream.lose()
    await turns()
    this.clock.advance(60_000)
    await closed
  }
}

async function turns(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
}

test('a subscription that had begun ends with its stream; one that had not waits for the next', async () => {
  const subject = new Subject(new ManualClock())
  const begun = subject.client.subscribe({ topic: WEB, from: undefined })[Symbol.asyncIterator]()
  const waiting = subject.client
    .subscribe({ topic: { topic: 'roots', key: '' }, from: undefined })
    [Symbol.asyncIterator]()
  const first = begun.next()
  const never = waiting.next()
  await turns()
  subject.begins(7)
  assert.equal((await first).value?.kind, 'snapshot')
  const next = begun.next()
  subject.last.lose()
  await assert.rejects(next, { code: 'NO_SERVERS' })
  subject.clock.advance(1000)
  await turns()
  assert.equal(subject.streams.length, 2)
  subject.says({
    kind: 'frame',
    topic: { topic: 'roots', key: '' },
    epoch: 'c/1',
    frame: { kind: 'snapshot', index: 9, items: [] },
  })
  assert.equal((await never).value?.index, 9)
  await subject.stop()
})

test('a newer subscription takes the place of an older, and is not given what the older was sent', async () => {
  const subject = new Subject(new ManualClock())
  const older = subject.client.subscribe({ topic: WEB, from: undefined })[Symbol.asyncIterator]()
  const replaced = older.next()
  await turns()
  const newer = subject.client.subscribe({ topic: WEB, from: { epoch: 'c/1', index: 5 } })
  const frames = newer[Symbol.asyncIterator]()
  const first = frames.next()
  await assert.rejects(replaced, { code: 'BUSY' })
  const frame = { kind: 'delta', index: 6, after: 5, upserts: [], deletes: ['x'] } as const
  subject.says({ kind: 'frame', topic: WEB, epoch: 'c/1', frame })
  subject.says({ kind: 'resumed', topic: WEB, epoch: 'c/1', index: 5 })
  assert.deepEqual((await first).value, { kind: 'bookmark', index: 5, hasLeader: true })
  await subject.stop()
})

test('a server that is silent for three beats is given up', async () => {
  const subject = new Subject(new ManualClock())
  void subject.client.subscribe({ topic: WEB, from: undefined })[Symbol.asyncIterator]().next()
  await turns()
  subject.begins(7)
  subject.clock.advance(SILENCE_MS - 1)
  assert.equal(subject.givenUp, 0)
  subject.says({ kind: 'bookmark', index: 7, hasLeader: true })
  subject.clock.advance(SILENCE_MS - 1)
  assert.equal(subject.givenUp, 0)
  subject.clock.advance(2)
  assert.equal(subject.givenUp, 1)
  await subject.stop()
})

test('figures tell how far behind the stream is, what came, and why a server was left', async () => {
  const subject = new Subject(new ManualClock())
  const { client, clock } = subject
  assert.equal(client.figures.silenceMs, null)
  assert.equal(client.figures.noticeAgeMs, null)
  void client.subscribe({ topic: WEB, from: undefined })[Symbol.asyncIterator]().next()
  await turns()
  subject.begins(7)
  subject.says({ kind: 'bookmark', index: 7, hasLeader: true })
  const frame = { kind: 'delta', index: 9, after: 7, upserts: [], deletes: ['x'] } as const
  subject.says({ kind: 'frame', topic: WEB, epoch: 'c/1', frame })
  client.noticed({ epoch: 'c/1', index: 12 })
  clock.advance(500)
  const { indexLag, silenceMs, noticeAgeMs, streams, snapshots, changes } = client.figures
  assert.deepEqual(
    { indexLag, silenceMs, noticeAgeMs, streams, snapshots, changes },
    { indexLag: 5, silenceMs: 500, noticeAgeMs: 500, streams: 1, snapshots: 1, changes: 1 },
  )
  clock.advance(5_500)
  assert.equal(client.figures.suspicions, 1)
  const { lagging, silent } = client.figures.moves
  assert.deepEqual({ lagging, silent }, { lagging: 1, silent: 0 })
  await subject.stop()
})

test('a fleet that loses its server comes back spread over time, a small one at once', async () => {
  for (const [members, longestMs] of [
    [10_000, 10_000],
    [15, 100],
  ] as const) {
    const clock = new ManualClock()
    const agents = Array.from({ length: 100 }, (_, seed) => new Subject(clock, seed + 1, members))
    for (const { client } of agents) {
      client
        .subscribe({ topic: WEB, from: undefined })
        [Symbol.asyncIterator]()
        .next()
        .catch(() => {})
    }
    await turns()
    for (const agent of agents) {
      agent.begins(7)
      // Another that has not begun, so that the agent wants a stream again.
      wantsMore(agent)
      agent.last.lose()
    }
    const lostAt = clock.now()
    for (let i = 0; i < 110; i++) {
      await turns()
      clock.advance(longestMs / 100)
    }
    await turns()
    const times = agents.map(({ connectedAt }) => (connectedAt[1] ?? Number.NaN) - lostAt)
    assert.ok(
      times.every((ms) => ms <= longestMs * 1.1),
      `${Math.max(...times)} ms at most`,
    )
    if (members > 1000) {
      const tenths = Array.from({ length: 10 }, (_, i) =>
        times.filter((ms) => Math.floor((10 * ms) / longestMs) === i),
      )
      for (const tenth of tenths) assert.ok(tenth.length <= 25, `${tenth.length} in a tenth`)
    }
    for (const agent of agents) await agent.stop()
  }
})

function wantsMore({ client }: Subject): void {
  client
    .subscribe({ topic: { topic: 'roots', key: '' }, from: undefined })
    [Symbol.asyncIterator]()
    .next()
    .catch(() => {})
}
