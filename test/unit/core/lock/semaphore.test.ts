/**
 * The record of a semaphore: never more holders than places, whatever contenders come, go and die.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  parseSemaphore,
  printSemaphore,
  type SemaphoreRecord,
  withHolder,
  withoutDead,
  withoutHolder,
} from '../../../../core/lock/semaphore.ts'

describe('the record of a semaphore', () => {
  it('is read and printed in the shared form', () => {
    const text = '{"Limit":3,"Holders":{"a":true,"b":true}}'
    const record = parseSemaphore(text)
    assert.deepEqual(record, { limit: 3, holders: new Set(['a', 'b']) })
    assert.equal(printSemaphore(record as SemaphoreRecord), text)
    assert.deepEqual(parseSemaphore('{"Limit":1,"Holders":null}')?.holders, new Set())
    assert.deepEqual(parseSemaphore('{"Limit":2}'), { limit: 2, holders: new Set() })
    assert.deepEqual(parseSemaphore('{"Limit":2,"Holders":{"a":false}}')?.holders, new Set())
  })

  it('is not read from anything else', () => {
    for (const text of [
      '',
      'x',
      '[]',
      'null',
      '{}',
      '{"Limit":0}',
      '{"Limit":1.5}',
      '{"Limit":"1"}',
    ]) {
      assert.equal(parseSemaphore(text), undefined, text)
    }
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        const record = parseSemaphore(text)
        assert.ok(record === undefined || record.limit >= 1)
      }),
    )
  })

  it('never has more holders than places', () => {
    const session = fc.constantFrom('a', 'b', 'c', 'd', 'e')
    const step = fc.oneof(
      fc.record({ kind: fc.constant('join' as const), session }),
      fc.record({ kind: fc.constant('leave' as const), session }),
      fc.record({ kind: fc.constant('die' as const), session }),
    )
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.array(step), (limit, steps) => {
        let record: SemaphoreRecord = { limit, holders: new Set() }
        for (const { kind, session: who } of steps) {
          const before = record.holders
          if (kind === 'join') {
            const next = withHolder(record, who)
            assert.equal(next === undefined, before.size === limit && !before.has(who))
            if (next !== undefined) assert.ok(next.holders.has(who))
            record = next ?? record
          } else if (kind === 'leave') {
            record = withoutHolder(record, who)
            assert.ok(!record.holders.has(who))
          } else {
            record = withoutDead(
              record,
              new Set(['a', 'b', 'c', 'd', 'e'].filter((s) => s !== who)),
            )
            assert.deepEqual(record.holders, new Set([...before].filter((held) => held !== who)))
          }
          assert.ok(record.holders.size <= limit)
        }
      }),
    )
  })
})
