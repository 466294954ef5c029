/**
 * When an agent says where it stands, under a clock moved by hand.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CoordinatePublisher } from '../../../../agent/coordinates/coordinate-publisher.ts'
import type { CoordinateRecord } from '../../../../core/catalog/types.ts'
import { startCoordinate } from '../../../../core/coordinates/coordinate.ts'
import { FairleadError } from '../../../../core/errors.ts'
import { silentLogger } from '../../../../core/log.ts'
import { seededRng } from '../../../../core/rng.ts'
import { ManualClock } from '../../../../runtime/clock/manual-clock.ts'
import { member } from '../../../integration/server/running-server.ts'
import { pass } from '../../server/raft-and-store.ts'

function subject(placeNode?: (place: CoordinateRecord) => Promise<void>) {
  const clock = new ManualClock()
  const said: CoordinateRecord[] = []
  const pool = { coordinate: startCoordinate(), members: () => [member('n1'), member('n2')] }
  const publisher = new CoordinatePublisher(
    { nodeName: 'n1' },
    {
      clock,
      rng: seededRng(1),
      log: silentLogger,
      pool,
      servers: {
        placeNode: async (place) => {
          said.push(place)
          await placeNode?.(place)
        },
      },
    },
  )
  return { clock, said, publisher, pool }
}

test('an agent says where it is within an interval, and again and again', async () => {
  const { clock, said, publisher, pool } = subject()
  await publisher.start()
  await pass(clock, 15_000, 500)
  assert.deepEqual(said, [{ node: 'n1', segment: '', coordinate: pool.coordinate }])
  await pass(clock, 60_000, 500)
  assert.ok(said.length >= 4 && said.length <= 5, `${said.length}`)
  await publisher.stop()
  await pass(clock, 60_000, 500)
  assert.ok(said.length <= 5)
})

test('servers that take nothing are told again at the next time', async () => {
  const { clock, said, publisher } = subject(async () => {
    throw new FairleadError('NO_SERVERS', 'No known Consul servers')
  })
  await publisher.start()
  await pass(clock, 60_000, 500)
  assert.ok(said.length >= 3, `${said.length}`)
  await publisher.stop()
})

test('nothing is said where coordinates are switched off', async () => {
  const { clock, said, publisher, pool } = subject()
  Object.assign(pool, { coordinate: null })
  await publisher.start()
  await pass(clock, 60_000, 500)
  assert.deepEqual(said, [])
  await publisher.stop()
})
