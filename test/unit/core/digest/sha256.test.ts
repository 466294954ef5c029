/**
 * SHA-256 against the platform's (core/digest/sha256.ts).
 */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Sha256 } from '../../../../core/digest/sha256.ts'

function platform(pieces: readonly Uint8Array[]): string {
  const hash = createHash('sha256')
  for (const piece of pieces) hash.update(piece)
  return hash.digest('hex')
}

describe('SHA-256', () => {
  it('agrees with the platform, whatever the cut', () => {
    const piece = fc.uint8Array({ maxLength: 200 })
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const hash = new Sha256()
        for (const bytes of pieces) hash.update(bytes)
        assert.equal(hash.digest(), platform(pieces))
      }),
      { numRuns: 500 },
    )
  })

  it('agrees at every length around the blocks', () => {
    for (let size = 0; size <= 200; size++) {
      const bytes = new Uint8Array(size).fill(size)
      const hash = new Sha256()
      hash.update(bytes)
      assert.equal(hash.digest(), platform([bytes]), `${size} bytes`)
    }
  })
})
