/**
 * Blocking reads over real HTTP: waking, expiry, hang-ups, drain (http-api.md 4).
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'
import type { ReadName, Reads } from '../../../../core/rpc/reads.ts'
import type { ReadOptions, ReadResult, ServerApi } from '../../../../core/rpc/server-api.ts'
import { instant } from '../../../../core/time.ts'
import { systemClock } from '../../../../runtime/clock/system-clock.ts'
import { type Answer, type RunningAgent, startAgent } from './running-agent.ts'

/** Lets a test know when a read has begun to block, and by which signal it can be woken. */
class BlockedReads {
  readonly signals: AbortSignal[] = []
  #next: ((signal: AbortSignal) => void) | undefined

  readonly watch = (servers: ServerApi): ServerApi => {
    const read = <N extends ReadName>(
      name: N,
      request: Reads[N]['request'],
      options: ReadOptions = {},
    ): Promise<ReadResult<N>> => {
      const result = servers.read(name, request, options)
      if (options.signal !== undefined) {
        this.signals.push(options.signal)
        this.#next?.(options.signal)
      }
      return result
    }
    return new Proxy(servers, {
      get: (target, name) => {
        if (name === 'read') return read
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }

  /** Resolves with the signal of the next read that may block. */
  next(): Promise<AbortSignal> {
    return new Promise((resolve) => {
      this.#next = resolve
    })
  }
}

const reads = new BlockedReads()
let agent: RunningAgent

before(async () => {
  agent = await startAgent({}, { watchServers: reads.watch })
})

after(async () => {
  await agent[Symbol.asyncDispose]()
  assert.deepEqual(agent.errors, [])
})

function indexOf(answer: Answer): number {
  return Number(answer.headers['x-consul-index'])
}

describe('a blocking read', () => {
  it('of a service returns when an instance changes, with a higher index', async () => {
    await agent.put('/v1/catalog/register', {
      Node: 'ext',
      Address: '10.0.0.1',
      Service: { Service: 'web', Port: 1 },
    })
    const now = await agent.get('/v1/health/service/web')
    const blocked = reads.next()
    const later = agent.get(`/v1/health/service/web?index=${indexOf(now)}&wait=60s`)
    await blocked
    await agent.put('/v1/catalog/register', { Node: 'other', Address: '10.0.0.2' })
    await agent.put('/v1/catalog/register', {
      Node: 'ext',
      Address: '10.0.0.1',
      Service: { Service: 'web', Port: 2 },
    })
    const changed = await later
    assert.ok(indexOf(changed) > indexOf(now))
    assert.match(changed.text, /"Port":2/)
    assert.equal(changed.headers['x-consul-query-backend'], 'streaming')
  })

  it('of a missing key waits until it exists', async () => {
    const missing = await agent.get('/v1/kv/later')
    assert.equal(missing.status, 404)
    const blocked = reads.next()
    const later = agent.get(`/v1/kv/later?index=${indexOf(missing)}&wait=60s`)
    await blocked
    await agent.put('/v1/kv/unrelated', 'x')
    await agent.put('/v1/kv/later', 'x')
    assert.equal((await later).status, 200)
  })

  it('returns what is, with an unchanged index, when the wait ends', async () => {
    const now = await agent.get('/v1/catalog/nodes')
    const later = await agent.get(`/v1/catalog/nodes?index=${indexOf(now)}&wait=1ms`)
    assert.equal(later.status, 200)
    assert.equal(indexOf(later), indexOf(now))
    assert.equal(later.text, now.text)
  })

  it('does not block on index 0 or on an index of the past', async () => {
    const now = await agent.get('/v1/catalog/nodes?index=0')
    assert.equal(now.status, 200)
    assert.equal((await agent.get('/v1/catalog/nodes?index=1&wait=60s')).text, now.text)
  })

  it('through the cache blocks too', async () => {
    const now = await agent.get('/v1/health/service/web?cached')
    const blocked = reads.next()
    const later = agent.get(`/v1/health/service/web?cached&index=${indexOf(now)}&wait=60s`)
    await blocked
    await agent.put('/v1/catalog/deregister', { Node: 'ext', ServiceID: 'web' })
    const changed = await later
    assert.equal(changed.text, '[]')
    assert.equal(changed.headers['x-cache'], 'HIT')
  })

  it('is given up when the client hangs up', async () => {
    const now = await agent.get('/v1/catalog/nodes')
    const blocked = reads.next()
    const client = new AbortController()
    const later = agent.send('GET', `/v1/catalog/nodes?index=${indexOf(now)}&wait=60s`, {
      signal: client.signal,
    })
    const signal = await blocked
    const aborted = once(signal, 'abort')
    client.abort()
    await assert.rejects(later, { name: 'AbortError' })
    await aborted
    assert.ok(signal.aborted)
  })
})

describe('a read blocking on a hash', () => {
  it('returns when the definition changes', async () => {
    const service = { Name: 'job', Port: 1 }
    await agent.put('/v1/agent/service/register', service)
    const now = await agent.get('/v1/agent/service/job')
    const hash = String(now.headers['x-consul-contenthash'])
    assert.equal((now.json() as { ContentHash: string }).ContentHash, hash)
    const same = await agent.get(`/v1/agent/service/job?hash=${hash}&wait=1ms`)
    assert.equal(same.text, now.text)
    const later = agent.get(`/v1/agent/service/job?hash=${hash}&wait=60s`)
    await agent.put('/v1/agent/service/register', { ...service, Port: 2 })
    const changed = await later
    assert.notEqual(changed.headers['x-consul-contenthash'], hash)
    assert.equal((changed.json() as { Port: number }).Port, 2)
  })

  it('is 404 when the service goes away, and answers at once for another hash', async () => {
    await agent.put('/v1/agent/service/register', { Name: 'gone' })
    const now = await agent.get('/v1/agent/service/gone?hash=other&wait=60s')
    const hash = String(now.headers['x-consul-contenthash'])
    const later = agent.get(`/v1/agent/service/gone?hash=${hash}&wait=60s`)
    await agent.put('/v1/agent/service/deregister/gone')
    const answer = await later
    assert.equal(answer.status, 404)
    assert.equal(answer.text, 'unknown service ID: gone')
  })
})

describe('drain', () => {
  it('ends blocked reads, closes the door, and then stop leaves nothing open', async () => {
    const blockedReads = new BlockedReads()
    await using other = await startAgent({}, { watchServers: blockedReads.watch })
    const now = await other.get('/v1/catalog/nodes')
    const blocked = blockedReads.next()
    const later = other.get(`/v1/catalog/nodes?index=${indexOf(now)}&wait=60s`)
    await blocked
    await other.api.drain(instant(systemClock.now() + 10_000))
    const answer = await later
    assert.equal(answer.status, 500)
    assert.equal(answer.text, 'The agent is shutting down')
    assert.equal(answer.headers['x-fairlead-error'], 'SHUTTING_DOWN')
    assert.equal(answer.headers['connection'], 'close')
    await assert.rejects(other.get('/v1/agent/version'), { code: 'ECONNREFUSED' })
    await other.api.stop()
    await other.api.stop()
  })
})
