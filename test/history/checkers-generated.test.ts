/**
 * Self-tests V2 and V3 of the checkers: histories known to be good must pass, and histories with one lie in
 * them must fail whenever the trial of all orders says so. The independent methods have to agree.
 * `FAIRLEAD_HISTORIES=n` sets the number for each model.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { seededRng } from '../../core/rng.ts'
import { type AtomicObject, atomicHistory, type Spoiling, spoiled } from './atomic-object.ts'
import { isLinearizableByBruteForce } from './brute-force.ts'
import { checkCycles } from './dependency-cycles.ts'
import { checkWitness } from './index-witness.ts'
import { checkLinearizability } from './linearizability.ts'
import { atomicKv, atomicLists, atomicLock, atomicRegister, atomicText } from './objects.ts'

const HISTORIES = Number(process.env['FAIRLEAD_HISTORIES'] ?? 300)
const SPOILINGS: readonly Spoiling[] = ['swap', 'stale', 'repeat', 'drop']

function testObject<S, I, O>(name: string, object: AtomicObject<S, I, O>): void {
  describe(`the checkers on a ${name}`, () => {
    it('pass what an atomic object answered', () => {
      const rng = seededRng(1).fork(name)
      for (let i = 0; i < HISTORIES; i++) {
        const shape = { processes: 5, operations: 30, unknownShare: 0.1 }
        const { operations, indexes } = atomicHistory(object, shape, rng)
        const report = checkLinearizability(operations, object.model)
        assert.equal(report.verdict, 'ok', `history ${i}: ${JSON.stringify(operations)}`)
        const witnessed = operations.map((operation, k) => ({ operation, index: indexes[k] }))
        const witness = checkWitness(witnessed, object.model)
        assert.equal(witness.verdict, 'ok', JSON.stringify(witness))
      }
    })

    it('say of spoiled histories what the trial of all orders says', () => {
      const rng = seededRng(2).fork(name)
      let bad = 0
      for (let i = 0; i < HISTORIES; i++) {
        const shape = { processes: 3, operations: 7, unknownShare: 0.1 }
        const { operations } = atomicHistory(object, shape, rng)
        for (const kind of SPOILINGS) {
          const lie = spoiled(operations, kind, rng, object.model.isRead)
          if (lie === null) continue
          const expected = isLinearizableByBruteForce(lie, object.model)
          const { verdict } = checkLinearizability(lie, object.model)
          assert.equal(verdict, expected ? 'ok' : 'violation', `${kind}: ${JSON.stringify(lie)}`)
          if (!expected) bad++
        }
      }
      assert.ok(bad > HISTORIES / 20, `only ${bad} spoiled histories were bad`)
    })
  })
}

testObject('register', atomicRegister)
testObject('growing text', atomicText)
testObject('lock', atomicLock)
testObject('store of keys, sessions and transactions', atomicKv)
testObject('store of lists', atomicLists)

describe('the search for dependency cycles', () => {
  it('passes what an atomic store of lists answered', () => {
    const rng = seededRng(3)
    for (let i = 0; i < HISTORIES; i++) {
      const shape = { processes: 5, operations: 100, unknownShare: 0.1 }
      const { operations } = atomicHistory(atomicLists, shape, rng)
      const report = checkCycles(operations)
      assert.equal(report.verdict, 'ok', JSON.stringify(report))
    }
  })

  it('never accuses a history that has an order, and finds most of those that have none', () => {
    const rng = seededRng(4)
    let bad = 0
    let found = 0
    for (let i = 0; i < HISTORIES; i++) {
      const shape = { processes: 3, operations: 8, unknownShare: 0.1 }
      const { operations } = atomicHistory(atomicLists, shape, rng)
      for (const kind of SPOILINGS) {
        const lie = spoiled(operations, kind, rng, atomicLists.model.isRead)
        if (lie === null || kind === 'repeat') continue
        const isGood = checkLinearizability(lie, atomicLists.model).verdict === 'ok'
        const { verdict } = checkCycles(lie)
        if (isGood) assert.equal(verdict, 'ok', `${kind}: ${JSON.stringify(lie)}`)
        else {
          bad++
          if (verdict === 'violation') found++
        }
      }
    }
    assert.ok(bad > 0 && found >= 0.9 * bad, `found ${found} of ${bad}`)
  })
})

describe('the witness of indexes', () => {
  it('finds what a false index would hide from a replay alone', () => {
    const rng = seededRng(5)
    let bad = 0
    let found = 0
    for (let i = 0; i < HISTORIES; i++) {
      const shape = { processes: 3, operations: 7, unknownShare: 0 }
      const { operations, indexes } = atomicHistory(atomicRegister, shape, rng)
      const lie = spoiled(operations, 'stale', rng, atomicRegister.model.isRead)
      if (lie === null) continue
      if (checkLinearizability(lie, atomicRegister.model).verdict === 'ok') continue
      bad++
      const witnessed = lie.map((operation, k) => ({ operation, index: indexes[k] }))
      if (checkWitness(witnessed, atomicRegister.model).verdict === 'violation') found++
    }
    assert.ok(bad > 0)
    assert.equal(found, bad)
  })

  it('finds a read that went back in time although its result fits its index', () => {
    const common = { process: 'a', outcome: 'ok' } as const
    const write = (value: number, call: number) =>
      ({
        ...common,
        input: { f: 'write', key: 'x', value },
        output: null,
        call,
        end: call + 1,
      }) as const
    const read = {
      ...common,
      input: { f: 'read', key: 'x' },
      output: 1,
      call: 20,
      end: 21,
    } as const
    const history = [
      { operation: write(1, 0), index: 1 },
      { operation: write(2, 10), index: 2 },
      { operation: read, index: 1 },
    ]
    const report = checkWitness(history, atomicRegister.model)
    assert.equal(report.verdict, 'violation')
  })
})
