/**
 * How the leader gathers coordinates, under a clock moved by hand.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CoordinateRecord } from '../../../../core/catalog/types.ts'
import { startCoordinate } from '../../../../core/coordinates/coordinate.ts'
import { FairleadError } from '../../../../core/errors.ts'
import { silentLogger } from '../../../../core/log.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'
import { CoordinateBatches, WAITING_MAX } from '../../../../server/leader/coordinate-batches.ts'
import { pass } from '../raft-and-store.ts'

const PERIOD = 5_000

function place(node: string, height = 1): CoordinateRecord {
  return { node, segment: '', coordinate: { ...startCoordinate(), height } }
}

function subject(write?: () => Promise<unknown>) {
  const clock = new ManualClock()
  const batches: (readonly CoordinateRecord[])[] = []
  const coordinates = new CoordinateBatches(
    { periodMs: PERIOD },
    {
      clock,
      log: silentLogger,
      write: async (command) => {
        await write?.()
        assert.ok(command.kind === 'coordinate.batch')
        batches.push(command.updates)
      },
    },
  )
  coordinates.start()
  return { clock, batches, coordinates }
}

test('what nodes say in a period is written at its end, the last word of each', async () => {
  const { clock, batches, coordinates } = subject()
  coordinates.add(place('n1', 1))
  await pass(clock, PERIOD - 1)
  coordinates.add(place('n2', 2))
  coordinates.add(place('N1', 3))
  assert.deepEqual(batches, [])
  await pass(clock, 1)
  assert.deepEqual(batches, [[place('N1', 3), place('n2', 2)]])
  await pass(clock, 10 * PERIOD)
  assert.equal(batches.length, 1)
})

test('many nodes are written in several batches, and beyond the bound refused', async () => {
  const { clock, batches, coordinates } = subject()
  for (let i = 0; i < WAITING_MAX; i++) coordinates.add(place(`n${i}`))
  assert.throws(() => coordinates.add(place('one too many')), { code: 'RATE_LIMITED' })
  coordinates.add(place('n0', 7))
  await pass(clock, PERIOD)
  assert.deepEqual(
    batches.map((batch) => batch.length),
    [128, 128, 128, 128, 128],
  )
  coordinates.add(place('one too many'))
  await pass(clock, PERIOD)
  assert.equal(batches.length, 6)
})

test('what is no coordinate of this network is refused', () => {
  const { coordinates } = subject()
  const refused = (coordinate: CoordinateRecord['coordinate'], message: string): void =>
    assert.throws(() => coordinates.add({ ...place('n1'), coordinate }), {
      code: 'REJECTED',
      message,
    })
  refused(startCoordinate(3), 'incompatible coordinate')
  refused({ ...startCoordinate(), error: Number.NaN }, 'invalid coordinate')
})

test('a leader that stops forgets what waited, and one that cannot write goes on', async () => {
  let fails = false
  const { clock, batches, coordinates } = subject(async () => {
    if (fails) throw new FairleadError('NO_LEADER', 'No cluster leader')
  })
  coordinates.add(place('n1'))
  coordinates.stop()
  coordinates.add(place('n2'))
  await pass(clock, PERIOD)
  assert.deepEqual(batches, [])
  coordinates.start()
  fails = true
  coordinates.add(place('n3'))
  await pass(clock, PERIOD)
  fails = false
  coordinates.add(place('n4'))
  await pass(clock, PERIOD)
  assert.deepEqual(batches, [[place('n4')]])
})
