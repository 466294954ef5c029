/**
 * The memory of the change feed beside a plain list of all that it was told (feed-history.ts).
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { FeedHistory, type PastDelta } from '../../../../core/catalog/feed-history.ts'

const CHANNELS = ['health:a', 'health:b', 'node:c']

interface Step {
  /** How much later than the one before. */
  readonly later: number
  readonly channel: string
  readonly items: number
}

const steps = fc.array(
  fc.record({
    later: fc.integer({ min: 0, max: 3 }),
    channel: fc.constantFrom(...CHANNELS),
    items: fc.integer({ min: 0, max: 4 }),
  }),
  { maxLength: 60 },
)

function pastsOf(given: readonly Step[], from: number): PastDelta[] {
  let index = from
  return given.map(({ later, channel, items }) => {
    index += later
    const deletes = Array.from({ length: items }, (_, i) => `${i}`)
    return { index, after: index, channel, delta: { upserts: [], deletes } }
  })
}

/** The newest that fit, and the index of the newest that does not. */
function modelOf(pasts: readonly PastDelta[], start: number, itemsMax: number) {
  let from = 0
  const itemsFrom = (i: number): number =>
    pasts.slice(i).reduce((sum, { delta }) => sum + delta.deletes.length, 0)
  while (itemsFrom(from) > itemsMax) from += 1
  return { kept: pasts.slice(from), floor: pasts[from - 1]?.index ?? start }
}

function assertSame(history: FeedHistory, model: ReturnType<typeof modelOf>): void {
  assert.equal(history.floor, model.floor)
  for (const channel of CHANNELS) {
    const kept = model.kept.filter((past) => past.channel === channel)
    assert.equal(history.lastIndexOf(channel), kept.at(-1)?.index ?? model.floor)
    for (const index of [0, model.floor, model.floor + 2]) {
      const missed = kept.filter((past) => past.index > index)
      assert.deepEqual([...history.since(channel, index)], missed)
    }
  }
}

describe('the history of the feed', () => {
  it('remembers the newest that fit, of each channel in log order', () => {
    fc.assert(
      fc.property(steps, fc.integer({ min: 0, max: 20 }), (given, itemsMax) => {
        const history = new FeedHistory(5, itemsMax)
        const pasts = pastsOf(given, 6)
        for (const [i, past] of pasts.entries()) {
          history.remember(past)
          assertSame(history, modelOf(pasts.slice(0, i + 1), 5, itemsMax))
        }
      }),
    )
  })

  it('knows nothing of what was before a restart', () => {
    fc.assert(
      fc.property(steps, steps, (before, after) => {
        const history = new FeedHistory(0, 8)
        for (const past of pastsOf(before, 1)) history.remember(past)
        history.restart(1_000)
        assertSame(history, modelOf([], 1_000, 8))
        const pasts = pastsOf(after, 1_001)
        for (const past of pasts) history.remember(past)
        assertSame(history, modelOf(pasts, 1_000, 8))
      }),
    )
  })
})
