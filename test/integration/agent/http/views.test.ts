/**
 * Health of services on a client agent: out of its views while servers feed them, and when none can be reached.
 */

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { FeedPosition, TopicKey } from '../../../../core/catalog/feed.ts'
import { FairleadError } from '../../../../core/errors.ts'
import type { ServerApi } from '../../../../core/rpc/server-api.ts'
import { type RunningAgent, startAgent } from './running-agent.ts'

/** The servers as the agent reaches them, or not. */
class Reach {
  isCut = false
  readonly followed: string[] = []
  readonly asked: string[] = []

  readonly watch = (servers: ServerApi): ServerApi =>
    new Proxy(servers, {
      get: (target, name) => {
        if (name === 'subscribe') {
          return (topic: TopicKey, from?: FeedPosition) => {
            this.followed.push(`${topic.topic} ${topic.key}`)
            return target.subscribe(topic, from)
          }
        }
        if (name === 'read') {
          return async (...args: Parameters<ServerApi['read']>) => {
            if (this.isCut) throw new FairleadError('NO_SERVERS', 'No known Consul servers')
            this.asked.push(args[0])
            return target.read(...args)
          }
        }
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
}

const reach = new Reach()
let agent: RunningAgent

before(async () => {
  agent = await startAgent({}, { watchServers: reach.watch, isClient: true })
})

after(async () => {
  await agent[Symbol.asyncDispose]()
  assert.deepEqual(agent.errors, [])
})

async function register(service: string, node: string): Promise<void> {
  const answer = await agent.put('/v1/catalog/register', {
    Node: node,
    Address: '10.0.0.1',
    Service: { Service: service, ID: service, Port: 80, Tags: [node] },
  })
  assert.equal(answer.text, 'true')
}

function nodes(answer: { json(): unknown }): readonly string[] {
  return (answer.json() as readonly { Node: { Node: string } }[]).map(({ Node }) => Node.Node)
}

describe('health of a service on a client agent', () => {
  it('costs one subscription for any number of watchers, who all hear of a change', async () => {
    await register('web', 'b')
    const first = await agent.get('/v1/health/service/web?cached')
    const index = first.headers['x-consul-index']
    const watchers = Array.from({ length: 8 }, (_, i) =>
      agent.get(`/v1/health/service/${i % 2 === 0 ? 'web' : 'WEB'}?index=${index}&wait=60s`),
    )
    await register('web', 'a')
    for (const answer of await Promise.all(watchers)) {
      assert.deepEqual(nodes(answer), ['a', 'b'])
      assert.equal(answer.headers['x-consul-query-backend'], 'streaming')
      assert.equal(answer.headers['x-consul-knownleader'], 'true')
      assert.ok(Number(answer.headers['x-consul-index']) > Number(index))
    }
    assert.deepEqual(
      reach.followed.filter((topic) => topic === 'health web'),
      ['health web'],
    )
    assert.ok(!reach.asked.includes('health.service'), 'no server was asked')
  })

  it('narrows by tag and health, and says what it is', async () => {
    const answer = await agent.get('/v1/health/service/web?cached&passing&tag=b')
    assert.deepEqual(nodes(answer), ['b'])
    assert.equal(answer.headers['x-cache'], 'HIT')
    assert.equal(answer.headers['age'], '0')
    assert.equal((await agent.get('/v1/health/service/other?cached')).headers['x-cache'], 'MISS')
    assert.deepEqual(nodes(await agent.get('/v1/health/connect/web?cached')), [])
  })

  it('waits no longer than asked', async () => {
    const { headers } = await agent.get('/v1/health/service/web?cached')
    const index = headers['x-consul-index']
    const answer = await agent.get(`/v1/health/service/web?index=${index}&wait=20ms`)
    assert.equal(answer.headers['x-consul-index'], index)
    assert.equal(answer.status, 200)
  })

  it('asks the servers where their word is wanted', async () => {
    const asks = async (
      path: string,
      headers = {},
      also: readonly string[] = [],
    ): Promise<void> => {
      reach.asked.length = 0
      assert.deepEqual(nodes(await agent.get(path, headers)), ['a', 'b'])
      assert.deepEqual(reach.asked, ['health.service', ...also], path)
    }
    await asks('/v1/health/service/web')
    await asks('/v1/health/service/web?consistent')
    await asks('/v1/health/service/web?cached', { 'cache-control': 'must-revalidate' })
    await asks('/v1/health/service/web?near=_agent&index=1', {}, ['coordinate.some'])
  })

  it('answers from what it knows when no server can be reached, and says so', async () => {
    await agent.get('/v1/health/service/web')
    reach.isCut = true
    try {
      const answer = await agent.get('/v1/health/service/web')
      assert.deepEqual(nodes(answer), ['a', 'b'])
      assert.equal(answer.headers['x-consul-knownleader'], 'false')
      assert.equal(answer.headers['x-consul-effective-consistency'], 'stale')
      assert.equal(answer.headers['x-cache'], 'HIT')
      assert.equal((await agent.get('/v1/health/service/web?consistent')).status, 500)
      assert.equal((await agent.get('/v1/catalog/nodes')).status, 500)
    } finally {
      reach.isCut = false
    }
  })
})
