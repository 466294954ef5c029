/**
 * Streams of feeds as agents get them from a server: order, resumption, bounds, bookmarks and admission.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TopicKey } from '../../../../core/catalog/feed.ts'
import { FairleadError } from '../../../../core/errors.ts'
import { collectGarbage } from '../../../../runtime/host/collect-garbage.ts'
import type { FromServer } from '../../../../runtime/rpc/feed-messages.ts'
import type { FollowRights } from '../../../../server/feeds/feed-session.ts'
import {
  ADMITTED_BURST,
  BEAT_MS,
  BOOKMARK_MS,
  FeedSessions,
} from '../../../../server/feeds/feed-sessions.ts'
import { BEHIND_WAIT_MS } from '../../../../server/feeds/feed-start.ts'
import { RaftAndStore, register, service, settle } from '../raft-and-store.ts'
import { FakeStream } from './fake-stream.ts'

const EPOCH = 'c/1'
const WEB: TopicKey = { topic: 'health', key: 'web' }
const DB: TopicKey = { topic: 'health', key: 'db' }

interface Setting {
  readonly base: RaftAndStore
  readonly sessions: FeedSessions
  readonly state: { hasLeader: boolean; catchUp: () => Promise<void> }
  open(): FakeStream
}

async function withSessions(
  use: (setting: Setting) => Promise<void>,
  rights?: FollowRights,
): Promise<void> {
  await using base = await new RaftAndStore().start()
  const state = { hasLeader: true, catchUp: async () => {} }
  const sessions = new FeedSessions({
    store: base.store,
    clock: base.clock,
    hasLeader: () => state.hasLeader,
    ...(rights === undefined ? {} : { rights }),
    start: {
      store: base.store,
      clock: base.clock,
      epoch: () => EPOCH,
      ready: async () => {},
      catchUp: () => state.catchUp(),
    },
  })
  const open = (): FakeStream => {
    const stream = new FakeStream()
    sessions.accept(stream)
    return stream
  }
  await use({ base, sessions, state, open })
  sessions.close()
}

/** `+id` and `-id` with the topic and the index in front; bookmarks as their index alone. */
function shown(messages: readonly FromServer[]): string[] {
  return messages.map((message) => {
    switch (message.kind) {
      case 'bookmark':
        return `${message.index}${message.hasLeader ? '' : ' no leader'}`
      case 'resumed':
        return `${message.topic.key} resumed ${message.index}`
      case 'refused':
        return `${message.topic.key} refused ${message.code}`
      case 'frame': {
        const { frame, topic } = message
        const ids =
          frame.kind === 'snapshot'
            ? ['=', ...frame.items.map(({ id }) => id)]
            : [...frame.upserts.map(({ id }) => `+${id}`), ...frame.deletes.map((id) => `-${id}`)]
        return `${topic.key} ${ids.join(' ')}`
      }
      default:
        return message satisfies never
    }
  })
}

test('several topics share a stream, in log order, and are left one by one', async () => {
  await withSessions(async ({ base, open }) => {
    await base.write(register('n1', { service: service('web') }))
    const stream = open()
    stream.say({ kind: 'follow', topic: WEB })
    stream.say({ kind: 'follow', topic: DB })
    await settle()
    await base.write(register('n2', { service: service('db') }))
    await base.write(register('n2', { service: service('web') }))
    assert.deepEqual(shown(stream.take()), ['web = n1/web', 'db =', 'db +n2/db', 'web +n2/web'])
    stream.say({ kind: 'leave', topic: DB })
    await base.write(register('n3', { service: service('db') }))
    await base.write(register('n3', { service: service('web') }))
    assert.deepEqual(shown(stream.take()), ['web +n3/web'])
  })
})

test('an agent goes on where it was, or from a snapshot in another epoch', async () => {
  await withSessions(async ({ base, open }) => {
    const index = await base.write(register('n1', { service: service('web') }))
    const stream = open()
    stream.say({ kind: 'follow', topic: WEB, from: { epoch: EPOCH, index } })
    await settle()
    assert.deepEqual(shown(stream.take()), [`web resumed ${index}`])
    await base.write(register('n2', { service: service('web') }))
    stream.take()
    stream.say({ kind: 'follow', topic: WEB, from: { epoch: EPOCH, index } })
    await settle()
    assert.deepEqual(shown(stream.take()), [`web resumed ${index}`, 'web +n2/web'])
    stream.say({ kind: 'follow', topic: WEB, from: { epoch: 'c/0', index } })
    await settle()
    assert.deepEqual(shown(stream.take()), ['web = n1/web n2/web'])
  })
})

test('a server that is behind catches up first, or refuses in time', async () => {
  await withSessions(async ({ base, state, open }) => {
    const index = await base.write(register('n1', { service: service('web') }))
    const from = { epoch: EPOCH, index: index + 1 }
    state.catchUp = async () => {
      await base.write(register('n2', { service: service('web') }))
    }
    const stream = open()
    stream.say({ kind: 'follow', topic: WEB, from })
    await settle()
    assert.deepEqual(shown(stream.take()), [`web resumed ${index + 1}`])
    state.catchUp = () => new Promise(() => {})
    stream.say({ kind: 'follow', topic: WEB, from: { epoch: EPOCH, index: index + 50 } })
    await settle()
    assert.deepEqual(stream.take(), [])
    state.catchUp = async () => {
      throw new FairleadError('NO_LEADER', 'No cluster leader')
    }
    stream.say({ kind: 'follow', topic: DB, from: { epoch: EPOCH, index: index + 50 } })
    await settle()
    assert.deepEqual(shown(stream.take()), ['db refused BUSY'])
    assert.ok(BEHIND_WAIT_MS <= 2000)
  })
})

test('bookmarks follow what has changed, once, and a beat comes anyway', async () => {
  await withSessions(async ({ base, state, open }) => {
    const stream = open()
    stream.say({ kind: 'follow', topic: WEB })
    await settle()
    stream.take()
    base.clock.advance(2 * BOOKMARK_MS)
    const first = shown(stream.take())
    assert.equal(first.length, 1)
    base.clock.advance(2 * BOOKMARK_MS)
    assert.deepEqual(shown(stream.take()), [])
    const index = await base.write(register('n1', { service: service('other') }))
    base.clock.advance(2 * BOOKMARK_MS)
    assert.ok(shown(stream.take()).includes(`${base.store.lastIndex}`))
    assert.ok(base.store.lastIndex >= index)
    state.hasLeader = false
    base.clock.advance(2 * BOOKMARK_MS)
    assert.deepEqual(shown(stream.take()), [`${base.store.lastIndex} no leader`])
    base.clock.advance(2 * BEAT_MS)
    assert.ok(stream.take().length >= 1)
    stream.say({ kind: 'ping' })
    assert.equal(stream.take().length, 1)
  })
})

test('an agent that is too slow gets snapshots instead of what it missed, and no bookmark before', async () => {
  await withSessions(async ({ base, open }) => {
    const stream = open()
    stream.isFast = false
    stream.say({ kind: 'follow', topic: WEB })
    stream.say({ kind: 'follow', topic: DB })
    await settle()
    const meta = { text: 'x'.repeat(512) }
    // More than may wait: every registration is about a kilobyte on the wire.
    for (let i = 0; i < 6000; i++) {
      await base.write(register('n1', { service: { ...service('web'), port: i + 1, meta } }))
    }
    base.clock.advance(2 * BOOKMARK_MS)
    stream.take()
    stream.isFast = true
    stream.drain()
    const after = stream.take()
    const kinds = after.map((message) =>
      message.kind === 'frame' ? `${message.topic.key} ${message.frame.kind}` : message.kind,
    )
    const snapshots = ['web snapshot', 'db snapshot']
    for (const snapshot of snapshots) {
      assert.equal(kinds.filter((kind) => kind === snapshot).length, 1, `one ${snapshot}`)
    }
    const last = after.findLast(
      (message) => message.kind === 'frame' && message.topic.key === 'web',
    )
    assert.ok(last?.kind === 'frame' && last.frame.kind === 'snapshot')
    assert.equal(last.frame.items.length, 1)
    assert.ok(!kinds.slice(0, kinds.indexOf('db snapshot')).includes('bookmark'))
    await base.write(register('n2', { service: service('web') }))
    assert.deepEqual(shown(stream.take()), ['web +n2/web'])
  })
})

test('a stampede is let in bit by bit', async () => {
  await withSessions(async ({ base, sessions, open }) => {
    const streams = Array.from({ length: ADMITTED_BURST + 10 }, open)
    const refused = streams.filter(({ error }) => error?.code === 'BUSY')
    assert.equal(refused.length, 10)
    assert.equal(sessions.size, ADMITTED_BURST)
    base.clock.advance(1000)
    assert.equal(open().hasEnded, false)
  })
})

test('what is no message ends its own stream and no other', async () => {
  await withSessions(async ({ sessions, open }) => {
    const good = open()
    for (const bytes of [Buffer.from('garbage'), Buffer.alloc(100_000)]) {
      const bad = open()
      bad.sayBytes(bytes)
      assert.equal(bad.hasEnded, true)
      assert.ok(bad.error instanceof FairleadError)
    }
    const wrong = open()
    wrong.say({ kind: 'follow', topic: { topic: 'secrets', key: '' } as never })
    assert.equal(wrong.error?.code, 'BAD_REQUEST')
    assert.equal(good.hasEnded, false)
    assert.equal(sessions.size, 1)
  })
})

test('ended streams leave nothing behind', async () => {
  await withSessions(async ({ base, sessions, open }) => {
    const stream = open()
    stream.say({ kind: 'follow', topic: WEB })
    await settle()
    stream.lose()
    assert.equal(sessions.size, 0)
    stream.take()
    await base.write(register('n1', { service: service('web') }))
    assert.deepEqual(stream.take(), [])
    const other = open()
    sessions.close()
    assert.equal(other.error?.code, 'SHUTTING_DOWN')
    assert.equal(open().error?.code, 'SHUTTING_DOWN')
  })
})

test('what was sent at first is not held as long as its topic is followed', async () => {
  await using base = await new RaftAndStore().start()
  const held: WeakRef<object>[] = []
  const sessions = new FeedSessions({
    store: {
      get lastIndex() {
        return base.store.lastIndex
      },
      follow: (topic, fromIndex, sink) =>
        base.store.follow(topic, fromIndex, (frame) => {
          held.push(new WeakRef(frame))
          sink(frame)
        }),
    },
    clock: base.clock,
    hasLeader: () => true,
    start: {
      store: base.store,
      clock: base.clock,
      epoch: () => EPOCH,
      ready: async () => {},
      catchUp: async () => {},
    },
  })
  const stream = new FakeStream()
  sessions.accept(stream)
  stream.say({ kind: 'follow', topic: WEB })
  await settle()
  assert.equal(stream.take().length, 1)
  assert.equal(held.length, 1)
  // A weak reference holds until the end of the turn in which it was made.
  await new Promise((resolve) => setImmediate(resolve))
  collectGarbage()
  assert.equal(held[0]?.deref(), undefined)
  assert.equal(sessions.size, 1)
  sessions.close()
})

test('a topic that may not be followed any more ends, also where it would begin anew', async () => {
  const state = { version: 1, allowed: ['web', 'db'] }
  const rights: FollowRights = {
    version: () => state.version,
    mayFollow: (secret) => state.allowed.includes(secret),
  }
  await withSessions(async ({ base, open }) => {
    const stream = open()
    stream.say({ kind: 'follow', topic: WEB, secret: 'web' })
    stream.say({ kind: 'follow', topic: DB, secret: 'db' })
    await settle()
    stream.take()
    state.allowed = ['db']
    state.version += 1
    base.clock.advance(2 * BOOKMARK_MS)
    await settle()
    assert.deepEqual(
      shown(stream.take()).filter((text) => text.includes('refused')),
      ['web refused PERMISSION_DENIED'],
    )
    await base.write(register('n1', { service: service('web') }))
    await base.write(register('n1', { service: service('db') }))
    const told = shown(stream.take()).filter((text) => /^(web|db) /.test(text))
    assert.deepEqual(told.length, 1)
    assert.match(told[0] ?? '', /^db \+/)
    stream.say({ kind: 'follow', topic: WEB, secret: 'web' })
    await settle()
    assert.deepEqual(
      shown(stream.take()).filter((text) => text.startsWith('web')),
      ['web refused PERMISSION_DENIED'],
    )
  }, rights)
})
