/**
 * Members of simulated pools find out who is near: two sites over a network with jitter and loss.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Coordinate, distance } from '../../../core/coordinates/coordinate.ts'
import type { SimMember } from './sim-member.ts'
import { SwimWorld } from './swim-world.ts'

const SIZE = 20
const BETWEEN_MS = 20

/** Even and odd numbers live apart. */
function siteOf({ name }: SimMember): number {
  return Number(name.replace(/\D/g, '')) % 2
}

function placeOf({ core }: SimMember): Coordinate {
  assert.ok(core.coordinate !== null)
  return core.coordinate
}

function twoSites(seed: number, loss: number): { world: SwimWorld; members: SimMember[] } {
  const world = new SwimWorld({ seed, loss, delayMs: 1 })
  world.checksAll = false
  world.distanceMs = (a, b) => (siteOf(a) === siteOf(b) ? 0 : BETWEEN_MS)
  const members = world.addPool(SIZE)
  return { world, members }
}

/** Of all pairs, how far from the truth, in ms: within a site about 2, between sites about 42. */
function errorsMs(members: readonly SimMember[]): { near: number; far: number; mistaken: number } {
  const near: number[] = []
  const far: number[] = []
  let mistaken = 0
  for (const a of members) {
    for (const b of members) {
      if (a === b) continue
      const ms = 1000 * distance(placeOf(a), placeOf(b))
      const isSame = siteOf(a) === siteOf(b)
      const list = isSame ? near : far
      list.push(Math.abs(ms - (isSame ? 2 : 2 * BETWEEN_MS + 2)))
      if (ms < BETWEEN_MS !== isSame) mistaken++
    }
  }
  return { near: median(near), far: median(far), mistaken }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

for (const [seed, loss] of [
  [1, 0],
  [2, 0],
  [3, 0.1],
] as const) {
  test(`two sites are told apart within two minutes (seed ${seed}, loss ${loss})`, () => {
    const { world, members } = twoSites(seed, loss)
    world.run(120_000)
    const errors = errorsMs(members)
    assert.equal(errors.mistaken, 0, JSON.stringify(errors))
    assert.ok(errors.near < 2 && errors.far < 4, JSON.stringify(errors))
  })
}

test('a member that comes later finds its place in half a minute', () => {
  const { world, members } = twoSites(4, 0)
  world.run(120_000)
  const late = world.add('late-0')
  const [first] = members
  assert.ok(first !== undefined)
  void world.join(late, first)
  world.run(30_000)
  for (const other of members) {
    const ms = 1000 * distance(placeOf(late), placeOf(other))
    assert.equal(ms < BETWEEN_MS, siteOf(other) === 0, `${other.name}: ${ms}`)
  }
})
