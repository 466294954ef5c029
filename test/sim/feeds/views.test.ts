/**
 * Views of an agent against the true log (gossip.md 15.6, verification.md 24.3), from seeds: servers at different
 * places, histories that are too short, lost streams, slow networks.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Command } from '../../../core/catalog/commands.ts'
import type { TopicKey } from '../../../core/catalog/feed.ts'
import { type Rng, seededRng } from '../../../core/rng.ts'
import { wallTime } from '../../../core/time.ts'
import { register, service } from '../../unit/server/raft-and-store.ts'
import { SimulatedFleet } from './fleet.ts'

const SEEDS = Number(process.env['FAIRLEAD_FEED_SEEDS'] ?? 30)
const STEPS = 150
const NAMES = ['web', 'db', 'api']
const TOPICS: readonly TopicKey[] = [
  ...NAMES.map((key) => ({ topic: 'health', key }) as const),
  { topic: 'intentions', key: 'db' },
]

function command(rng: Rng): Command {
  const name = rng.pick(NAMES) ?? 'web'
  const node = `n${rng.range(1, 5)}`
  const kind = rng.range(0, 10)
  if (kind < 5) {
    return register(node, { service: { ...service(name), port: rng.range(1, 60_000) } })
  }
  if (kind < 7) return { kind: 'deregister', request: { node, serviceId: name } }
  if (kind < 8) return { kind: 'deregister', request: { node } }
  const intention = {
    id: '',
    description: '',
    sourceName: rng.pick(NAMES) ?? 'web',
    destinationName: rng.pick(['db', '*']) ?? 'db',
    action: 'allow' as const,
    permissions: [],
    meta: {},
  }
  if (kind < 9) return { kind: 'intention.set', intention, now: wallTime(1) }
  const { sourceName, destinationName } = intention
  return { kind: 'intention.delete', by: { sourceName, destinationName } }
}

for (let seed = 1; seed <= SEEDS; seed++) {
  test(`views are true, never go back, and come to the end of the log: seed ${seed}`, async () => {
    const rng = seededRng(seed)
    const fleet = new SimulatedFleet(rng, TOPICS)
    for (let step = 0; step < STEPS; step++) {
      const what = rng.range(0, 10)
      if (what < 4) fleet.append(command(rng))
      else if (what < 6) rng.pick(fleet.servers)?.apply(rng.range(1, 4))
      else if (what < 9) await fleet.deliver(rng.range(1, 6))
      else if (rng.range(0, 3) === 0) fleet.cut()
      else fleet.clock.advance(rng.range(1, 1500))
      fleet.check()
    }
    await fleet.settle()
    fleet.check()
    assert.ok(fleet.followed.every(({ view }) => view.isReady))
    await fleet.stop()
  })
}
