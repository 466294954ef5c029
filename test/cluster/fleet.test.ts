/**
 * A fleet of real agents, three servers and twelve clients, each on a host of its own: hosts register, flip and
 * deregister while networks and processes fail, and whenever all is well again, what every agent tells by HTTP and DNS
 * equals the catalog, the catalog equals what runs on the hosts, and nothing that was acknowledged is undone.
 *
 * FAIRLEAD_CLUSTER_ROUNDS=n goes through all faults n times (1 by default), FAIRLEAD_SEED replays the choices.
 */

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { seededRng } from '../../core/rng.ts'
import { eventually } from '../e2e/harness/program.ts'
import { ROUNDS, SEED } from './harness/campaign.ts'
import {
  CLIENTS_RESTART,
  CUT_FROM_SERVERS,
  type FleetAct,
  type FleetField,
  HALVES_APART,
  KEY_ROTATED,
  lossyFleet,
  ONE_CRASHES,
  SERVERS_RESTART,
  STAND_STILL,
} from './harness/fleet-acts.ts'
import { compareFleet } from './harness/fleet-picture.ts'
import { FleetWorkload } from './harness/fleet-workload.ts'
import { whyNoHosts } from './harness/host-commands.ts'
import { TestFleet } from './harness/test-fleet.ts'
import { TestNetwork } from './harness/test-network.ts'

const SERVERS = 3
const CLIENTS = 12
const ACTS: readonly FleetAct[] = [
  CUT_FROM_SERVERS,
  lossyFleet(30),
  STAND_STILL,
  SERVERS_RESTART,
  KEY_ROTATED,
  HALVES_APART,
  CLIENTS_RESTART,
  ONE_CRASHES,
]
/** Three intervals in which members compare their tables (verification 24.2). */
const AGREE_MAX_MS = 90_000
const CHANGES_MAX_MS = 60_000
const CHANGES_AROUND = 40

/** @returns how long it took, in seconds */
async function perform(act: FleetAct, field: FleetField, workload: FleetWorkload): Promise<number> {
  const since = performance.now()
  workload.start()
  await field.changes(CHANGES_AROUND)
  await act.begin(field)
  await act.end(field)
  await field.changes(CHANGES_AROUND)
  await workload.stop()
  return (performance.now() - since) / 1000
}

/** @returns after how long */
async function agree(fleet: TestFleet, workload: FleetWorkload): Promise<number> {
  const since = performance.now()
  let found: readonly string[] = ['nothing was compared']
  await eventually(
    'all agree',
    async () => {
      found = await compareFleet(fleet, workload)
      return found.length === 0
    },
    AGREE_MAX_MS,
  ).catch((cause: unknown) => {
    const more = found.length > 20 ? `\n… and ${found.length - 20} more` : ''
    throw new Error(`the fleet does not agree:\n${found.slice(0, 20).join('\n')}${more}`, { cause })
  })
  return (performance.now() - since) / 1000
}

describe('a fleet', { skip: whyNoHosts() ?? false, timeout: 3_600_000 }, () => {
  it('agrees with the catalog whenever networks and processes have failed', async (t) => {
    const tell = (text: string): void => t.diagnostic(text)
    const folder = await mkdtemp(join(tmpdir(), 'fairlead-fleet-'))
    let isWon = false
    tell(`seed ${SEED}`)
    try {
      await using network = await TestNetwork.create(SERVERS + CLIENTS)
      const key = randomBytes(32).toString('base64')
      const flags = ['-encrypt', key]
      await using fleet = new TestFleet(network, { servers: SERVERS, folder, flags })
      await fleet.startAll()
      const rng = seededRng(SEED)
      await using workload = new FleetWorkload(fleet.agents, rng.fork('workload'))
      const field: FleetField = {
        fleet,
        rng,
        tell,
        key,
        changes: async (count) => {
          const until = workload.counts.done + count
          const isDone = (): boolean => workload.counts.done >= until
          await eventually(`${count} changes more`, isDone, CHANGES_MAX_MS)
        },
      }
      tell(`begun: all agreed after ${(await agree(fleet, workload)).toFixed(1)} s`)
      for (let round = 0; round < ROUNDS; round++) {
        for (const act of ACTS) {
          const lasted = (await perform(act, field, workload)).toFixed(0)
          const agreed = (await agree(fleet, workload)).toFixed(1)
          tell(`${act.name}: ${lasted} s, and ${agreed} s after the last change all agreed`)
          await Promise.all(fleet.agents.map((agent) => agent.start()))
        }
      }
      const { done, unknown } = workload.counts
      tell(
        `${done} changes acknowledged, ${unknown} unknown; ${await network.dropped()} packets lost`,
      )
      assert(done > 600, 'too little was done: this run proves nothing')
      isWon = true
    } finally {
      if (isWon) await rm(folder, { recursive: true, force: true })
      else tell(`seed ${SEED}: logs and data are kept in ${folder}`)
    }
  })
})
