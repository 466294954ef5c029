/**
 * The order of distances (order.ts), and when agents speak (publication.ts).
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Coordinate, startCoordinate } from '../../../../core/coordinates/coordinate.ts'
import { orderedByDistance } from '../../../../core/coordinates/order.ts'
import {
  firstPublicationMs,
  nextPublicationMs,
  publicationIntervalMs,
} from '../../../../core/coordinates/publication.ts'
import { seededRng } from '../../../../core/rng.ts'

function at(x: number): Coordinate {
  return { ...startCoordinate(), vec: [x, 0, 0, 0, 0, 0, 0, 0] }
}

test('near comes before far, equal in the order they came, and what stands nowhere last', () => {
  const places: Readonly<Record<string, Coordinate | undefined>> = {
    lost: undefined,
    far: at(0.9),
    one: at(0.3),
    odd: startCoordinate(2),
    two: at(-0.3),
    here: at(0),
  }
  const order = orderedByDistance(Object.keys(places), at(0), (name) => places[name])
  assert.deepEqual(order, ['here', 'one', 'two', 'far', 'lost', 'odd'])
})

test('the larger the cluster, the rarer agents speak: 64 words a second', () => {
  assert.equal(publicationIntervalMs(1), 15_000)
  assert.equal(publicationIntervalMs(960), 15_000)
  assert.equal(publicationIntervalMs(10_000), 156_250)
  const rng = seededRng(1)
  for (let i = 0; i < 100; i++) {
    const first = firstPublicationMs(3, rng)
    assert.ok(first >= 0 && first < 15_000)
    const next = nextPublicationMs(10_000, rng)
    assert.ok(next >= 156_250 && next <= 156_250 * 1.125)
  }
})
