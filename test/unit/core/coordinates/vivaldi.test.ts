/**
 * Network coordinates find their places, and nothing that a peer says breaks them (vivaldi.ts, coordinate.ts).
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  type Coordinate,
  distance,
  isPlausibleCoordinate,
  isValidCoordinate,
  startCoordinate,
} from '../../../../core/coordinates/coordinate.ts'
import { LatencyFilter } from '../../../../core/coordinates/latency-filter.ts'
import { Vivaldi } from '../../../../core/coordinates/vivaldi.ts'
import { seededRng } from '../../../../core/rng.ts'
import { circle, errorsOf, grid, line, random, settle, split, type Truth } from './networks.ts'

const CYCLES = 1000

function at(x: number, change: Partial<Coordinate> = {}): Coordinate {
  return { ...startCoordinate(), vec: [x, 0, 0, 0, 0, 0, 0, 0], ...change }
}

describe('coordinates of a whole network', () => {
  // The reference's figures, from another random generator: half as much again is allowed for that.
  const networks: readonly (readonly [string, Truth, average: number, worst: number])[] = [
    ['a line of 10', line(10, 0.01), 0.0031, 0.013],
    ['a grid of 25', grid(5, 0.01), 0.0016, 0.023],
    ['two sites of 25', split(25, 0.001, 0.01), 0.00006, 0.00048],
    ['25 at random', random(25, 0.1, 0.01, seededRng(1)), 0.075, 0.33],
  ]
  for (const [name, truth, average, worst] of networks) {
    it(`come close to the truth: ${name}`, () => {
      const errors = errorsOf(settle(truth, { cycles: CYCLES }), truth)
      assert.ok(errors.average <= 1.5 * average, `average ${errors.average}`)
      assert.ok(errors.worst <= 1.5 * worst, `worst ${errors.worst}`)
    })
  }

  it('show a slow line of one node as its height', () => {
    const truth = circle(25, 0.1)
    const [centre, ...rim] = settle(truth, { cycles: CYCLES, dimensions: 2, seed: 2 })
    assert.ok(centre !== undefined && centre.height >= 0.097, `centre ${centre?.height}`)
    for (const { height } of rim) assert.ok(height <= 1.5 * 0.003, `rim ${height}`)
    assert.ok(errorsOf([centre, ...rim], truth).average <= 1.5 * 0.0028)
  })
})

describe('a distance', () => {
  it('is the straight line, both heights and both adjustments', () => {
    const a = at(0.1, { height: 0.001, adjustment: -0.002 })
    const b = at(0.4, { height: 0.003, adjustment: 0.005 })
    assert.ok(Math.abs(distance(a, b) - 0.307) < 1e-12)
  })

  it('leaves adjustments out that would make it negative', () => {
    const a = at(0, { height: 0.001, adjustment: -0.5 })
    assert.ok(Math.abs(distance(a, at(0, { height: 0.002 })) - 0.003) < 1e-12)
  })
})

describe('an observation', () => {
  it('brings the nodes nearer to what was measured, and trusts more', () => {
    const vivaldi = new Vivaldi(seededRng(1))
    const other = at(0.5, { error: 0.05 })
    const before = distance(vivaldi.coordinate, other)
    assert.equal(vivaldi.observe(other, 0.1), 'moved')
    const after = vivaldi.coordinate
    assert.ok(distance(after, other) < before)
    for (let i = 0; i < 200; i++) vivaldi.observe(other, 0.1)
    assert.ok(Math.abs(distance(vivaldi.coordinate, other) - 0.1) < 0.005)
    assert.ok(vivaldi.coordinate.error < 0.1)
  })

  it('parts two nodes at one point', () => {
    const vivaldi = new Vivaldi(seededRng(1))
    assert.equal(vivaldi.observe(startCoordinate(), 0.1), 'moved')
    assert.ok(vivaldi.coordinate.vec.some((x) => x !== 0))
  })

  it('of a round trip that is none, of other dimensions or of no coordinate changes nothing', () => {
    const vivaldi = new Vivaldi(seededRng(1))
    vivaldi.observe(at(0.5), 0.1)
    const before = vivaldi.coordinate
    for (const rtt of [Number.NaN, Number.POSITIVE_INFINITY, -0.001, 10.001]) {
      assert.equal(vivaldi.observe(at(0.5), rtt), 'bad-rtt')
    }
    assert.equal(vivaldi.observe(startCoordinate(2), 0.1), 'incompatible')
    for (const other of [
      at(Number.NaN),
      at(Number.NEGATIVE_INFINITY),
      at(1e9),
      at(0, { error: Number.NaN }),
      at(0, { error: -1 }),
      at(0, { height: -0.1 }),
      at(0, { adjustment: Number.POSITIVE_INFINITY }),
    ]) {
      assert.equal(vivaldi.observe(other, 0.1), 'invalid')
    }
    assert.equal(vivaldi.coordinate, before)
  })

  it('never leads to what is no coordinate, whatever peers say', () => {
    const number = fc.oneof(
      fc.double({ min: -100, max: 100 }),
      fc.double(),
      fc.constantFrom(0, -0, 1e-300, 1e308, 100, -100),
    )
    const other = fc.record({
      vec: fc.array(number, { minLength: 7, maxLength: 8 }),
      error: fc.oneof(fc.double({ min: 0, max: 1.5 }), number),
      adjustment: number,
      height: fc.oneof(fc.double({ min: 0, max: 100 }), number),
    })
    const rtt = fc.oneof(fc.double({ min: 0, max: 10 }), number)
    fc.assert(
      fc.property(fc.array(fc.tuple(other, rtt), { maxLength: 60 }), (samples) => {
        const vivaldi = new Vivaldi(seededRng(1))
        for (const [coordinate, measured] of samples) {
          const before = vivaldi.coordinate
          const outcome = vivaldi.observe(coordinate, measured)
          assert.ok(isValidCoordinate(vivaldi.coordinate))
          if (outcome !== 'moved') assert.equal(vivaldi.coordinate, before, outcome)
        }
      }),
      { numRuns: 300 },
    )
  })

  it('of a liar is outlived: among honest nodes the place is found again', () => {
    const vivaldi = new Vivaldi(seededRng(1))
    const honest = [at(0.05), at(-0.05), { ...at(0), vec: [0, 0.05, 0, 0, 0, 0, 0, 0] }]
    const settleIn = (): void => {
      for (let i = 0; i < 600; i++) vivaldi.observe(honest[i % 3] ?? at(0), 0.05)
    }
    settleIn()
    for (let i = 0; i < 20; i++) vivaldi.observe(at(100, { error: 0 }), 0)
    settleIn()
    assert.ok(isPlausibleCoordinate(vivaldi.coordinate))
    for (const node of honest) {
      assert.ok(Math.abs(distance(vivaldi.coordinate, node) - 0.05) < 0.02)
    }
  })
})

describe('the filter of round trips', () => {
  it('takes the median of the last three', () => {
    const filter = new LatencyFilter()
    assert.deepEqual(
      [1, 2, 9, 3, 3].map((rtt) => filter.add(rtt)),
      [1, 2, 2, 3, 3],
    )
  })
})
