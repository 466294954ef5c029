/**
 * Each decoder against many damaged inputs; `npm run fuzz -- --inputs 10000000` goes on for longer.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { runTarget } from './run-target.ts'
import { TARGETS } from './targets.ts'

/** Damages of their own in every run; the seed is printed and replays. */
const SEED = Number(process.env['FAIRLEAD_SEED'] ?? process.hrtime.bigint() % 1_000_000_000n)
const INPUTS = Number(process.env['FAIRLEAD_FUZZ_INPUTS'] ?? 20_000)

describe('a decoder of foreign bytes', () => {
  for (const target of TARGETS) {
    it(`survives damage: ${target.name}`, (t) => {
      const { accepted, findings } = runTarget(target, { seed: SEED, inputs: INPUTS })
      t.diagnostic(`seed ${SEED}: ${accepted} of ${INPUTS} inputs accepted`)
      assert.deepEqual(findings, [])
      assert.ok(accepted > 0, 'the undamaged inputs are accepted')
    })
  }

  it('would be found out if it did not', () => {
    const trusting = {
      name: 'trusts a length',
      valid: () => Uint8Array.of(0, 0, 0, 4, 1, 2, 3, 4),
      decode: (bytes: Uint8Array) => {
        const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
        return new Uint8Array(length)
      },
      isDeclared: () => false,
    }
    const { findings } = runTarget(trusting, { seed: 1, inputs: 2_000 })
    assert.ok(findings.length > 0)
  })
})
