/**
 * /v1/coordinate and `near`, over a real server (http-api.md 8, 18).
 */

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type Answer, type RunningAgent, startAgent } from './running-agent.ts'

let agent: RunningAgent

/** Seconds from n1, which is at the origin. */
const PLACES: Readonly<Record<string, number>> = { n1: 0, near: 0.01, middle: 0.02, far: 0.3 }

before(async () => {
  agent = await startAgent()
  for (const node of ['far', 'lost', 'near', 'middle']) {
    const isHere = node === 'middle'
    await agent.put('/v1/catalog/register', {
      Node: node,
      Address: isHere ? '127.0.0.1' : '10.1.0.1',
      Service: { Service: 'db' },
      Check: { CheckID: 'db', Name: 'db', ServiceID: 'db', Status: 'passing' },
    })
  }
  const start = await indexNow()
  for (const [node, x] of Object.entries(PLACES)) {
    const answer = await place({ Node: node, Coord: coordinate(x) })
    assert.equal(answer.status, 200, answer.text)
    assert.equal(answer.text, '')
  }
  for (let index = start; (await placed()).length < 4; ) {
    const answer = await agent.get(`/v1/coordinate/nodes?index=${index}`)
    index = Number(answer.headers['x-consul-index'])
  }
})

after(async () => {
  await agent[Symbol.asyncDispose]()
  assert.deepEqual(agent.errors, [])
})

function coordinate(x: number) {
  return { Vec: [x, 0, 0, 0, 0, 0, 0, 0], Error: 0.1, Adjustment: -0.0001, Height: 0.0005 }
}

function place(body: object): Promise<Answer> {
  return agent.put('/v1/coordinate/update', body)
}

async function indexNow(): Promise<number> {
  return Number((await agent.get('/v1/coordinate/nodes')).headers['x-consul-index'])
}

async function placed(): Promise<{ Node: string }[]> {
  return (await agent.get('/v1/coordinate/nodes')).json() as { Node: string }[]
}

async function order(path: string, headers = {}): Promise<readonly string[]> {
  const answer = await agent.get(path, headers)
  assert.equal(answer.status, 200, answer.text)
  const entries = answer.json() as { Node: string | { Node: string } }[]
  return entries.map(({ Node }) => (typeof Node === 'string' ? Node : Node.Node))
}

describe('coordinates', () => {
  it('of nodes are those that were said, with an index', async () => {
    const answer = await agent.get('/v1/coordinate/nodes')
    assert.deepEqual(
      answer.json(),
      ['far', 'middle', 'n1', 'near'].map((node) => ({
        Node: node,
        Segment: '',
        Coord: coordinate(PLACES[node] ?? 0),
      })),
    )
    assert.match(String(answer.headers['x-consul-index']), /^[1-9]/)
    assert.equal((await agent.get('/v1/coordinate/nodes?segment=other')).text, '[]')
  })

  it('of one node are a list, and none are 404 without a body', async () => {
    const one = await agent.get('/v1/coordinate/node/NEAR?stale')
    assert.deepEqual(one.json(), [{ Node: 'near', Segment: '', Coord: coordinate(0.01) }])
    for (const path of ['/v1/coordinate/node/lost', '/v1/coordinate/node/near?segment=x']) {
      const none = await agent.get(path)
      assert.equal(none.status, 404, path)
      assert.equal(none.text, '')
    }
    const missing = await agent.get('/v1/coordinate/node/')
    assert.deepEqual([missing.status, missing.text], [400, 'Missing node name'])
  })

  it('of datacenters are those of the servers', async () => {
    const answer = await agent.get('/v1/coordinate/datacenters')
    const Coordinates = [{ Node: 'n1', Segment: '', Coord: coordinate(0) }]
    assert.deepEqual(answer.json(), [{ Datacenter: 'dc1', AreaID: 'wan', Coordinates }])
  })

  it('that are none are refused in the words of the reference', async () => {
    const cases: readonly (readonly [string | object, number, RegExp])[] = [
      [
        { Node: 'near', Coord: { ...coordinate(0), Vec: [1, 2] } },
        500,
        /^incompatible coordinate$/,
      ],
      [
        JSON.stringify({ Node: 'near', Coord: coordinate(0) }).replace('0.1', '1e999'),
        500,
        /^invalid coordinate$/,
      ],
      [{ Node: 'near', Coord: { Vec: ['x'] } }, 400, /^Request decode failed: .*Vec/],
      [{ Coord: coordinate(0) }, 400, /^Missing node name$/],
      [{ Node: 'near' }, 400, /^Missing coordinate$/],
      ['{', 400, /^Request decode failed: /],
    ]
    for (const [body, status, text] of cases) {
      const answer = await agent.put('/v1/coordinate/update', body)
      assert.equal(answer.status, status, answer.text)
      assert.match(answer.text, text)
    }
  })

  it('are not there where they are switched off, and near finds no distances', async () => {
    await using off = await startAgent({ disableCoordinates: true })
    for (const path of ['datacenters', 'nodes', 'node/n1']) {
      const answer = await off.get(`/v1/coordinate/${path}`)
      assert.deepEqual([answer.status, answer.text], [401, 'Coordinate support disabled'])
    }
    assert.equal((await off.put('/v1/coordinate/update', {})).status, 401)
    assert.equal((await off.get('/v1/catalog/nodes?near=_agent')).status, 200)
  })
})

describe('near', () => {
  const byDistance = ['near', 'middle', 'far', 'lost']

  it('orders what catalog and health list', async () => {
    assert.deepEqual(await order('/v1/catalog/nodes?near=_agent'), ['n1', ...byDistance])
    for (const path of ['catalog/service/db', 'health/service/db', 'health/checks/db']) {
      assert.deepEqual(await order(`/v1/${path}?near=N1`), byDistance, path)
    }
    const checks = await order('/v1/health/state/any?near=far')
    assert.equal(checks[0], 'far')
    assert.deepEqual(await order('/v1/health/service/db?near=middle'), [
      'middle',
      'near',
      'far',
      'lost',
    ])
  })

  it('keeps the order where the node stands nowhere, but for the node itself', async () => {
    const plain = await order('/v1/catalog/service/db')
    assert.deepEqual(await order('/v1/catalog/service/db?near=nobody'), plain)
    const lost = await order('/v1/catalog/service/db?near=lost')
    assert.deepEqual(lost, ['lost', ...plain.filter((node) => node !== 'lost')])
  })

  it('of _ip is the node at the address of the client', async () => {
    const forwarded = { 'X-Forwarded-For': '10.9.9.9, 127.0.0.1' }
    const path = '/v1/health/service/db?near=_ip'
    assert.deepEqual(await order(path), ['middle', 'near', 'far', 'lost'])
    assert.deepEqual(await order(path, forwarded), await order('/v1/health/service/db'))
  })
})
