/**
 * /v1/operator/keyring over two real members that encrypt (http-api.md 20).
 */

import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { GossipKey } from '../../../../core/swim/gossip-key.ts'
import {
  addressOf,
  NEVER,
  NO_ENCRYPTION,
  type Pool,
  seesAlive,
  startPool,
  until,
} from '../members/pool-fixture.ts'
import { startAgent } from './running-agent.ts'

const PATH = '/v1/operator/keyring'

function key(fill: number): GossipKey {
  const made = GossipKey.fromBytes(new Uint8Array(32).fill(fill))
  assert.ok(made instanceof GossipKey)
  return made
}

async function startTwo(t: TestContext): Promise<readonly [Pool, Pool]> {
  const encryption = { ...NO_ENCRYPTION, key: key(1) }
  const a = await startPool(t, 'n1', { encryption })
  const b = await startPool(t, 'n2', { encryption })
  await b.join([addressOf(a)], NEVER)
  await Promise.all([a, b].map((pool) => until(pool, seesAlive('n1', 'n2'))))
  return [a, b]
}

test('shows and rotates the keys of all members', async (t) => {
  const [pool] = await startTwo(t)
  await using agent = await startAgent({}, { pool })
  const [one, two] = [key(1).text, key(2).text]
  const send = async (method: string, text: string): Promise<readonly [number, string]> => {
    const { status, text: answer } = await agent.send(method, PATH, { body: { Key: text } })
    return [status, answer]
  }
  const entry = { WAN: false, Datacenter: 'dc1', Segment: '', NumNodes: 2 }
  assert.deepEqual((await agent.get(`${PATH}?local-only=true&relay-factor=2`)).json(), [
    { ...entry, Keys: { [one]: 2 }, PrimaryKeys: { [one]: 2 } },
  ])
  assert.deepEqual(await send('POST', two), [200, ''])
  const [refusedStatus, refusedText] = await send('DELETE', one)
  assert.equal(refusedStatus, 500, refusedText)
  assert.match(refusedText, /^dc1 \(LAN\) error: 2\/2 nodes reported failure: n1: .*nothing was/)
  assert.deepEqual(await send('PUT', two), [200, ''])
  assert.deepEqual(await send('DELETE', one), [200, ''])
  assert.deepEqual((await agent.get(PATH)).json(), [
    { ...entry, Keys: { [two]: 2 }, PrimaryKeys: { [two]: 2 } },
  ])
  assert.deepEqual(agent.errors, [])
})

test('a member that does not answer is named', async (t) => {
  const [pool, other] = await startTwo(t)
  await using agent = await startAgent({}, { pool })
  await other.stop()
  const [found] = (await agent.get(PATH)).json() as [{ Messages: object; Error: string }]
  assert.deepEqual(Object.keys(found.Messages), ['n2'])
  assert.equal(found.Error, '1/2 nodes reported failure')
  const use = await agent.put(PATH, { Key: key(1).text })
  assert.deepEqual([use.status, /n2: .*ECONNREFUSED/.test(use.text)], [500, true], use.text)
})

test('refuses what it cannot understand, and a pool without keys', async (t) => {
  const pool = await startPool(t, 'n1')
  await using agent = await startAgent({}, { pool })
  const answers = [
    await agent.get(`${PATH}?relay-factor=x`),
    await agent.get(`${PATH}?relay-factor=6`),
    await agent.get(`${PATH}?local-only=perhaps`),
    await agent.send('POST', `${PATH}?local-only=true`, { body: { Key: key(1).text } }),
    await agent.put(PATH, { Key: 'x' }),
    await agent.put(PATH, { Key: 'c2hvcnQ=' }),
    await agent.put(PATH, '{'),
    await agent.get(PATH),
    await agent.put(PATH, { Key: key(1).text }),
  ]
  assert.deepEqual(
    answers.map(({ status }) => status),
    [400, 400, 400, 400, 400, 400, 400, 500, 500],
  )
  assert.match(answers[0]?.text ?? '', /^Error parsing relay factor: /)
  assert.match(answers[1]?.text ?? '', /^Invalid relay-factor: /)
  assert.match(answers[3]?.text ?? '', /^Invalid use of local-only: /)
  assert.match(answers[7]?.text ?? '', /keyring is empty/)
})
