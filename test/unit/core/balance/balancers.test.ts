/**
 * What every balancer keeps: shares by weight, nobody starved, nobody picked who may not be, hashes that stay.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Balancer, Candidates } from '../../../../core/balance/balancer.ts'
import { textHash } from '../../../../core/balance/hash.ts'
import { Maglev } from '../../../../core/balance/maglev.ts'
import { RandomChoices } from '../../../../core/balance/random-choices.ts'
import { RingHash } from '../../../../core/balance/ring-hash.ts'
import { RoundRobin } from '../../../../core/balance/round-robin.ts'
import { seededRng } from '../../../../core/rng.ts'
import { HashRing } from '../../../../runtime/hash-ring/hash-ring.ts'

const rng = seededRng(7)
const keysOf = (weights: readonly number[]): string[] => weights.map((_, i) => `node-${i}/web`)

const MAKERS: Readonly<Record<string, (weights: readonly number[]) => Balancer>> = {
  random: (weights) => new RandomChoices(weights, 1, rng),
  'two choices': (weights) => new RandomChoices(weights, 2, rng),
  'round robin': (weights) => new RoundRobin(weights, 0),
  maglev: (weights) => new Maglev(keysOf(weights), weights, rng),
  'ring hash': (weights) => {
    return new RingHash(keysOf(weights), weights, (members) => new HashRing(members), rng)
  },
}

const without = (...indexes: number[]): Candidates => ({
  isUsable: (index) => !indexes.includes(index),
  cost: () => 0,
})

function counts(balancer: Balancer, size: number, picks: number): number[] {
  const found = Array.from({ length: size }, () => 0)
  for (let i = 0; i < picks; i++) {
    const index = balancer.pick(without(), rng.u32())
    found[index] = (found[index] ?? 0) + 1
  }
  return found
}

for (const [name, make] of Object.entries(MAKERS)) {
  describe(name, () => {
    it('gives each about the share of its weight', () => {
      const weights = [1, 1, 2, 4]
      const found = counts(make(weights), weights.length, 20_000)
      // A ring of some tens of points is uneven by nature.
      const tolerance = name === 'ring hash' ? 0.6 : 0.1
      for (const [i, weight] of weights.entries()) {
        const share = (found[i] as number) / ((20_000 * weight) / 8)
        assert.ok(Math.abs(share - 1) < tolerance, `${i}: ${share}`)
      }
    })

    it('picks only who may be picked, and somebody whenever there is one', () => {
      const lists = fc.array(fc.tuple(fc.integer({ min: 1, max: 5 }), fc.boolean()), {
        minLength: 1,
        maxLength: 12,
      })
      fc.assert(
        fc.property(
          lists,
          fc.array(fc.nat(0xffffffff), { minLength: 5, maxLength: 5 }),
          (list, hashes) => {
            const balancer = make(list.map(([weight]) => weight))
            const out = list.flatMap(([, isUsable], i) => (isUsable ? [] : [i]))
            for (const hash of hashes) {
              const index = balancer.pick(without(...out), hash)
              if (out.length === list.length) assert.equal(index, -1)
              else assert.ok(list[index]?.[1] === true, `${index}`)
            }
          },
        ),
        { numRuns: name === 'maglev' || name === 'ring hash' ? 20 : 200 },
      )
    })

    it('has nothing to pick from nothing', () => {
      assert.equal(make([]).pick(without(), 1), -1)
    })
  })
}

it('of several choices the cheapest is taken, however dear the others are', () => {
  const costs = [5, 1, 9]
  const balancer = new RandomChoices([1, 1, 1], 8, rng)
  const found = [0, 0, 0]
  for (let i = 0; i < 1000; i++) {
    const index = balancer.pick({ isUsable: () => true, cost: (of) => costs[of] as number })
    found[index] = (found[index] ?? 0) + 1
  }
  assert.ok((found[1] as number) > 900 && (found[2] as number) < 5, `${found}`)
})

it('the share of one that is out goes to all others alike', () => {
  for (const make of [MAKERS['maglev'], MAKERS['ring hash'], MAKERS['random']]) {
    const balancer = make?.([1, 1, 1, 1]) as Balancer
    const found = [0, 0, 0, 0]
    for (let i = 0; i < 8000; i++) {
      const index = balancer.pick(without(2), rng.u32())
      found[index] = (found[index] ?? 0) + 1
    }
    for (const i of [0, 1, 3]) {
      assert.ok((found[i] as number) > 1600 && (found[i] as number) < 3700, `${found}`)
    }
  }
})

it('a table of Maglev moves little beside the share of who left', () => {
  const keys = keysOf(Array.from({ length: 10 }))
  const weights = keys.map(() => 1)
  const all = new Maglev(keys, weights, rng)
  const fewer = new Maglev(keys.slice(0, 9), weights.slice(0, 9), rng)
  let moved = 0
  for (let i = 0; i < 10_000; i++) {
    const hash = rng.u32()
    const before = all.pick(without(), hash)
    if (before !== 9 && fewer.pick(without(), hash) !== before) moved++
  }
  assert.ok(moved < 1000, `${moved} of 10000 moved`)
})

it('hashes texts as xxHash32 does', () => {
  for (const [text, hash] of [
    ['', 0x02cc5d05],
    ['a', 0x550d7456],
    ['abc', 0x32d153ff],
    ['Nobody inspects the spammish repetition', 0xe2293b2f],
  ] as const) {
    assert.equal(textHash(text), hash, text)
  }
})
