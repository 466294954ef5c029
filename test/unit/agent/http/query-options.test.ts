/**
 * The parameters of reads: what they become, and their bounds (http-api.md 1.5, 4, 5, 6).
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { HttpCall } from '../../../../agent/http/call.ts'
import type { AgentContext } from '../../../../agent/http/context.ts'
import { parseQuery } from '../../../../agent/http/query.ts'
import {
  NODE_META_MAX,
  type ReadParameters,
  readOptions,
  readParameters,
} from '../../../../agent/http/query-options.ts'
import { FairleadError } from '../../../../core/errors.ts'

function call(
  query: string,
  headers: Readonly<Record<string, string>> = {},
  { discoveryMaxStaleMs = 0, path = '/v1/kv/a' } = {},
): HttpCall {
  const http = { queryTimeDefaultMs: 300_000, queryTimeMaxMs: 600_000, useCache: true }
  const config = { datacenter: 'dc1', devMode: false, discoveryMaxStaleMs, http }
  const agent = { config, local: { nodeName: 'n1' } }
  const parsed = parseQuery(query)
  assert.ok(parsed)
  // Only what parameters look at.
  const request = { method: 'GET', headers, url: '/' } as never
  const target = { url: `${path}?${query}`, suffix: '', query: parsed }
  return new HttpCall(agent as unknown as AgentContext, request, target)
}

function read(query: string, headers?: Readonly<Record<string, string>>): ReadParameters {
  return readParameters(call(query, headers))
}

describe('readParameters', () => {
  it('are the defaults without a query', () => {
    assert.deepEqual(read(''), {
      datacenter: undefined,
      consistency: 'default',
      minIndex: 0,
      waitMs: 0,
      maxStaleMs: undefined,
      cached: undefined,
      near: '',
      nodeMeta: undefined,
      filter: '',
      mergeCentral: false,
    })
  })

  it('are stale for catalog and health where the configuration allows it', () => {
    const modeOf = (query: string, path: string): readonly unknown[] => {
      const options = { discoveryMaxStaleMs: 5000, path }
      const { consistency, maxStaleMs } = readParameters(call(query, {}, options))
      return [consistency, maxStaleMs]
    }
    assert.deepEqual(modeOf('', '/v1/catalog/nodes'), ['stale', 5000])
    assert.deepEqual(modeOf('passing', '/v1/health/service/web'), ['stale', 5000])
    assert.deepEqual(modeOf('leader', '/v1/health/service/web'), ['default', undefined])
    assert.deepEqual(modeOf('consistent', '/v1/health/service/web'), ['consistent', undefined])
    assert.deepEqual(modeOf('stale', '/v1/health/service/web'), ['stale', undefined])
    assert.deepEqual(modeOf('', '/v1/kv/catalog'), ['default', undefined])
  })

  it('keep the wait within its bounds', () => {
    assert.equal(read('wait=60000ms').waitMs, 60_000)
    assert.equal(read('wait=1h').waitMs, 600_000)
    assert.equal(read('wait=0').waitMs, 300_000)
    assert.equal(read('wait=-5s').waitMs, 300_000)
  })

  it('take any unsigned index', () => {
    assert.equal(read('index=42').minIndex, 42)
    assert.equal(read('index=18446744073709551615').minIndex, Number.MAX_SAFE_INTEGER)
    assert.equal(read('index=').minIndex, 0)
  })

  it('prefer datacenter over dc, and leave the own one out', () => {
    assert.equal(read('dc=dc2').datacenter, 'dc2')
    assert.equal(read('dc=dc2&datacenter=dc3').datacenter, 'dc3')
    assert.equal(read('dc=dc1').datacenter, undefined)
  })

  it('read consistency by presence', () => {
    assert.equal(read('stale=').consistency, 'stale')
    assert.equal(read('stale=false').consistency, 'stale')
    assert.equal(read('consistent').consistency, 'consistent')
    const bounded = read('max_stale=3s')
    assert.deepEqual([bounded.consistency, bounded.maxStaleMs], ['stale', 3000])
    const unbounded = read('max_stale=0')
    assert.deepEqual([unbounded.consistency, unbounded.maxStaleMs], ['default', undefined])
  })

  it('resolve near and metadata', () => {
    assert.equal(read('near=_agent').near, 'n1')
    assert.equal(read('near=other').near, 'other')
    const { nodeMeta } = read('node-meta=a:b:c&node-meta=d')
    assert.deepEqual(nodeMeta, { a: 'b:c', d: '' })
    const many = Array(NODE_META_MAX + 1)
      .fill('node-meta=a:b')
      .join('&')
    assert.throws(() => read(many), FairleadError)
  })

  it('read Cache-Control only with cached, and leave unknown directives alone', () => {
    assert.equal(read('stale', { 'cache-control': 'max-age=x' }).cached, undefined)
    assert.deepEqual(
      read('cached', {
        'cache-control': 'no-cache, Max-Age=5,stale-if-error=60 , must-revalidate',
      }).cached,
      { mustRevalidate: true, maxAgeMs: 5000, staleIfErrorMs: 60_000 },
    )
  })
})

describe('readOptions', () => {
  it('carry a signal only where the read may wait', () => {
    const plain = call('stale')
    assert.deepEqual(readOptions(plain, readParameters(plain)), { consistency: 'stale' })
    const blocking = call('index=7&wait=5s&dc=dc2')
    const options = readOptions(blocking, readParameters(blocking))
    assert.equal(options.minIndex, 7)
    assert.equal(options.waitMs, 5000)
    assert.equal(options.datacenter, 'dc2')
    assert.equal(options.signal?.aborted, false)
    blocking.abort(new Error('gone'))
    assert.equal(options.signal?.aborted, true)
  })
})

describe('the token of a request', () => {
  it('comes from the query, else the header, else the bearer', () => {
    const headers = { 'x-consul-token': 'h', authorization: 'bearer  b' }
    assert.equal(call('token=q', headers).token(), 'q')
    assert.equal(call('', headers).token(), 'h')
    assert.equal(call('', { authorization: 'BEARER b' }).token(), 'b')
    assert.equal(call('', { authorization: 'Basic b' }).token(), '')
  })
})
