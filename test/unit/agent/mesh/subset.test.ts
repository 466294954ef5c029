/**
 * Instances of subsets: chosen by filter, each encoded once for each filter.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SubsetFilters } from '../../../../agent/mesh/subset.ts'
import type { HealthEntry } from '../../../../core/catalog/types.ts'
import { manyInstances } from '../../core/dns/example-catalog.ts'

const [first, second] = manyInstances('web', 2) as [HealthEntry, HealthEntry]

describe('instances of a subset', () => {
  const onFirst = `Node.Node == "${first.node.node}"`

  it('are those that match', () => {
    const filters = new SubsetFilters()
    assert.deepEqual(filters.matching([first, second], onFirst), [first])
    assert.deepEqual(filters.matching([first, second], `not (${onFirst})`), [second])
    assert.deepEqual(filters.matching([first, second], 'Service.ID =='), [])
  })

  it('are looked at again only when they are other records', () => {
    const filters = new SubsetFilters()
    let looks = 0
    const watched = (entry: HealthEntry): HealthEntry => ({
      ...entry,
      get node() {
        looks++
        return entry.node
      },
    })
    const entries = [watched(first), watched(second)]
    assert.deepEqual(filters.matching(entries, onFirst), [entries[0]])
    const once = looks
    assert.ok(once > 0)
    assert.deepEqual(filters.matching(entries, onFirst), [entries[0]])
    assert.equal(looks, once)
    const renamed = { ...first, node: { ...first.node, node: 'other' } }
    assert.deepEqual(filters.matching([renamed, ...entries], onFirst), [entries[0]])
  })
})
