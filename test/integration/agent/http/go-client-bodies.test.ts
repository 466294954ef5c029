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

interface Instance {
  readonly ServiceWeights: unknown
}
