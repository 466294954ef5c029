/**
 * The chained checksum: stable values, and sensitive to every bit.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { CHAIN_START, chainOf } from '../../../../core/raft/chain.ts'
import { chain, term } from '../../../../core/raft/types.ts'

const fields = (data: Uint8Array, t = 1) => ({ term: term(t), type: 'normal' as const, data })

describe('the chained checksum', () => {
  it('has the values that are on disks already', () => {
    assert.equal(chainOf(CHAIN_START, fields(new Uint8Array(0))), 4_396_775_869_737_897)
    assert.equal(chainOf(chain(12_345), fields(Buffer.from('hello'), 7)), 3_707_150_404_706)
  })

  it('differs when any bit of the data differs', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 70 }), fc.nat(), (data, where) => {
        const changed = data.slice()
        const bit = where % (data.length * 8)
        changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7))
        assert.notEqual(chainOf(CHAIN_START, fields(data)), chainOf(CHAIN_START, fields(changed)))
      }),
    )
  })

  it('differs with term, type, length and everything before', () => {
    const data = Buffer.from('data')
    const values = [
      chainOf(CHAIN_START, fields(data)),
      chainOf(CHAIN_START, fields(data, 2)),
      chainOf(CHAIN_START, fields(data, 2 ** 33)),
      chainOf(CHAIN_START, { ...fields(data), type: 'barrier' }),
      chainOf(chain(1), fields(data)),
      chainOf(chain(2 ** 40), fields(data)),
      chainOf(CHAIN_START, fields(Buffer.from('data\0'))),
      chainOf(CHAIN_START, fields(Buffer.from('dat'))),
    ]
    assert.equal(new Set(values).size, values.length)
  })

  it('is always an exact number', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.maxSafeNat(), fc.uint8Array(), (before, t, data) => {
        const value = chainOf(chain(before), fields(data, t))
        assert.ok(Number.isSafeInteger(value) && value >= 0)
      }),
    )
  })
})
