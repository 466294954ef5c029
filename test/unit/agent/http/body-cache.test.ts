/**
 * Kept bodies: used only for the very same records.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { BodyCache, ENTRIES_MAX } from '../../../../agent/http/body-cache.ts'
import type { Layout } from '../../../../agent/http/call.ts'
import { areSameEntries } from '../../../../agent/http/wire/health-entry.ts'
import { check, node, service } from './wire/records.ts'

class Subject {
  readonly cache = new BodyCache()
  encoded = 0

  render(records: readonly object[], key = 'k', layout: Layout = 'compact') {
    return this.cache.render(key, layout, records, {
      isSame: (a, b) => a.length === b.length && a.every((record, i) => record === b[i]),
      encode: (items) => {
        this.encoded++
        return JSON.stringify(items)
      },
    })
  }
}

describe('a body', () => {
  it('is made once for the same records', () => {
    const subject = new Subject()
    const record = { a: 1 }
    const first = subject.render([record])
    assert.equal(subject.render([record]), first)
    assert.equal(subject.encoded, 1)
  })

  it('is made anew for equal but other records, layouts and keys', () => {
    const subject = new Subject()
    const record = { a: 1 }
    subject.render([record])
    subject.render([{ a: 1 }])
    assert.equal(subject.encoded, 2)
    assert.equal(
      subject.render([record], 'k', 'pretty').bytes.toString(),
      '[\n    {\n        "a": 1\n    }\n]\n',
    )
    assert.equal(subject.render([record], 'other').bytes.toString(), '[{"a":1}]')
    assert.equal(subject.encoded, 4)
  })

  it('is compressed once', async () => {
    const body = new Subject().render([{ a: 1 }])
    assert.equal(await body.gzipped(), await body.gzipped())
    assert.equal(gunzipSync(await body.gzipped()).toString(), '[{"a":1}]')
  })

  it('is dropped when too many others were used since', () => {
    const subject = new Subject()
    const records = [{ a: 1 }]
    subject.render(records, 'first')
    for (let i = 0; i < ENTRIES_MAX; i++) subject.render(records, String(i))
    const before = subject.encoded
    subject.render(records, 'first')
    assert.equal(subject.encoded, before + 1)
    subject.render(records, String(ENTRIES_MAX - 1))
    assert.equal(subject.encoded, before + 1)
  })

  it('is spared while it is in use, however many others come', () => {
    const subject = new Subject()
    const records = [{ a: 1 }]
    subject.render(records, 'hot')
    for (let i = 0; i < 3 * ENTRIES_MAX; i++) {
      subject.render(records, String(i))
      subject.render(records, 'hot')
    }
    assert.equal(subject.encoded, 3 * ENTRIES_MAX + 1)
  })

  it('over the size limit is not kept', () => {
    const subject = new Subject()
    const records = [{ a: 'x'.repeat(2 * 1024 * 1024) }]
    subject.render(records)
    subject.render(records)
    assert.equal(subject.encoded, 2)
  })
})

describe('health entries', () => {
  it('are the same only when every record in them is', () => {
    const entry = { node: node(), service: service(), checks: [check()] }
    assert.ok(areSameEntries([entry], [entry]))
    assert.ok(areSameEntries([entry], [{ ...entry, checks: [...entry.checks] }]))
    assert.ok(!areSameEntries([entry], []))
    assert.ok(!areSameEntries([entry], [{ ...entry, node: node() }]))
    assert.ok(!areSameEntries([entry], [{ ...entry, service: service() }]))
    assert.ok(!areSameEntries([entry], [{ ...entry, checks: [check()] }]))
    assert.ok(!areSameEntries([entry], [{ ...entry, checks: [] }]))
  })
})
