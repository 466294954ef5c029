/**
 * Coordinates of nodes in the store (coordinate-table.ts).
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { StateStore } from '../../../../core/catalog/state-store.ts'
import type { CoordinateRecord } from '../../../../core/catalog/types.ts'
import { startCoordinate } from '../../../../core/coordinates/coordinate.ts'
import { Driver, registration } from './store-fixture.ts'

function record(node: string, x: number, segment = ''): CoordinateRecord {
  return { node, segment, coordinate: { ...startCoordinate(), vec: [x, 0, 0, 0, 0, 0, 0, 0] } }
}

/** Two nodes, at indexes 1 and 2. */
function driver(): Driver {
  const made = new Driver()
  for (const node of ['n1', 'n2']) {
    made.ok({ kind: 'register', request: registration(node) })
  }
  return made
}

function batch(to: Driver, ...updates: CoordinateRecord[]): void {
  to.ok({ kind: 'coordinate.batch', updates })
}

describe('the coordinates of nodes', () => {
  it('are those last said, under the name the node has in the catalog', () => {
    const store = driver()
    batch(store, record('N1', 1), record('n2', 2), record('n1', 3, 's'))
    batch(store, record('n2', 4))
    assert.deepEqual(store.read('coordinate.nodes', {}), [
      record('n1', 1),
      record('n1', 3, 's'),
      record('n2', 4),
    ])
    assert.deepEqual(store.read('coordinate.nodes', { segment: 's' }), [record('n1', 3, 's')])
    assert.deepEqual(store.read('coordinate.node', { node: 'N1' }).length, 2)
    assert.deepEqual(store.read('coordinate.node', { node: 'n1', segment: '' }), [record('n1', 1)])
    assert.deepEqual(store.read('coordinate.some', { nodes: ['n2', 'no', 'N1'] }), [
      record('n2', 4),
      record('n1', 1),
    ])
  })

  it('move the index only when they say something new, and wake who waits', () => {
    const store = driver()
    batch(store, record('n1', 1))
    assert.equal(store.indexOf('coordinate.nodes', {}), 3)
    let woken = 0
    const { watch } = store.store.read('coordinate.node', { node: 'n1' })
    store.store.watchOnce(watch, () => woken++)
    batch(store, record('n1', 1), record('nobody', 2))
    assert.equal(store.indexOf('coordinate.nodes', {}), 3)
    assert.equal(woken, 0)
    batch(store, record('n1', 2))
    assert.equal(store.indexOf('coordinate.nodes', {}), 5)
    assert.equal(woken, 1)
  })

  it('go away with their node', () => {
    const store = driver()
    batch(store, record('n1', 1), record('n1', 2, 's'), record('n2', 3))
    store.ok({ kind: 'deregister', request: { node: 'n1' } })
    assert.deepEqual(store.read('coordinate.nodes', {}), [record('n2', 3)])
    assert.equal(store.indexOf('coordinate.nodes', {}), 4)
    assert.equal(store.store.read('coordinate.node', { node: 'n1' }).found, false)
  })

  it('are in the image', () => {
    const store = driver()
    batch(store, record('n1', 0.1 + 0.2), record('n2', -1e-9))
    const restored = new StateStore({ datacenter: 'dc1' })
    restored.restore(store.store.snapshot().image())
    assert.deepEqual(
      restored.read('coordinate.nodes', {}),
      store.store.read('coordinate.nodes', {}),
    )
  })

  it('come in batches of a bounded size', () => {
    const store = driver()
    const updates = Array.from({ length: 129 }, (_, i) => record('n1', i))
    const result = store.store.apply(3, { kind: 'coordinate.batch', updates })
    assert.ok(!result.ok && result.code === 'TOO_LARGE')
    assert.deepEqual(store.read('coordinate.nodes', {}), [])
  })
})
