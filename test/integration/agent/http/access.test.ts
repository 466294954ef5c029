/**
 * Who may ask what: blocked endpoints, writes from elsewhere, lengths of blocking queries and of headers.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { HttpConfig } from '../../../../core/config/model.ts'
import { parseIpNetwork } from '../../../../core/ip-network.ts'
import { serverConfig } from '../../server/running-server.ts'
import { type RunningAgent, startAgent } from './running-agent.ts'

const OPEN = serverConfig().http

function networks(...texts: readonly string[]): HttpConfig['writersFrom'] {
  return texts.flatMap((text) => parseIpNetwork(text) ?? [])
}

async function ask(agent: RunningAgent, method: string, path: string): Promise<readonly unknown[]> {
  const answer = await fetch(`http://127.0.0.1:${agent.port}${path}`, { method })
  return [answer.status, await answer.text()]
}

describe('block_endpoints', () => {
  it('keeps out what begins with one of them, however it is written', async () => {
    await using agent = await startAgent({
      http: { ...OPEN, blockedEndpoints: ['/v1/kv/secret', '/v1/agent/leave'] },
    })
    const blocked = [403, 'Endpoint is blocked by agent configuration']
    assert.deepEqual(await ask(agent, 'GET', '/v1/kv/secret/a'), blocked)
    assert.deepEqual(await ask(agent, 'PUT', '/v1/agent/leave'), blocked)
    assert.deepEqual(await ask(agent, 'GET', '/v1/kv/%73ecret/a'), blocked)
    // What a client may write otherwise is led to the same place first.
    assert.equal((await ask(agent, 'GET', '/v1/agent/self'))[0], 200)
    const detour = await fetch(`http://127.0.0.1:${agent.port}/v1//kv/secret/a`)
    assert.equal(detour.status, 403)
  })
})

describe('allow_write_http_from', () => {
  it('takes writes from the networks alone, and reads from everywhere', async () => {
    await using near = await startAgent({
      http: { ...OPEN, writersFrom: networks('10.0.0.0/8', '127.0.0.0/8') },
    })
    assert.deepEqual(await ask(near, 'PUT', '/v1/kv/a'), [200, 'true'])
    await using far = await startAgent({ http: { ...OPEN, writersFrom: networks('10.0.0.0/8') } })
    for (const method of ['PUT', 'DELETE', 'POST']) {
      assert.deepEqual(await ask(far, method, '/v1/kv/a'), [403, 'Access is restricted'], method)
    }
    assert.equal((await ask(far, 'GET', '/v1/agent/self'))[0], 200)
    assert.equal((await ask(far, 'OPTIONS', '/v1/kv/a'))[0], 200)
    // What a header says of the client is not believed.
    const forged = await fetch(`http://127.0.0.1:${far.port}/v1/kv/a`, {
      method: 'PUT',
      headers: { 'X-Forwarded-For': '10.1.1.1' },
    })
    assert.equal(forged.status, 403)
  })
})

describe('max_query_time and max_header_bytes', () => {
  it('bound a blocking query and a header', async () => {
    await using agent = await startAgent({
      http: { ...OPEN, queryTimeDefaultMs: 50, queryTimeMaxMs: 100, headerBytesMax: 2_048 },
    })
    const first = await fetch(`http://127.0.0.1:${agent.port}/v1/kv/nothing`)
    const index = first.headers.get('x-consul-index')
    // Both end long before the ten minutes that are the default.
    for (const wait of ['', '&wait=10m']) {
      const path = `/v1/kv/nothing?index=${index}${wait}`
      assert.equal((await ask(agent, 'GET', path))[0], 404)
    }
    assert.equal((await ask(agent, 'GET', `/v1/kv/${'x'.repeat(3_000)}`))[0], 431)
  })
})

describe('use_cache and disable_http_unprintable_char_filter', () => {
  it('decide whether ?cached is understood, and what a path may hold', async () => {
    await using agent = await startAgent({
      http: { ...OPEN, useCache: false, takesUnprintable: true },
    })
    const path = '/v1/connect/ca/roots?cached'
    const answer = await fetch(`http://127.0.0.1:${agent.port}${path}`)
    assert.deepEqual([answer.status, answer.headers.get('x-cache')], [200, null])
    assert.deepEqual(await ask(agent, 'PUT', '/v1/kv/bell%07'), [200, 'true'])
    assert.equal((await ask(agent, 'GET', '/v1/kv/bell%07'))[0], 200)
    await using usual = await startAgent({ http: OPEN })
    const cached = await fetch(`http://127.0.0.1:${usual.port}${path}`)
    assert.equal(cached.headers.get('x-cache'), 'MISS')
    assert.equal((await ask(usual, 'PUT', '/v1/kv/bell%07'))[0], 400)
  })
})
