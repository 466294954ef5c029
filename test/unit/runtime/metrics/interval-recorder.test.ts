/**
 * Intervals: where they end, what they hold, and what is left after a stop.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { silentLogger } from '../../../../core/log.ts'
import { counter } from '../../../../core/metrics/definition.ts'
import type { Interval } from '../../../../core/metrics/interval-json.ts'
import { MetricRegistry } from '../../../../core/metrics/registry.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'
import { IntervalRecorder } from '../../../../runtime/metrics/interval-recorder.ts'

const REQUESTS = counter('requests', 'Requests')

function begin(wall = 1_767_225_603_000) {
  const clock = new ManualClock({ wall })
  const registry = new MetricRegistry()
  const recorder = new IntervalRecorder({ clock, log: silentLogger, registry })
  return { clock, recorder, requests: registry.counter(REQUESTS) }
}

const sumOf = (interval: Interval | undefined): number =>
  interval?.figures.counters[0]?.aggregate.sum ?? 0

describe('the recorder of intervals', () => {
  it('ends them on whole tens of seconds and gives each number to one', async () => {
    const { clock, recorder, requests } = begin()
    const heard: Interval[] = []
    recorder.onInterval((interval) => heard.push(interval))
    await recorder.start()
    requests.increment()
    clock.advance(6_999)
    assert.equal(heard.length, 0)
    clock.advance(1)
    requests.add(5)
    clock.advance(10_000)
    clock.advance(10_000)
    assert.deepEqual(
      heard.map(({ startedAt, durationMs }) => [startedAt - 1_767_225_600_000, durationMs]),
      [
        [3_000, 7_000],
        [10_000, 10_000],
        [20_000, 10_000],
      ],
    )
    assert.deepEqual(heard.map(sumOf), [1, 5, 0])
    await recorder.stop()
  })

  it('shows the beginning of the process to who asks before the first has ended, and counts it once', async () => {
    const { clock, recorder, requests } = begin()
    const heard: number[] = []
    recorder.onInterval((interval) => heard.push(sumOf(interval)))
    await recorder.start()
    requests.increment()
    clock.advance(2_000)
    assert.equal(sumOf(recorder.last()), 1)
    requests.add(2)
    assert.equal(sumOf(recorder.last()), 1)
    clock.advance(5_000)
    assert.equal(sumOf(recorder.last()), 2)
    assert.deepEqual(heard, [2])
    await recorder.stop()
  })

  it('goes on when a listener throws', async () => {
    const { clock, recorder } = begin()
    let heard = 0
    recorder.onInterval(() => {
      throw new Error('listener')
    })
    recorder.onInterval(() => heard++)
    await recorder.start()
    clock.advance(20_000)
    assert.equal(heard, 2)
    await recorder.stop()
  })

  it('makes no sliver of an interval when the wall clock is set back a little', async () => {
    const { clock, recorder } = begin()
    const heard: number[] = []
    recorder.onInterval(({ durationMs }) => heard.push(durationMs))
    await recorder.start()
    clock.jumpWall(-1)
    clock.advance(7_000)
    clock.advance(9_999)
    clock.advance(2)
    assert.deepEqual(heard, [7_000, 10_001])
    await recorder.stop()
  })

  it('leaves no timer behind', async () => {
    const { clock, recorder } = begin()
    const heard: number[] = []
    recorder.onInterval(({ durationMs }) => heard.push(durationMs))
    await recorder.start()
    await recorder.stop()
    clock.advance(60_000)
    assert.deepEqual(heard, [])
  })
})
