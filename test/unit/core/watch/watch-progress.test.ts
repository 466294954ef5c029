/**
 * How a watch goes on: what it asks, what of the answers is news, how long it waits after failures.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { compactJson } from '../../../../core/watch/compact-json.ts'
import { WatchProgress } from '../../../../core/watch/watch-progress.ts'
import { type WatchParameters, watchTarget } from '../../../../core/watch/watch-target.ts'

function progressOf(given: WatchParameters): WatchProgress {
  const result = watchTarget(given)
  assert.ok(result.ok)
  return new WatchProgress(result.target)
}

function answer(mark: string, body: string): { mark: string; isAbsent: boolean; body: string } {
  return { mark, isAbsent: false, body }
}

test('the same text under another index is no news', () => {
  const progress = progressOf({ type: 'nodes' })
  assert.deepEqual(progress.query, {})
  assert.deepEqual(progress.onAnswer(answer('7', '[ 1 ]')), { json: '[1]', mark: '7' })
  assert.deepEqual(progress.query, { index: '7' })
  assert.equal(progress.onAnswer(answer('7', '[1]')), null)
  assert.equal(progress.onAnswer(answer('9', '[1]')), null)
  assert.deepEqual(progress.onAnswer(answer('10', '[2]')), { json: '[2]', mark: '10' })
})

test('an index that goes back is not waited for', () => {
  const progress = progressOf({ type: 'nodes' })
  progress.onAnswer(answer('100', '[1]'))
  assert.deepEqual(progress.onAnswer(answer('20', '[2]')), { json: '[2]', mark: '20' })
  assert.deepEqual(progress.query, {})
  assert.equal(progress.onAnswer(answer('20', '[2]')), null)
  assert.deepEqual(progress.query, { index: '20' })
})

test('a key that is not there is null, keys that are not there an empty list', () => {
  const key = progressOf({ type: 'key', key: 'a' })
  const absent = { mark: '3', isAbsent: true, body: '' }
  assert.equal(key.onAnswer(absent)?.json, 'null')
  const entry = '{"Key":"a","Flags":18446744073709551615,"Value":"MQ=="}'
  assert.equal(key.onAnswer(answer('4', `[${entry}]`))?.json, entry, 'with all digits')
  assert.equal(progressOf({ type: 'keyprefix', prefix: 'a' }).onAnswer(absent)?.json, '[]')
})

test('each event is handed out once, though the index of events has no order', () => {
  const progress = progressOf({ type: 'event' })
  assert.equal(progress.onAnswer(answer('1', '[]'))?.json, '[]')
  assert.equal(
    progress.onAnswer(answer('9', '[{"ID":"a"},{"ID":"b"}]'))?.json,
    '[{"ID":"a"},{"ID":"b"}]',
  )
  assert.deepEqual(progress.query, { index: '9' })
  assert.equal(progress.onAnswer(answer('4', '[{"ID":"b"},{"ID":"c"}]'))?.json, '[{"ID":"c"}]')
  assert.deepEqual(progress.query, { index: '4' })
  assert.equal(progress.onAnswer(answer('4', '[{"ID":"b"},{"ID":"c"}]')), null)
  assert.equal(progress.onAnswer(answer('5', '[{"ID":"x"}]'))?.json, '[{"ID":"x"}]', 'a new agent')
})

test('a local service is recognised by its hash', () => {
  const progress = progressOf({ type: 'agent_service', service_id: 'w' })
  progress.onAnswer(answer('c0ffee', '{}'))
  assert.deepEqual(progress.query, { hash: 'c0ffee' })
  assert.equal(progress.onAnswer(answer('beef', '{"a":1}'))?.json, '{"a":1}')
})

test('failures are repeated ever more rarely, up to three minutes', () => {
  const progress = progressOf({ type: 'nodes' })
  const waits = Array.from({ length: 8 }, () => progress.onFailure())
  assert.deepEqual(waits, [5000, 20_000, 45_000, 80_000, 125_000, 180_000, 180_000, 180_000])
  progress.onAnswer(answer('1', '[]'))
  assert.equal(progress.onFailure(), 5000)
})

test('compact JSON is the same value without blanks', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      assert.equal(compactJson(JSON.stringify(value, undefined, 4)), JSON.stringify(value))
    }),
  )
})
