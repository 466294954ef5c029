/**
 * Scheduling of a check in virtual time: first run, period, time limit, thresholds, stopping.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { IntervalRunner } from '../../../../agent/checks/interval-runner.ts'
import type { CheckStatus } from '../../../../core/catalog/types.ts'
import { silentLogger } from '../../../../core/log.ts'
import { seededRng } from '../../../../core/rng.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'
import { type Probe, type ProbeResult, ProbeTimeout } from '../../../../runtime/probe/probe.ts'

const NO_THRESHOLDS = {
  successBeforePassing: 0,
  failuresBeforeWarning: 0,
  failuresBeforeCritical: 0,
}

function world(
  probe: Probe,
  options: {
    readonly seed?: number
    readonly thresholds?: typeof NO_THRESHOLDS
    readonly isEager?: boolean
  } = {},
) {
  const clock = new ManualClock()
  const results: [CheckStatus, string][] = []
  const runner = new IntervalRunner(
    {
      checkId: 'c',
      intervalMs: 10_000,
      timeoutMs: 3_000,
      thresholds: options.thresholds ?? NO_THRESHOLDS,
      isEager: options.isEager ?? false,
    },
    {
      clock,
      rng: seededRng(options.seed ?? 1),
      log: silentLogger,
      probe,
      onResult: (status, output) => results.push([status, output]),
    },
  )
  return { clock, runner, results }
}

/** Lets promises that are ready run. */
async function settle(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve()
}

describe('an eager check', () => {
  it('runs at once and soon again until it has passed, then at its interval', async () => {
    const starts: number[] = []
    const w = world(
      async () => {
        starts.push(w.clock.now())
        return { status: starts.length < 4 ? 'critical' : 'passing', output: '' }
      },
      { isEager: true },
    )
    w.runner.start()
    for (let ms = 0; ms < 12_000; ms += 10) {
      w.clock.advance(10)
      await settle()
    }
    const gaps = starts.slice(1).map((at, i) => at - (starts[i] ?? 0))
    assert.ok((starts[0] ?? 99) <= 10)
    assert.deepEqual(
      gaps.map((gap) => Math.floor(gap / 50) * 50),
      [50, 100, 200, 10_000],
    )
    await w.runner.stop()
  })
})

describe('a check', () => {
  it('first runs at a random point of its interval, then an interval after each end', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), async (seed) => {
        const starts: number[] = []
        const w = world(
          async () => {
            starts.push(w.clock.now())
            return { status: 'passing', output: '' }
          },
          { seed },
        )
        w.runner.start()
        for (let i = 0; i < 4; i++) {
          w.clock.advance(10_000)
          await settle()
        }
        const [first = -1, second = -1] = starts
        assert.ok(first >= 0 && first < 10_000)
        // The clock stands at the end of a step while the promise of the run settles.
        assert.ok(second - first >= 10_000)
        await w.runner.stop()
        assert.equal(w.clock.armed, 0)
      }),
    )
  })

  it('that is slow has a longer period', async () => {
    let end: (result: ProbeResult) => void = () => {}
    let runs = 0
    const w = world(() => {
      runs++
      return new Promise((resolve) => {
        end = resolve
      })
    })
    w.runner.start()
    w.clock.advance(10_000)
    assert.equal(runs, 1)
    w.clock.advance(2_000)
    end({ status: 'passing', output: '' })
    await settle()
    w.clock.advance(9_999)
    assert.equal(runs, 1)
    w.clock.advance(1)
    assert.equal(runs, 2)
    end({ status: 'passing', output: '' })
    await w.runner.stop()
  })

  it('is told when its time is up', async () => {
    let reason: unknown
    const w = world(
      (signal) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            reason = signal.reason
            resolve({ status: 'critical', output: 'late' })
          })
        }),
    )
    w.runner.start()
    w.clock.advance(10_000)
    w.clock.advance(3_000)
    await settle()
    assert.ok(reason instanceof ProbeTimeout)
    assert.deepEqual(w.results, [['critical', 'late']])
    await w.runner.stop()
  })

  it('changes status by its thresholds, except where a result is immediate', async () => {
    const found: ProbeResult[] = [
      { status: 'passing', output: '1' },
      { status: 'critical', output: '2' },
      { status: 'critical', output: '3' },
      { status: 'passing', output: '4' },
      { status: 'critical', output: '5', immediate: true },
    ]
    const w = world(async () => found.shift() ?? { status: 'passing', output: 'end' }, {
      thresholds: { successBeforePassing: 0, failuresBeforeWarning: 1, failuresBeforeCritical: 2 },
    })
    w.runner.start()
    for (let i = 0; i < 5; i++) {
      w.clock.advance(10_000)
      await settle()
    }
    assert.deepEqual(w.results, [
      ['passing', '1'],
      ['warning', '2'],
      ['critical', '3'],
      ['passing', '4'],
      ['critical', '5'],
    ])
    await w.runner.stop()
  })

  it('is critical when its probe breaks', async () => {
    const w = world(async () => {
      throw new Error('broken probe')
    })
    w.runner.start()
    w.clock.advance(10_000)
    await settle()
    assert.deepEqual(w.results, [['critical', 'broken probe']])
    await w.runner.stop()
  })

  it('that is stopped in a run cuts it and reports nothing', async () => {
    const w = world(
      (signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason))
        }),
    )
    w.runner.start()
    w.clock.advance(10_000)
    await w.runner.stop()
    assert.deepEqual(w.results, [])
    assert.equal(w.clock.armed, 0)
  })
})
