/**
 * What a prepared query answers with (core/queries/select.ts), beside a naive model.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { CheckStatus, HealthEntry } from '../../../../core/catalog/types.ts'
import {
  failoverDatacenters,
  narrowingOf,
  selectInstances,
} from '../../../../core/queries/select.ts'
import type { QueryService } from '../../../../core/queries/types.ts'
import { check, Driver, registration, service } from '../catalog/store-fixture.ts'
import { queryService } from './query-fixture.ts'

interface Instance {
  readonly tags: readonly string[]
  readonly rack: string
  readonly owner: string
  readonly status: CheckStatus
  readonly noisy: CheckStatus
}

/** Instances as the store gives them: one a node, with a check that counts and one that may be ignored. */
function entriesOf(
  instances: readonly Instance[],
  narrowing: ReturnType<typeof narrowingOf> = {},
): readonly HealthEntry[] {
  const driver = new Driver()
  for (const [i, { tags, rack, owner, status, noisy }] of instances.entries()) {
    const request = registration(`n${i}`, {
      meta: rack === '' ? null : { rack },
      service: service({ service: 'web', tags, meta: owner === '' ? null : { owner } }),
      checks: [check('c', status, { serviceId: 'web', serviceName: 'web' }), check('noisy', noisy)],
    })
    driver.ok({ kind: 'register', request })
  }
  return driver.read('health.service', { service: 'web', ...narrowing })
}

function chosen(instances: readonly Instance[], given: Partial<QueryService>): readonly string[] {
  return selectInstances(entriesOf(instances), queryService(given)).map(({ node }) => node.node)
}

const GOOD: Instance = { tags: [], rack: '', owner: '', status: 'passing', noisy: 'passing' }

describe('the instances of a query', () => {
  it('have no critical check, or only passing ones', () => {
    const instances = [
      GOOD,
      { ...GOOD, status: 'warning' },
      { ...GOOD, status: 'critical' },
    ] as const
    assert.deepEqual(chosen(instances, {}), ['n0', 'n1'])
    assert.deepEqual(chosen(instances, { onlyPassing: true }), ['n0'])
    const noisy = [{ ...GOOD, noisy: 'critical' }] as const
    assert.deepEqual(chosen(noisy, {}), [])
    assert.deepEqual(chosen(noisy, { ignoreCheckIds: ['noisy'], onlyPassing: true }), ['n0'])
  })

  it('have the tags and not the others, whatever the case', () => {
    const instances = [{ ...GOOD, tags: ['V1'] }, { ...GOOD, tags: ['v1', 'Canary'] }, GOOD]
    assert.deepEqual(chosen(instances, { tags: ['v1'] }), ['n0', 'n1'])
    assert.deepEqual(chosen(instances, { tags: ['v1', '!canary'] }), ['n0'])
    assert.deepEqual(chosen(instances, { tags: ['!V1'] }), ['n2'])
    assert.deepEqual(chosen(instances, { tags: [] }), ['n0', 'n1', 'n2'])
  })

  it('are read without those that lack a tag or metadata', () => {
    const instances = [{ ...GOOD, tags: ['v1'], rack: 'x' }, { ...GOOD, tags: ['v1'] }, GOOD]
    const service = queryService({ tags: ['V1', '!v2'], nodeMeta: { rack: 'x' } })
    const narrowing = narrowingOf(service)
    assert.deepEqual(narrowing, { tags: ['V1'], nodeMeta: { rack: 'x' } })
    assert.equal(entriesOf(instances, narrowing).length, 1)
    assert.deepEqual(narrowingOf(queryService({ tags: ['!v2'], nodeMeta: {} })), {})
  })

  it('are those that a naive model chooses', () => {
    const status = fc.constantFrom<CheckStatus>('passing', 'warning', 'critical')
    const tag = fc.constantFrom('a', 'B', 'c')
    const word = fc.constantFrom('', 'x', 'y')
    const instance = fc.record({
      tags: fc.uniqueArray(tag),
      rack: word,
      owner: word,
      status,
      noisy: status,
    })
    const asked = fc.record({
      onlyPassing: fc.boolean(),
      ignoreCheckIds: fc.option(fc.subarray(['noisy', 'c', 'other'])),
      tags: fc.option(fc.subarray(['A', 'b', '!a', '!B', '!z'])),
      nodeMeta: fc.option(fc.constantFrom({}, { rack: 'x' }, { rack: 'x', no: 'x' })),
      serviceMeta: fc.option(fc.constantFrom({}, { owner: 'y' })),
    })
    const model = (given: Instance, query: Partial<QueryService>): boolean => {
      const worst: CheckStatus[] = []
      if (query.ignoreCheckIds?.includes('c') !== true) worst.push(given.status)
      if (query.ignoreCheckIds?.includes('noisy') !== true) worst.push(given.noisy)
      if (worst.includes('critical')) return false
      if (query.onlyPassing === true && worst.includes('warning')) return false
      for (const wanted of query.tags ?? []) {
        const name = wanted.replace('!', '').toLowerCase()
        const has = given.tags.some((own) => own.toLowerCase() === name)
        if (has === wanted.startsWith('!')) return false
      }
      const meta = query.nodeMeta as { rack?: string; no?: string } | null | undefined
      if (meta?.no !== undefined) return false
      if (meta?.rack !== undefined && meta.rack !== given.rack) return false
      const owner = query.serviceMeta?.['owner']
      return owner === undefined || owner === given.owner
    }
    fc.assert(
      fc.property(fc.array(instance, { maxLength: 5 }), asked, (instances, query) => {
        const expected = instances.flatMap((each, i) => (model(each, query) ? [`n${i}`] : []))
        assert.deepEqual(chosen(instances, query), expected)
        const service = queryService(query)
        const narrowed = entriesOf(instances, narrowingOf(service))
        const nodes = selectInstances(narrowed, service).map(({ node }) => node.node)
        assert.deepEqual(nodes, expected, 'narrowed')
      }),
      { numRuns: 60 },
    )
  })
})

describe('failover', () => {
  it('asks the listed datacenters once each, never the own one', () => {
    const none = { nearestN: 0, datacenters: null, targets: null }
    assert.deepEqual(failoverDatacenters({ ...none, nearestN: 3 }, 'dc1'), [])
    const datacenters = ['dc3', 'dc1', 'DC2', 'dc3', '']
    assert.deepEqual(failoverDatacenters({ ...none, datacenters }, 'dc1'), ['dc3', 'dc2'])
    const targets = [
      { peer: 'east', datacenter: '' },
      { peer: '', datacenter: 'dc2' },
    ]
    assert.deepEqual(failoverDatacenters({ ...none, targets }, 'dc1'), ['dc2'])
  })
})
