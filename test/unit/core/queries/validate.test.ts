/**
 * Rules on definitions of prepared queries (core/queries/validate.ts).
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { QueryFailover } from '../../../../core/queries/types.ts'
import { queryProblem } from '../../../../core/queries/validate.ts'
import { preparedQuery, queryService, queryTemplate } from './query-fixture.ts'

const INVALID = 'Invalid prepared query: '

function withFailover(failover: Partial<QueryFailover>): string | undefined {
  const none = { nearestN: 0, datacenters: null, targets: null }
  return queryProblem(
    preparedQuery({ service: queryService({ failover: { ...none, ...failover } }) }),
  )
}

describe('a definition', () => {
  it('needs a name, a template or a session', () => {
    assert.equal(queryProblem(preparedQuery({ name: '' })), `${INVALID}Must be bound to a session`)
    assert.equal(queryProblem(preparedQuery({ name: '', session: 's' })), undefined)
    assert.equal(queryProblem(queryTemplate('', {})), undefined)
    assert.equal(queryProblem(preparedQuery({ name: 'x' })), undefined)
    assert.match(queryProblem(preparedQuery({ name: 'x'.repeat(1025) })) ?? '', /Bad Name/)
  })

  it('needs a service, and no token that was only shown', () => {
    const service = queryService({ service: '' })
    assert.equal(
      queryProblem(preparedQuery({ service })),
      `${INVALID}Must provide a Service name to query`,
    )
    assert.equal(
      queryProblem(preparedQuery({ token: '<hidden>' })),
      `${INVALID}Bad Token '<hidden>', it looks like a query definition with a redacted token was submitted`,
    )
  })

  it('has one kind of failover', () => {
    assert.equal(withFailover({ nearestN: -1 }), `${INVALID}Bad NearestN '-1', must be >= 0`)
    const targets = [{ peer: '', datacenter: 'dc2' }]
    const both = `${INVALID}Targets cannot be populated with NearestN or Datacenters`
    assert.equal(withFailover({ targets, nearestN: 1 }), both)
    assert.equal(withFailover({ targets, datacenters: ['dc2'] }), both)
    assert.equal(withFailover({ targets, datacenters: [] }), undefined)
    assert.equal(withFailover({ nearestN: 3, datacenters: ['dc2'] }), undefined)
  })

  it('has a time to live that is a duration of at least 0', () => {
    assert.equal(
      queryProblem(preparedQuery({ dnsTtl: 'soon' })),
      `${INVALID}Bad DNS TTL 'soon': time: invalid duration "soon"`,
    )
    assert.equal(
      queryProblem(preparedQuery({ dnsTtl: '-1s' })),
      `${INVALID}DNS TTL '-1000000000', must be >=0`,
    )
    assert.equal(queryProblem(preparedQuery({ dnsTtl: '10s' })), undefined)
  })

  it('says what is wrong with a time to live without a unit', () => {
    assert.equal(
      queryProblem(preparedQuery({ dnsTtl: '10' })),
      `${INVALID}Bad DNS TTL '10': time: missing unit in duration "10"`,
    )
  })

  it('is bounded', () => {
    const many = Array.from({ length: 257 }, String)
    assert.match(
      queryProblem(preparedQuery({ service: queryService({ tags: many }) })) ?? '',
      /Service\.Tags has 257 elements, at most 256/,
    )
    const long = queryService({ near: 'x'.repeat(70_000) })
    assert.match(queryProblem(preparedQuery({ service: long })) ?? '', /at most 65536/)
  })
})
