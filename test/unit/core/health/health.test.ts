/**
 * Pure parts of health checks: thresholds, cutting of outputs, aggregation.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { CheckStatus } from '../../../../core/catalog/types.ts'
import { aggregateStatus } from '../../../../core/health/aggregate.ts'
import { NODE_MAINTENANCE_ID, serviceMaintenanceId } from '../../../../core/health/maintenance.ts'
import { headOutput, outputLimit, TailOutput } from '../../../../core/health/output.ts'
import { ThresholdCounter } from '../../../../core/health/threshold.ts'

const statuses = fc.constantFrom<CheckStatus>('passing', 'warning', 'critical')

function run(
  thresholds: [success: number, warning: number, critical: number],
  results: readonly CheckStatus[],
): readonly (CheckStatus | undefined)[] {
  const counter = new ThresholdCounter({
    successBeforePassing: thresholds[0],
    failuresBeforeWarning: thresholds[1],
    failuresBeforeCritical: thresholds[2],
  })
  return results.map((result) => counter.observe(result))
}

describe('thresholds', () => {
  it('of zero let every result through', () => {
    fc.assert(
      fc.property(fc.array(statuses), (results) => {
        assert.deepEqual(run([0, 0, 0], results), results)
      }),
    )
  })

  it('always let the first result through', () => {
    fc.assert(
      fc.property(fc.nat(9), fc.nat(9), fc.nat(9), statuses, (success, a, b, first) => {
        const [warning, critical] = [Math.min(a, b), Math.max(a, b)]
        assert.deepEqual(run([success, warning, critical], [first]), [first])
      }),
    )
  })

  it('hold critical back until enough failures, with a warning on the way', () => {
    const c: CheckStatus = 'critical'
    assert.deepEqual(run([0, 2, 4], ['passing', c, c, c, c, c]), [
      'passing',
      undefined,
      'warning',
      'warning',
      'critical',
      'critical',
    ])
  })

  it('hold passing back until enough successes in a row', () => {
    assert.deepEqual(
      run(
        [3, 0, 0],
        ['critical', 'passing', 'passing', 'critical', 'passing', 'warning', 'passing'],
      ),
      ['critical', undefined, undefined, 'critical', undefined, undefined, 'passing'],
    )
  })
})

describe('outputs', () => {
  it('take the smaller of the two limits', () => {
    assert.equal(outputLimit(4096, 0), 4096)
    assert.equal(outputLimit(4096, 10), 10)
    assert.equal(outputLimit(100, 4096), 100)
  })

  it('that are reported keep their beginning', () => {
    assert.equal(headOutput('abcdefghij', 4), 'abcd ... (captured 4 of 10 bytes)')
    assert.equal(headOutput('abcd', 4), 'abcd')
    assert.equal(headOutput('ééé', 3), 'é ... (captured 3 of 6 bytes)')
  })

  it('of scripts keep their end', () => {
    const tail = new TailOutput(4)
    tail.push(Buffer.from('abc'))
    assert.equal(tail.text(), 'abc')
    tail.push(Buffer.from('defghi'))
    assert.equal(tail.text(), 'Captured 4 of 9 bytes\n...\nfghi')
  })

  it('of scripts equal the last bytes however they were cut into chunks', () => {
    fc.assert(
      fc.property(
        fc.array(fc.stringMatching(/^[a-z]{0,9}$/)),
        fc.integer({ min: 1, max: 20 }),
        (chunks, limit) => {
          const tail = new TailOutput(limit)
          for (const chunk of chunks) tail.push(Buffer.from(chunk))
          const all = chunks.join('')
          const expected =
            all.length <= limit
              ? all
              : `Captured ${limit} of ${all.length} bytes\n...\n${all.slice(-limit)}`
          assert.equal(tail.text(), expected)
        },
      ),
    )
  })
})

describe('aggregation', () => {
  const check = (checkId: string, status: CheckStatus) => ({ checkId, status })

  it('takes the worst, and passing when there is none', () => {
    assert.equal(aggregateStatus([]), 'passing')
    assert.equal(aggregateStatus([check('a', 'passing'), check('b', 'warning')]), 'warning')
    assert.equal(aggregateStatus([check('a', 'critical'), check('b', 'warning')]), 'critical')
  })

  it('puts maintenance above everything', () => {
    for (const id of [NODE_MAINTENANCE_ID, serviceMaintenanceId('web')]) {
      assert.equal(aggregateStatus([check('a', 'critical'), check(id, 'critical')]), 'maintenance')
    }
  })
})
