/**
 * Coordinates in acks, and what the round trips of probes make of them (coordinate-rules.ts).
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { decodeCoordinate, encodeCoordinate } from '../../../../core/coordinates/codec.ts'
import { type Coordinate, startCoordinate } from '../../../../core/coordinates/coordinate.ts'
import { alive, Bench } from './core-bench.ts'

const FAR: Coordinate = { ...startCoordinate(), vec: [0.03, 0, 0, 0, 0, 0, 0, 0], error: 0.1 }

/** A core that has just pinged its only peer. */
function pinging(options?: { readonly hasCoordinate: boolean }): {
  readonly bench: Bench
  readonly seq: number
} {
  const bench = new Bench(options)
  bench.hear('b', alive('b'))
  return { bench, seq: bench.passToPing().seq }
}

function ack(seq: number, payload: Uint8Array) {
  return { kind: 'ack', seq, payload } as const
}

describe('an ack', () => {
  it('carries the own coordinate, as it is by then', () => {
    const { bench, seq } = pinging()
    bench.hear('b', { kind: 'ping', seq: 7, target: 'a' })
    assert.deepEqual(decodeCoordinate(bench.sentOf('ack')[0]?.payload ?? FAIL), startCoordinate())
    bench.pass(bench.now + 20)
    bench.hear('b', ack(seq, encodeCoordinate(FAR)))
    bench.hear('b', { kind: 'ping', seq: 8, target: 'a' })
    const told = decodeCoordinate(bench.sentOf('ack')[1]?.payload ?? FAIL)
    assert.deepEqual(told, bench.core.coordinate)
    assert.notDeepEqual(told, startCoordinate())
  })

  it('carries nothing where coordinates are switched off, and moves nothing', () => {
    const { bench, seq } = pinging({ hasCoordinate: false })
    bench.hear('b', { kind: 'ping', seq: 7, target: 'a' })
    assert.equal(bench.sentOf('ack')[0]?.payload.length, 0)
    bench.hear('b', ack(seq, encodeCoordinate(FAR)))
    assert.equal(bench.core.coordinate, null)
  })
})

const FAIL = new Uint8Array(0)

describe('the answer to a probe', () => {
  it('moves the member by its round trip', () => {
    const { bench, seq } = pinging()
    bench.pass(bench.now + 20)
    bench.hear('b', ack(seq, encodeCoordinate(FAR)))
    const own = bench.core.coordinate
    assert.ok(own !== null && (own.vec[0] ?? 0) > 0, 'nearer than it was said to be')
    assert.ok(own.error < startCoordinate().error)
  })

  it('of a member without coordinates, or through another, is an answer and no more', () => {
    const { bench, seq } = pinging()
    bench.hear('b', ack(seq, FAIL))
    assert.equal(bench.core.healthScore, 0)
    assert.deepEqual(bench.core.coordinate, startCoordinate())
    assert.equal(bench.core.counters.coordinatesRefused, 0)
  })

  it('with what is no coordinate is counted, and an answer still', () => {
    const { bench, seq } = pinging()
    bench.hear('b', ack(seq, encodeCoordinate({ ...FAR, error: Number.NaN })))
    assert.deepEqual(bench.core.coordinate, startCoordinate())
    assert.equal(bench.core.counters.coordinatesRefused, 1)
    bench.pass(bench.now + 5_000)
    assert.notEqual(bench.state('b'), undefined)
  })

  it('counts once, and only under its own number', () => {
    const { bench, seq } = pinging()
    bench.hear('b', ack(seq + 1, encodeCoordinate(FAR)))
    assert.deepEqual(bench.core.coordinate, startCoordinate())
    bench.hear('b', ack(seq, encodeCoordinate(FAR)))
    const once = bench.core.coordinate
    bench.hear('b', ack(seq, encodeCoordinate(FAR)))
    assert.equal(bench.core.coordinate, once)
  })
})
