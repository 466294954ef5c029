/**
 * /v1/event over two real members (http-api.md 15).
 */

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { OperatorEvents } from '../../../../agent/events/operator-events.ts'
import type { LocalStateApi } from '../../../../agent/local/types.ts'
import { silentLogger } from '../../../../core/log.ts'
import { newUuid } from '../../../../runtime/random/system-random.ts'
import {
  addressOf,
  NEVER,
  type Pool,
  seesAlive,
  startPool,
  until,
} from '../members/pool-fixture.ts'
import { type RunningAgent, startAgent } from './running-agent.ts'

interface EventAnswer {
  readonly ID: string
  readonly Name: string
  readonly Payload: string | null
  readonly LTime: number
}

/** The events of a member whose host has the services of a map from names to tags. */
async function eventsOf(
  t: TestContext,
  pool: Pool,
  services: Readonly<Record<string, readonly string[]>> = {},
): Promise<OperatorEvents> {
  const entries = Object.entries(services)
  const local = {
    nodeName: pool.self().name,
    services: () =>
      new Map(entries.map(([service, tags]) => [service, { service: { service, tags } }])),
  } as unknown as LocalStateApi
  const events = new OperatorEvents({ bus: pool, local, log: silentLogger, newId: newUuid })
  await events.start()
  t.after(() => events.stop())
  return events
}

async function startTwo(t: TestContext): Promise<readonly [Pool, Pool]> {
  const a = await startPool(t, 'n1')
  const b = await startPool(t, 'n2')
  await b.join([addressOf(a)], NEVER)
  await Promise.all([a, b].map((pool) => until(pool, seesAlive('n1', 'n2'))))
  return [a, b]
}

/** Blocks until the list differs from what `after` says, as clients do. */
async function listAfter(agent: RunningAgent, after: string, name = ''): Promise<EventAnswer[]> {
  const answer = await agent.get(`/v1/event/list?index=${after}&wait=60s&name=${name}`)
  assert.equal(answer.status, 200, answer.text)
  return answer.json() as EventAnswer[]
}

test('an event goes to every agent it is for, and wakes who waits for it', async (t) => {
  const [a, b] = await startTwo(t)
  await using one = await startAgent({}, { pool: a, events: await eventsOf(t, a) })
  const web = await eventsOf(t, b, { web: ['v2'] })
  await using two = await startAgent({}, { pool: b, events: web })

  const empty = await two.get('/v1/event/list')
  assert.deepEqual([empty.text, empty.headers['x-consul-index']], ['[]', '1'])
  const waiting = listAfter(two, '1')
  const fired = await one.put('/v1/event/fire/deploy?service=web&tag=v2', 'v1.2')
  assert.equal(fired.status, 200, fired.text)
  const event = fired.json() as EventAnswer
  assert.match(event.ID, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
  assert.equal(
    fired.text,
    `{"ID":"${event.ID}","Name":"deploy","Payload":"djEuMg==","NodeFilter":"","ServiceFilter":"web","TagFilter":"v2","Version":1,"LTime":0}`,
  )
  const [received] = await waiting
  assert.deepEqual(received, { ...event, LTime: 1 })
  assert.equal((await one.get('/v1/event/list')).text, '[]', 'that host has no such service')

  const list = await two.get('/v1/event/list')
  const digits = event.ID.replaceAll('-', '')
  const index = BigInt(`0x${digits.slice(0, 16)}`) ^ BigInt(`0x${digits.slice(16)}`)
  assert.equal(list.headers['x-consul-index'], String(index))
  const next = listAfter(two, String(index))
  const empties = (await one.put('/v1/event/fire/restart?node=n2')).json() as EventAnswer
  assert.equal(empties.Payload, null)
  assert.deepEqual(
    (await next).map(({ Name, LTime }) => [Name, LTime]),
    [
      ['deploy', 1],
      ['restart', 2],
    ],
  )
  const named = (await two.get('/v1/event/list?name=restart')).json() as EventAnswer[]
  assert.deepEqual(
    named.map(({ ID }) => ID),
    [empties.ID],
  )
  const self = (await two.get('/v1/agent/self')).json() as {
    Stats: { serf_lan: Record<string, string> }
  }
  assert.equal(self.Stats.serf_lan['event_time'], '3')
  assert.deepEqual([...one.errors, ...two.errors], [])
})

test('a blocked list returns when its wait is over, and on a call for other events', async (t) => {
  const pool = await startPool(t, 'n1')
  const events = await eventsOf(t, pool)
  await using agent = await startAgent({}, { pool, events })
  const unchanged = await agent.get('/v1/event/list?index=1&wait=1ms')
  assert.deepEqual([unchanged.text, unchanged.headers['x-consul-index']], ['[]', '1'])
  await agent.put('/v1/event/fire/other')
  const other = await agent.get('/v1/event/list?name=deploy&index=1&wait=1ms')
  assert.equal(other.text, '[]', 'an event of another name is none of these')
  assert.equal((await agent.get('/v1/event/list?index=x')).text, 'Invalid index')
})

test('what cannot be fired is refused with the reason', async (t) => {
  const pool = await startPool(t, 'n1')
  await using agent = await startAgent({}, { pool, events: await eventsOf(t, pool) })
  const refused = async (path: string, body = ''): Promise<readonly [number, string]> => {
    const { status, text } = await agent.put(path, body)
    return [status, text]
  }
  assert.deepEqual(await refused('/v1/event/fire/'), [400, 'Missing name'])
  assert.deepEqual(await refused('/v1/event/fire/x?tag=a'), [
    500,
    'Cannot provide tag filter without service filter',
  ])
  const [status, text] = await refused('/v1/event/fire/x?node=(')
  assert.equal(status, 500)
  assert.match(text, /^Invalid node filter: /)
  assert.deepEqual(await refused('/v1/event/fire/x?dc=dc9'), [500, 'No path to datacenter'])
  const [large, why] = await refused('/v1/event/fire/x', 'y'.repeat(500))
  assert.equal(large, 500)
  assert.match(why, /takes 534 bytes .* exceeds the configured limit of 512 bytes$/)
  assert.equal((await refused('/v1/event/fire/x', 'y'.repeat(478)))[0], 200)
  assert.equal((await agent.get('/v1/event/list')).text.length > 400, true)
})

test('the last 256 events are kept', async (t) => {
  const pool = await startPool(t, 'n1')
  const events = await eventsOf(t, pool)
  for (let i = 0; i < 300; i++) {
    const filters = { nodeFilter: '', serviceFilter: '', tagFilter: '' }
    events.fire({ name: `e${i}`, payload: new Uint8Array(0), ...filters })
  }
  const names = events.list('').map(({ name }) => name)
  assert.equal(names.length, 256)
  assert.deepEqual([names[0], names.at(-1)], ['e44', 'e299'])
})
