/**
 * The loop of a watch against an API that answers by a script: when it asks again, and how it ends.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { API_FLAGS, ApiClient } from '../../../cli/api-client.ts'
import { parseGoFlags } from '../../../cli/go-flags.ts'
import { followWatch } from '../../../cli/watch/watch-loop.ts'
import { type WatchParameters, watchTarget } from '../../../core/watch/watch-target.ts'
import { systemClock } from '../../../runtime/clock/system-clock.ts'

type Answer = (response: ServerResponse) => void

interface Followed {
  readonly asked: readonly string[]
  readonly news: readonly string[]
  readonly slept: readonly number[]
  readonly failures: readonly string[]
}

/** Follows until the script is at its end; time passes at once. */
async function follow(
  t: TestContext,
  given: WatchParameters,
  script: readonly Answer[],
): Promise<Followed> {
  const asked: string[] = []
  const news: string[] = []
  const slept: number[] = []
  const failures: string[] = []
  const ending = new AbortController()
  const over = new Error('the script is at its end')
  const server = createServer((request, response) => {
    const answer = script[asked.length]
    asked.push(request.url ?? '')
    if (answer === undefined) ending.abort(over)
    else answer(response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const target = watchTarget(given)
  assert.ok(target.ok)
  const following = followWatch(target.target, {
    client: new ApiClient(parseGoFlags([`-http-addr=${address}`], API_FLAGS).args, { env: {} }),
    clock: { ...systemClock, sleep: async (ms) => void slept.push(ms) },
    signal: ending.signal,
    onNews: async ({ json, mark }) => void news.push(`${mark} ${json}`),
    onFailure: (error) => void failures.push(error.message),
  })
  await assert.rejects(following, (thrown) => thrown === over)
  return { asked: asked.slice(0, script.length), news, slept, failures }
}

function says(index: string, body: string): Answer {
  return (response) => response.setHeader('X-Consul-Index', index).end(body)
}

const fails: Answer = (response) => response.writeHead(500).end('No cluster leader')
const isNotThere: Answer = (response) => response.writeHead(404).end('unknown service')

test('it asks with the index of the last answer, and hands out what differs', async (t) => {
  const script = [says('5', '["a"]'), says('7', '["a"]'), says('9', '["b"]')]
  const { asked, news } = await follow(t, { type: 'nodes' }, script)
  assert.deepEqual(asked, [
    '/v1/catalog/nodes',
    '/v1/catalog/nodes?index=5',
    '/v1/catalog/nodes?index=7',
  ])
  assert.deepEqual(news, ['5 ["a"]', '9 ["b"]'])
})

test('failures are told and repeated ever more rarely', async (t) => {
  const { slept, failures, news } = await follow(t, { type: 'nodes' }, [
    fails,
    fails,
    says('5', '[]'),
  ])
  assert.deepEqual(slept, [5000, 20_000])
  assert.match(failures[0] ?? '', /500 \(No cluster leader\)/)
  assert.deepEqual(news, ['5 []'])
})

test('where there is nothing to wait by it looks again after a while', async (t) => {
  const given = { type: 'agent_service', service_id: 'web' }
  const { slept, news } = await follow(t, given, [isNotThere, isNotThere])
  assert.deepEqual(slept, [5000, 5000])
  assert.deepEqual(news, [' null'])
})
