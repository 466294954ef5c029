/**
 * The cache behind `?cached`, with time under control.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  AgentCache,
  type CacheKind,
  type CacheQuery,
  ENTRIES_MAX,
  UNUSED_MAX_MS,
} from '../../../../agent/http/agent-cache.ts'
import type { CacheControl } from '../../../../agent/http/query-options.ts'
import { FairleadError } from '../../../../core/errors.ts'
import { unrecordedMetrics } from '../../../../core/metrics/metrics.ts'
import type { Consistency, ReadResult } from '../../../../core/rpc/server-api.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'

const ANY: CacheControl = {
  mustRevalidate: false,
  maxAgeMs: undefined,
  staleIfErrorMs: undefined,
}

class Subject {
  readonly clock = new ManualClock()
  readonly cache = new AgentCache({ clock: this.clock, metrics: unrecordedMetrics })
  readonly asked: Consistency[] = []
  keys: readonly string[] = ['one']
  failure: Error | undefined

  ask(
    kind: CacheKind,
    change: Partial<CacheControl> = {},
    more: Partial<CacheQuery<'kv.keys'>> = {},
  ) {
    return this.cache.read<'kv.keys'>({
      kind,
      key: 'k',
      control: { ...ANY, ...change },
      minIndex: 0,
      fetch: async (consistency): Promise<ReadResult<'kv.keys'>> => {
        this.asked.push(consistency)
        if (this.failure !== undefined) throw this.failure
        return { value: this.keys, index: 7, knownLeader: true, lastContactMs: 0 }
      },
      ...more,
    })
  }
}

describe('a refreshed entry', () => {
  it('is a miss first, then a hit with the latest value', async () => {
    const subject = new Subject()
    assert.equal((await subject.ask('refreshed')).isHit, false)
    subject.keys = ['two']
    subject.clock.advance(5000)
    const second = await subject.ask('refreshed')
    assert.deepEqual([second.isHit, second.ageMs, second.result.value], [true, 0, ['two']])
    assert.deepEqual(subject.asked, ['default', 'stale'])
  })

  it('is fetched from the leader where the client insists', async () => {
    const subject = new Subject()
    await subject.ask('refreshed')
    assert.equal((await subject.ask('refreshed', { mustRevalidate: true })).isHit, false)
    assert.deepEqual(subject.asked, ['default', 'default'])
  })

  it('stands in with its age while the servers fail, as long as the client allows', async () => {
    const subject = new Subject()
    await subject.ask('refreshed')
    subject.failure = new Error('no leader')
    subject.clock.advance(9000)
    const old = await subject.ask('refreshed')
    assert.deepEqual([old.isHit, old.ageMs, old.result.index], [true, 9000, 7])
    assert.equal((await subject.ask('refreshed', { maxAgeMs: 9000 })).ageMs, 9000)
    assert.equal((await subject.ask('refreshed', { staleIfErrorMs: 9000 })).ageMs, 9000)
    await assert.rejects(subject.ask('refreshed', { maxAgeMs: 8999 }), /no leader/)
    await assert.rejects(subject.ask('refreshed', { staleIfErrorMs: 8999 }), /no leader/)
    await assert.rejects(subject.ask('refreshed', { mustRevalidate: true }), /no leader/)
  })

  it('that does not exist does not hide a failure', async () => {
    const subject = new Subject()
    subject.failure = new Error('no leader')
    await assert.rejects(subject.ask('refreshed', { staleIfErrorMs: 1e9 }), /no leader/)
  })
})

describe('a kept entry', () => {
  it('is served as it is until it is older than the client allows', async () => {
    const subject = new Subject()
    assert.equal((await subject.ask('kept')).isHit, false)
    subject.keys = ['two']
    subject.clock.advance(60_000)
    const kept = await subject.ask('kept')
    assert.deepEqual([kept.isHit, kept.ageMs, kept.result.value], [true, 60_000, ['one']])
    assert.equal((await subject.ask('kept', { maxAgeMs: 60_000 })).isHit, true)
    assert.equal((await subject.ask('kept', { maxAgeMs: 59_999 })).isHit, false)
    assert.equal((await subject.ask('kept', { mustRevalidate: true })).isHit, false)
    assert.equal((await subject.ask('kept', {}, { minIndex: 3 })).isHit, false)
    assert.deepEqual(subject.asked, Array(4).fill('default'))
  })

  it('stands in for a failure only within stale-if-error', async () => {
    const subject = new Subject()
    await subject.ask('kept')
    subject.clock.advance(5000)
    subject.failure = new Error('no leader')
    const control = { mustRevalidate: true, staleIfErrorMs: 5000 }
    assert.equal((await subject.ask('kept', control)).isHit, true)
    await assert.rejects(subject.ask('kept', { mustRevalidate: true }), /no leader/)
  })
})

describe('rights', () => {
  const denied = new FairleadError('PERMISSION_DENIED', 'ACL not found')

  it('a refusal is no absence of the servers: it is told, and what was kept goes', async () => {
    for (const kind of ['refreshed', 'kept'] as const) {
      const subject = new Subject()
      await subject.ask(kind)
      subject.failure = denied
      const control = { staleIfErrorMs: 1e9, maxAgeMs: 0 }
      subject.clock.advance(1)
      await assert.rejects(subject.ask(kind, control), { message: 'ACL not found' })
      subject.failure = new Error('no leader')
      await assert.rejects(subject.ask(kind, control), /no leader/)
    }
  })

  it('an entry is served to no other rights than those it was read with', async () => {
    const subject = new Subject()
    const rights = { of: 'one policy' }
    await subject.ask('kept', {}, { rights })
    assert.equal((await subject.ask('kept', {}, { rights })).isHit, true)
    assert.equal((await subject.ask('kept', {}, { rights: { of: 'another' } })).isHit, false)
    subject.failure = new Error('no leader')
    const control = { staleIfErrorMs: 1e9 }
    await assert.rejects(subject.ask('refreshed', control, { rights }), /no leader/)
  })
})

describe('entries', () => {
  it('are forgotten without use', async () => {
    const subject = new Subject()
    await subject.ask('kept')
    subject.clock.advance(UNUSED_MAX_MS + 1)
    assert.equal((await subject.ask('kept')).isHit, false)
  })

  it('are bounded: the least recently used goes first', async () => {
    const subject = new Subject()
    await subject.ask('kept', {}, { key: 'first' })
    await subject.ask('kept', {}, { key: 'second' })
    await subject.ask('kept', {}, { key: 'first' })
    for (let i = 0; i < ENTRIES_MAX - 1; i++) await subject.ask('kept', {}, { key: String(i) })
    assert.equal((await subject.ask('kept', {}, { key: 'first' })).isHit, true)
    assert.equal((await subject.ask('kept', {}, { key: 'second' })).isHit, false)
  })
})
