/**
 * /v1/query over a real server: definitions, their errors, execution and what a template makes of a name.
 */

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type Answer, type RunningAgent, startAgent } from './running-agent.ts'

let agent: RunningAgent

before(async () => {
  agent = await startAgent()
  for (const [node, status, tags, rack] of [
    ['a', 'passing', ['v1'], 'r1'],
    ['b', 'warning', ['v1', 'Canary'], 'r2'],
    ['c', 'critical', ['v1'], 'r1'],
  ] as const) {
    const registered = await agent.put('/v1/catalog/register', {
      Node: node,
      Address: `10.0.0.${node.charCodeAt(0)}`,
      NodeMeta: { rack },
      Service: { Service: 'web', Tags: tags, Port: 80, Meta: { owner: node } },
      Check: { CheckID: 'c', Name: 'c', ServiceID: 'web', Status: status },
    })
    assert.equal(registered.text, 'true')
  }
})
after(async () => {
  await agent[Symbol.asyncDispose]()
})

async function create(definition: object): Promise<string> {
  const made = await agent.send('POST', '/v1/query', { body: definition })
  assert.equal(made.status, 200, made.text)
  return (made.json() as { readonly ID: string }).ID
}

async function refused(definition: object | string): Promise<string> {
  const made = await agent.send('POST', '/v1/query', { body: definition })
  return `${made.status} ${made.text}`
}

interface Executed {
  readonly Service: string
  readonly Nodes: readonly { readonly Node: { readonly Node: string } }[]
  readonly DNS: { readonly TTL: string }
  readonly Datacenter: string
  readonly Failovers: number
}

async function executed(path: string): Promise<Executed> {
  const answer = await agent.get(path)
  assert.equal(answer.status, 200, answer.text)
  return answer.json() as Executed
}

async function nodesOf(path: string): Promise<readonly string[]> {
  return (await executed(path)).Nodes.map(({ Node }) => Node.Node)
}

function header(answer: Answer, name: string): unknown {
  return answer.headers[name.toLowerCase()]
}

describe('definitions', () => {
  it('are shown as given, with null for what was left out', async () => {
    const id = await create({
      name: 'Shown',
      Token: 'secret',
      Service: { service: 'web', Tags: ['v1'], OnlyPassing: true, Failover: { NearestN: 2 } },
      DNS: { TTL: '10s' },
    })
    const shown = await agent.get(`/v1/query/${id}`)
    assert.match(
      shown.text,
      /^\[\{"ID":"[0-9a-f-]{36}","Name":"Shown","Session":"","Token":"secret"/,
    )
    const [{ CreateIndex, ModifyIndex, ...query }] = shown.json() as [Record<string, unknown>]
    assert.equal(CreateIndex, ModifyIndex)
    assert.deepEqual(query, {
      ID: id,
      Name: 'Shown',
      Session: '',
      Token: 'secret',
      Template: { Type: '', Regexp: '', RemoveEmptyTags: false },
      Service: {
        Service: 'web',
        SamenessGroup: '',
        Failover: { NearestN: 2, Datacenters: null, Targets: null },
        OnlyPassing: true,
        IgnoreCheckIDs: null,
        Near: '',
        Tags: ['v1'],
        NodeMeta: null,
        ServiceMeta: null,
        Connect: false,
        Peer: '',
      },
      DNS: { TTL: '10s' },
    })
    const all = await agent.get('/v1/query')
    assert.deepEqual(all.json(), shown.json())
    assert.equal(header(all, 'X-Consul-Index'), String(ModifyIndex))

    // What was read may be written back.
    const written = await agent.put(`/v1/query/${id}`, JSON.stringify({ ...query, CreateIndex }))
    assert.deepEqual([written.status, written.text], [200, ''])
    assert.deepEqual((await agent.get(`/v1/query/${id}`)).json(), shown.json())

    const gone = await agent.send('DELETE', `/v1/query/${id}`)
    assert.deepEqual([gone.status, gone.text], [200, ''])
    assert.equal((await agent.get('/v1/query')).text, '[]')
  })

  it('block until something changes', async () => {
    const index = String(header(await agent.get('/v1/query'), 'X-Consul-Index'))
    const waiting = agent.get(`/v1/query?index=${index}&wait=60s`)
    const id = await create({ Name: 'wakes', Service: { Service: 'web' } })
    assert.match((await waiting).text, new RegExp(id))
    await agent.send('DELETE', `/v1/query/${id}`)
  })

  it('are refused with the text of the reference', async () => {
    const service = { Service: 'web' }
    const invalid = '500 Invalid prepared query: '
    for (const [definition, text] of [
      [{ ID: 'x', Name: 'n' }, '500 ID must be empty when creating a new prepared query'],
      [{ Service: service }, `${invalid}Must be bound to a session`],
      [{ Name: 'n' }, `${invalid}Must provide a Service name to query`],
      [{ Name: 'n', Service: service, Session: 'nope' }, '500 invalid session "nope"'],
      [
        { Name: 'n', Service: { ...service, Failover: { NearestN: -1 } } },
        `${invalid}Bad NearestN '-1', must be >= 0`,
      ],
      [
        { Name: 'n', Service: service, DNS: { TTL: 'x' } },
        `${invalid}Bad DNS TTL 'x': time: invalid duration "x"`,
      ],
      [
        { Name: 'n', Service: service, Template: { Type: 'nope' } },
        "500 failed compiling template: Bad Template.Type 'nope'",
      ],
      [
        { Name: 'n', Service: service, Nope: 1 },
        '400 Request decode failed: json: unknown field "Nope"',
      ],
      ['', '400 Request decode failed: EOF'],
      [
        { Name: 'n', Service: { ...service, SamenessGroup: 'g' } },
        '400 Invalid prepared query: Service.SamenessGroup - Sameness groups are a Consul Enterprise feature',
      ],
      [
        { Name: 'n', Service: { ...service, Peer: 'east' } },
        '501 Invalid prepared query: Service.Peer: cluster peering is not supported by this version of Fairlead',
      ],
    ] as const) {
      assert.equal(await refused(definition), text)
    }
    const id = await create({ Name: 'taken', Service: service })
    assert.equal(
      await refused({ Name: 'TAKEN', Service: service }),
      "500 name 'TAKEN' aliases an existing query name",
    )
    assert.equal(
      await refused({ Name: id, Service: service }),
      `500 name '${id}' aliases an existing query ID`,
    )
    await agent.send('DELETE', `/v1/query/${id}`)
  })

  it('that are not there cannot be changed, shown or executed', async () => {
    const body = { Name: 'n', Service: { Service: 'web' } }
    for (const [method, path, status, text] of [
      ['PUT', '/v1/query/nope', 500, "Cannot modify non-existent prepared query: 'nope'"],
      ['DELETE', '/v1/query/nope', 500, "Cannot modify non-existent prepared query: 'nope'"],
      ['GET', '/v1/query/nope', 404, 'Query not found'],
      ['GET', '/v1/query/nope/execute', 404, 'Query not found'],
      ['GET', '/v1/query/nope/explain', 404, 'Query not found'],
    ] as const) {
      const answer = await agent.send(method, path, method === 'PUT' ? { body } : {})
      assert.deepEqual([answer.status, answer.text], [status, text], `${method} ${path}`)
    }
  })

  it('know their methods', async () => {
    for (const [method, path, allow] of [
      ['PUT', '/v1/query', 'OPTIONS,GET,POST'],
      ['POST', '/v1/query/x', 'OPTIONS,GET,PUT,DELETE'],
      ['PUT', '/v1/query/x/execute', 'OPTIONS,GET'],
      ['DELETE', '/v1/query/x/explain', 'OPTIONS,GET'],
    ] as const) {
      const answer = await agent.send(method, path)
      assert.deepEqual([answer.status, header(answer, 'Allow')], [405, allow], path)
      const options = await agent.send('OPTIONS', path)
      assert.deepEqual([options.status, header(options, 'Allow')], [200, allow], path)
    }
  })

  it('go away with their session', async () => {
    const session = (await agent.put('/v1/session/create', { Node: 'a', NodeChecks: [] })).json()
    const { ID } = session as { readonly ID: string }
    const id = await create({ Session: ID, Service: { Service: 'web' } })
    assert.equal((await agent.get(`/v1/query/${id}`)).status, 200)
    await agent.put(`/v1/session/destroy/${ID}`)
    assert.equal((await agent.get(`/v1/query/${id}`)).status, 404)
  })
})

describe('an execution', () => {
  let id: string
  before(async () => {
    id = await create({
      Name: 'exec',
      Service: { Service: 'web', Failover: { NearestN: 1, Datacenters: ['dc9', 'dc1'] } },
      DNS: { TTL: '7s' },
    })
  })
  after(async () => {
    await agent.send('DELETE', `/v1/query/${id}`)
  })

  it('gives healthy instances with where they are from', async () => {
    const answer = await agent.get('/v1/query/EXEC/execute')
    const { Nodes, ...rest } = answer.json() as Executed
    assert.deepEqual(rest, {
      Service: 'web',
      DNS: { TTL: '7s' },
      Datacenter: 'dc1',
      PeerName: '',
      Failovers: 0,
      Index: 0,
      LastContact: 0,
      KnownLeader: true,
      ConsistencyLevel: 'leader',
      NotModified: false,
      Backend: 0,
      ResultsFilteredByACLs: false,
    })
    assert.deepEqual(Nodes.map(({ Node }) => Node.Node).toSorted(), ['a', 'b'])
    assert.deepEqual(Object.keys(Nodes[0] ?? {}), ['Node', 'Service', 'Checks'])
    assert.equal(header(answer, 'X-Consul-Effective-Consistency'), 'leader')
    assert.deepEqual((await nodesOf(`/v1/query/${id}/execute`)).toSorted(), ['a', 'b'])
    const stale = await executed(`/v1/query/${id}/execute?stale`)
    assert.equal((stale as unknown as { ConsistencyLevel: string }).ConsistencyLevel, 'stale')
  })

  it('is in random order, and nearest first where asked', async () => {
    const firsts = new Set<string | undefined>()
    for (let i = 0; i < 64 && firsts.size < 2; i++) {
      firsts.add((await nodesOf('/v1/query/exec/execute'))[0])
    }
    assert.equal(firsts.size, 2)
    for (let i = 0; i < 8; i++) {
      assert.equal((await nodesOf('/v1/query/exec/execute?near=B'))[0], 'b')
    }
    const near = await create({ Name: 'near', Service: { Service: 'web', Near: 'b' } })
    for (let i = 0; i < 8; i++) {
      assert.equal((await nodesOf('/v1/query/near/execute'))[0], 'b')
      assert.equal((await nodesOf('/v1/query/near/execute?near=a'))[0], 'a')
    }
    const byAddress = { headers: { 'X-Forwarded-For': '10.0.0.97' } }
    for (let i = 0; i < 8; i++) {
      const answer = await agent.send('GET', '/v1/query/near/execute?near=_ip', byAddress)
      assert.equal((answer.json() as Executed).Nodes[0]?.Node.Node, 'a')
    }
    await agent.send('DELETE', `/v1/query/${near}`)
  })

  it('is cut to a limit', async () => {
    assert.equal((await nodesOf('/v1/query/exec/execute?limit=1')).length, 1)
    assert.equal((await nodesOf('/v1/query/exec/execute?limit=0')).length, 2)
    for (const [query, text] of [
      ['limit=x', 'Bad limit: strconv.Atoi: parsing "x": invalid syntax'],
      [
        'limit=99999999999999999999',
        'Bad limit: strconv.Atoi: parsing "99999999999999999999": value out of range',
      ],
      [
        'connect=x',
        `Error parsing 'connect' value: strconv.ParseBool: parsing "x": invalid syntax`,
      ],
    ] as const) {
      const answer = await agent.get(`/v1/query/exec/execute?${query}`)
      assert.deepEqual([answer.status, answer.text], [500, text])
    }
    assert.deepEqual(await nodesOf('/v1/query/exec/execute?connect=true'), [])
  })

  it('passes over datacenters that nobody knows, and answers with none', async () => {
    const none = await create({
      Name: 'none',
      Service: { Service: 'ghost', Failover: { Datacenters: ['dc9', 'dc8'] } },
    })
    const answer = await executed('/v1/query/none/execute')
    assert.deepEqual([answer.Nodes, answer.Failovers, answer.Datacenter], [[], 0, 'dc1'])
    await agent.send('DELETE', `/v1/query/${none}`)
    const targets = await create({
      Name: 'targets',
      Service: {
        Service: 'ghost',
        Failover: { Targets: [{ Peer: 'east' }, { Datacenter: 'dc2' }] },
      },
    })
    assert.deepEqual((await executed('/v1/query/targets/execute')).Nodes, [])
    const [kept] = (await agent.get(`/v1/query/${targets}`)).json() as [
      { readonly Service: { readonly Failover: unknown } },
    ]
    assert.deepEqual(kept.Service.Failover, {
      NearestN: 0,
      Datacenters: null,
      Targets: [
        { Peer: 'east', Datacenter: '' },
        { Peer: '', Datacenter: 'dc2' },
      ],
    })
    await agent.send('DELETE', `/v1/query/${targets}`)
    const elsewhere = await agent.get('/v1/query/exec/execute?dc=dc9')
    assert.deepEqual([elsewhere.status, elsewhere.text], [500, 'No path to datacenter'])
  })

  it('comes from the cache where asked', async () => {
    const path = '/v1/query/exec/execute?cached'
    assert.equal(header(await agent.get(path), 'X-Cache'), 'MISS')
    const hit = await agent.get(path)
    assert.equal(header(hit, 'X-Cache'), 'HIT')
    assert.match(String(header(hit, 'Age')), /^\d+$/)
    const fresh = await agent.get(path, { 'Cache-Control': 'must-revalidate' })
    assert.equal(header(fresh, 'X-Cache'), 'MISS')
  })
})

describe('a template', () => {
  it('makes a query of a name, as explain shows', async () => {
    const id = await create({
      Name: 'by-',
      Template: { Type: 'name_prefix_match', Regexp: '^by-([a-z]+)-?(.*)$', RemoveEmptyTags: true },
      Service: { Service: '${match(1)}', Tags: ['${match(2)}'] },
    })
    assert.deepEqual(await nodesOf('/v1/query/by-web-canary/execute'), ['b'])
    assert.deepEqual((await nodesOf('/v1/query/by-web/execute')).toSorted(), ['a', 'b'])
    assert.deepEqual(await nodesOf('/v1/query/by-web-none/execute'), [])
    const explained = (await agent.get('/v1/query/by-web-canary/explain')).json() as {
      readonly Query: { readonly ID: string; readonly Service: Record<string, unknown> }
      readonly KnownLeader: boolean
    }
    assert.equal(explained.Query.ID, id)
    assert.deepEqual(explained.Query.Service['Tags'], ['canary'])
    assert.equal(explained.Query.Service['Service'], 'web')
    assert.equal(explained.KnownLeader, true)
    const byId = await agent.get(`/v1/query/${id}/execute`)
    assert.deepEqual(
      [byId.status, byId.text],
      [500, 'prepared query templates can only be resolved up by name, not by ID'],
    )
    await agent.send('DELETE', `/v1/query/${id}`)
  })
})
