/**
 * The bytes of feeds: made once for all who get the same, and never kept for those who get something else.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FeedFrame, TopicKey } from '../../../../core/catalog/feed.ts'
import { decodeFromServer, topicText } from '../../../../runtime/rpc/feed-messages.ts'
import { FeedEncoder, SNAPSHOT_BYTES_MAX } from '../../../../server/feeds/feed-encoder.ts'

const WEB: TopicKey = { topic: 'config', key: 'web' }
const DB: TopicKey = { topic: 'config', key: 'db' }

function delta(index: number): FeedFrame {
  return { kind: 'delta', index, after: index - 1, upserts: [], deletes: [`x${index}`] }
}

function snapshot(index: number, name: string): FeedFrame {
  return { kind: 'snapshot', index, items: [{ id: name, value: { kind: 'k', name } as never }] }
}

function encode(encoder: FeedEncoder, topic: TopicKey, frame: FeedFrame, epoch = 'c/1'): Buffer {
  const bytes = encoder.encode(topicText(topic), topic, frame, epoch)
  assert.deepEqual(decodeFromServer(bytes), { kind: 'frame', topic, epoch, frame })
  return bytes
}

test('a delta is encoded once for each spelling, also when others come in between', () => {
  const encoder = new FeedEncoder()
  const frame = delta(2)
  const first = encode(encoder, WEB, frame)
  const otherSpelling = { ...WEB, key: 'Web' }
  const second = encode(encoder, otherSpelling, frame)
  for (let index = 3; index < 10; index++) encode(encoder, WEB, delta(index))
  assert.equal(encode(encoder, WEB, frame), first)
  assert.equal(encode(encoder, otherSpelling, frame), second)
})

test('a delta that is long past is encoded anew, and is the same', () => {
  const encoder = new FeedEncoder()
  const frame = delta(2)
  const first = encode(encoder, WEB, frame)
  for (let index = 3; index < 100; index++) encode(encoder, WEB, delta(index))
  const again = encode(encoder, WEB, frame)
  assert.notEqual(again, first)
  assert.deepEqual(again, first)
})

test('snapshots of one topic at one index share their bytes; those of another index or epoch do not', () => {
  const encoder = new FeedEncoder()
  const first = encode(encoder, WEB, snapshot(7, 'a'))
  encode(encoder, DB, snapshot(7, 'b'))
  assert.equal(encode(encoder, WEB, snapshot(7, 'a')), first)
  // `encode` looks at what is in the bytes: of an older index they would be wrong.
  encode(encoder, WEB, snapshot(8, 'c'))
  encode(encoder, WEB, snapshot(8, 'c'), 'c/2')
  encode(encoder, WEB, snapshot(7, 'd'))
})

test('snapshots beyond the bound are not kept', () => {
  const encoder = new FeedEncoder()
  const large = snapshot(7, 'x'.repeat(SNAPSHOT_BYTES_MAX / 4))
  const of = (topic: TopicKey): Buffer => encoder.encode(topicText(topic), topic, large, 'c/1')
  const first = of(WEB)
  const other = of(DB)
  assert.ok(of(DB) !== other)
  assert.ok(of(WEB) === first)
})
