/**
 * Bodies as Consul's Go client writes them: every field of its structures, with zero values for what the
 * caller left out. Each case was found by pointing that client at the program.
 */

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type RunningAgent, startAgent } from './running-agent.ts'

let agent: RunningAgent

before(async () => {
  agent = await startAgent()
})

after(async () => {
  await agent[Symbol.asyncDispose]()
  assert.deepEqual(agent.errors, [])
})

const ZERO_WEIGHTS = { Passing: 0, Warning: 0 }

describe('zero weights', () => {
  it('of a catalog registration mean the default', async () => {
    const answer = await agent.put('/v1/catalog/register', {
      Node: 'foo',
      Address: '10.0.0.1',
      Service: { Service: 'redis', Port: 8000, Weights: ZERO_WEIGHTS },
    })
    assert.equal(answer.text, 'true')
    const [found] = (await agent.get('/v1/catalog/service/redis')).json() as [Instance]
    assert.deepEqual(found.ServiceWeights, { Passing: 1, Warning: 1 })
  })

  it('of a transaction mean the default', async () => {
    const service = { ID: 'db', Service: 'db', Port: 1, Weights: ZERO_WEIGHTS }
    const answer = await agent.put('/v1/txn', [
      { Node: { Verb: 'set', Node: { Node: 'bar', Address: '10.0.0.2' } } },
      { Service: { Verb: 'set', Node: 'bar', Service: service } },
    ])
    assert.equal(answer.status, 200, answer.text)
    const [found] = (await agent.get('/v1/catalog/service/db')).json() as [Instance]
    assert.deepEqual(found.ServiceWeights, { Passing: 1, Warning: 1 })
  })
})

describe('weights that make no sense', () => {
  it('are refused, not replaced', async () => {
    for (const [weights, text] of [
      [{ Passing: 0, Warning: 1 }, 'Invalid Weights: Passing must be greater than 0'],
      [{ Passing: 1, Warning: -1 }, 'Invalid Weights: Warning must be greater or equal than 0'],
      [{ Passing: 65_536, Warning: 1 }, 'Invalid Weights: the maximum is 65535'],
    ] as const) {
      const answer = await agent.put('/v1/catalog/register', {
        Node: 'foo',
        Address: '10.0.0.1',
        Service: { Service: 'odd', Weights: weights },
      })
      assert.deepEqual([answer.status, answer.text], [500, text])
    }
    assert.equal((await agent.get('/v1/catalog/service/odd')).text, '[]')
  })
})

describe('a check of a catalog registration', () => {
  it('has the type that its definition says', async () => {
    const check = (CheckID: string, Definition: object, Type = ''): object => ({
      CheckID,
      Name: CheckID,
      Status: 'passing',
      ServiceTags: null,
      Type,
      Definition,
    })
    const Checks = [
      check('tcp', { TCP: '10.0.0.1:1', Interval: '5s' }),
      check('http', { HTTP: 'http://10.0.0.1/', TCP: '10.0.0.1:1', Interval: 5_000_000_000 }),
      check('ttl', { TTL: '30s' }),
      check('script', { ScriptArgs: ['true'], Interval: '5s' }),
      check('alias', { AliasService: 'redis' }),
      check('never-run', { TCP: '10.0.0.1:1' }),
      check('given', { TCP: '10.0.0.1:1', Interval: '5s' }, 'mine'),
    ]
    const answer = await agent.put('/v1/catalog/register', { Node: 'typed', Address: 'a', Checks })
    assert.equal(answer.text, 'true')
    const found = (await agent.get('/v1/health/node/typed')).json() as Check[]
    assert.deepEqual(Object.fromEntries(found.map(({ CheckID, Type }) => [CheckID, Type])), {
      alias: 'alias',
      given: 'mine',
      http: 'http',
      'never-run': '',
      script: 'script',
      tcp: 'tcp',
      ttl: 'ttl',
    })
  })

  it('of a node has no tags in a transaction: null, not []', async () => {
    await agent.put('/v1/catalog/register', { Node: 'n', Address: 'a', Check: { Name: 'c' } })
    const operation = { Check: { Verb: 'get', Check: { Node: 'n', CheckID: 'c' } } }
    const answer = (await agent.put('/v1/txn', [operation])).json() as TxnAnswer
    assert.equal(answer.Results[0]?.Check.ServiceTags, null)
    const [read] = (await agent.get('/v1/health/node/n')).json() as Check[]
    assert.deepEqual(read?.ServiceTags, [])
  })
})

describe('a proxy of a catalog registration', () => {
  it('keeps an upstream without a type as it is', async () => {
    const upstream = { DestinationName: 'db', LocalBindPort: 9191, MeshGateway: {} }
    const proxy = {
      DestinationServiceName: 'web',
      Upstreams: [upstream, { ...upstream, DestinationType: 'prepared_query' }],
      Expose: {},
    }
    const Service = { Kind: 'connect-proxy', Service: 'web-proxy', Port: 8001, Proxy: proxy }
    await agent.put('/v1/catalog/register', { Node: 'p', Address: 'a', Service })
    const found = await agent.get('/v1/catalog/node/p')
    assert.match(found.text, /"DestinationType":"","DestinationName":"db"/)
    assert.match(found.text, /"DestinationType":"prepared_query"/)
  })
})

describe('access control', () => {
  // Nomad, Vault and Terraform tell by this text that they need no token.
  it('is told to be off, in the words that clients look for', async () => {
    for (const [method, path] of [
      ['GET', '/v1/acl/tokens'],
      ['GET', '/v1/acl/token/self'],
      ['PUT', '/v1/acl/bootstrap'],
      ['PUT', '/v1/agent/token/default'],
      ['POST', '/v1/internal/acl/authorize'],
    ] as const) {
      const answer = await agent.send(method, path)
      assert.deepEqual([answer.status, answer.text], [401, 'ACL support disabled'], path)
    }
    assert.equal((await agent.get('/v1/acl/bootstrap')).status, 405)
  })
})

describe('service-intentions entries', () => {
  const at = '/v1/config/service-intentions/db'
  const path = { HTTP: { path_prefix: '/admin', methods: ['get'] }, action: 'deny' }
  const entry = {
    Kind: 'service-intentions',
    Name: 'db',
    Sources: [
      { Name: 'web', Action: 'allow', Type: 'consul', Description: 'why' },
      { name: 'api', permissions: [path] },
    ],
    Meta: { a: 'b' },
  }

  it('can be deleted when absent, which clients do to see whether they are supported', async () => {
    const answer = await agent.send('DELETE', at)
    assert.deepEqual([answer.status, answer.text], [200, '{}'])
  })

  it('are written, read, replaced and deleted as a whole', async () => {
    assert.equal((await agent.put('/v1/config', entry)).text, 'true')
    const read = await agent.get(at)
    assert.match(
      read.text,
      /"Sources":\[\{"Name":"api","Permissions":\[\{"Action":"deny","HTTP":\{"PathPrefix":"\/admin","Methods":\["GET"\]\}\}\],"Precedence":9,"Type":"consul"\},\{"Name":"web","Action":"allow","Precedence":9,"Type":"consul","Description":"why"\}\],"Meta":\{"a":"b"\}/,
    )
    const flat = (await agent.get('/v1/connect/intentions')).json() as Flat[]
    assert.deepEqual(
      flat.map((rule) => [rule.SourceName, rule.DestinationName, rule.Action ?? null, rule.Meta]),
      [
        ['api', 'db', null, { a: 'b' }],
        ['web', 'db', 'allow', { a: 'b' }],
      ],
    )
    // What was read is a valid body.
    assert.equal((await agent.put('/v1/config', read.text)).text, 'true')
    assert.equal((await agent.get(at)).text, read.text)
    const { ModifyIndex } = read.json() as { ModifyIndex: number }
    const one = { ...entry, Sources: entry.Sources.slice(0, 1) }
    assert.equal((await agent.put(`/v1/config?cas=${ModifyIndex + 1}`, one)).text, 'false')
    assert.equal((await agent.put(`/v1/config?cas=${ModifyIndex}`, one)).text, 'true')
    assert.equal((await agent.send('DELETE', `${at}?cas=${ModifyIndex}`)).text, 'false')
    assert.equal((await agent.send('DELETE', at)).text, '{}')
    assert.equal((await agent.get(at)).status, 404)
    assert.equal((await agent.get('/v1/connect/intentions')).text, 'null')
  })

  const refused: readonly (readonly [string, object, number, RegExp])[] = [
    ['no source', { Sources: [] }, 500, /^At least one source is required$/],
    ['an unknown action', { Sources: [{ Name: 'a', Action: 'x' }] }, 400, /^Sources\[0\]\.Action/],
    [
      'no name of a source',
      { Sources: [{ Action: 'deny' }] },
      500,
      /^Sources\[0\]\.Name is required/,
    ],
    [
      'an unknown field',
      { Sources: [{ Nmae: 'a' }] },
      400,
      /invalid config key "Sources\[0\]\.Nmae"/,
    ],
    [
      'a token of nobody',
      { Sources: [{ Name: 'a', Action: 'allow' }], JWT: { Providers: [] } },
      500,
      /JWT requires at least one provider/,
    ],
    ['peers', { Sources: [{ Name: 'a', Action: 'allow', Peer: 'p' }] }, 501, /peers/],
  ]
  for (const [what, change, status, message] of refused) {
    it(`are refused with ${what}`, async () => {
      const answer = await agent.put('/v1/config', { ...entry, ...change })
      assert.equal(answer.status, status, answer.text)
      assert.match(answer.text, message)
    })
  }

  it('may be for every destination', async () => {
    const all = { ...entry, Name: '*', Sources: [{ Name: '*', Action: 'deny' }] }
    assert.equal((await agent.put('/v1/config', all)).text, 'true')
    assert.equal((await agent.send('DELETE', '/v1/config/service-intentions/*')).text, '{}')
  })
})

interface Flat {
  readonly SourceName: string
  readonly DestinationName: string
  readonly Action?: string
  readonly Meta: unknown
}

interface Check {
  readonly CheckID: string
  readonly Type: string
  readonly ServiceTags: readonly string[] | null
}

interface TxnAnswer {
  readonly Results: readonly { readonly Check: Check }[]
}

interface Instance {
  readonly ServiceWeights: unknown
}
