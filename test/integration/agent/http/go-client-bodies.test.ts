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
  assert.deepEqual(agent.errors, [])
  await agent[Symbol.asyncDispose]()
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
