/**
 * Real servers on hosts of their own, concurrent clients, faults of network and processes: what the clients
 * saw must be linearizable, and no write that was acknowledged may be missing in the end.
 *
 * FAIRLEAD_CLUSTER_ROUNDS=n goes through all faults n times (1 by default), FAIRLEAD_SEED replays the choices.
 */

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { seededRng } from '../../core/rng.ts'
import { eventually } from '../e2e/harness/program.ts'
import { HistoryRecorder } from './harness/history.ts'
import { whyNoHosts } from './harness/host-commands.ts'
import { judge } from './harness/judge.ts'
import {
  type Act,
  type Battlefield,
  BREAK_CONNECTIONS,
  BRIDGE,
  DUPLICATED,
  ISOLATE_LEADER,
  ISOLATE_RANDOM,
  KILL_ALL,
  KILL_LEADER,
  KILL_RANDOM,
  LEADER_HEARS_NOBODY,
  lossy,
  NOBODY_HEARS_LEADER,
  PAUSE_LEADER,
  PAUSE_RANDOM,
  SLOW_LINK,
} from './harness/nemesis.ts'
import { RegisterClients } from './harness/register-clients.ts'
import { TestNetwork } from './harness/test-network.ts'
import { TestServers } from './harness/test-servers.ts'

const ROUNDS = Number(process.env['FAIRLEAD_CLUSTER_ROUNDS'] ?? 1)
const SEED = Number(process.env['FAIRLEAD_SEED'] ?? process.hrtime.bigint() % 1_000_000n)
/** A fault lasts until clients have had so many answers of whatever kind, or so long. */
const EVENTS_PER_ACT = 1_200
const ACT_MAX_MS = 12_000
/** Then all is well until so many requests were answered. */
const ANSWERS_BETWEEN = 300
const ANSWERED_MIN = 1_000

const NETWORK_FAULTS: readonly Act[] = [
  ISOLATE_LEADER,
  LEADER_HEARS_NOBODY,
  NOBODY_HEARS_LEADER,
  ISOLATE_RANDOM,
  BRIDGE,
  lossy(20),
  DUPLICATED,
  SLOW_LINK,
  BREAK_CONNECTIONS,
]

const PROCESS_FAULTS: readonly Act[] = [
  KILL_LEADER,
  PAUSE_LEADER,
  KILL_ALL,
  KILL_RANDOM,
  PAUSE_RANDOM,
]

const reason = whyNoHosts()

describe('three real servers', { skip: reason ?? false, timeout: 3_600_000 }, () => {
  it('stay linearizable while the network fails', async (t) => {
    await fight(NETWORK_FAULTS, (text) => t.diagnostic(text))
  })

  it('stay linearizable while processes die and stall', async (t) => {
    await fight(PROCESS_FAULTS, (text) => t.diagnostic(text))
  })
})

async function fight(acts: readonly Act[], tell: (text: string) => void): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'fairlead-cluster-'))
  const history = new HistoryRecorder()
  let isWon = false
  try {
    await using network = await TestNetwork.create(3)
    await using servers = new TestServers({ hosts: network.hosts, folder })
    await servers.startAll()
    const rng = seededRng(SEED)
    const clients = new RegisterClients(
      {
        urls: servers.all.map((server) => server.url),
        clients: 8,
        keys: 5,
        rate: 400,
        seed: SEED,
        consistency: rng.float() < 0.5 ? 'default' : 'consistent',
      },
      history,
    )
    clients.start()
    await answered(history, ANSWERS_BETWEEN)
    for (let round = 0; round < ROUNDS; round++) {
      for (const act of rng.shuffle(acts)) await perform(act, { network, servers, rng }, history)
    }
    await clients.stop()
    await servers.allServe()
    await clients.finalReads()
    tell(`seed ${SEED}; ${await network.dropped()} packets dropped; ${summary(history)}`)
    const ok = history.count('ok')
    assert.ok(ok >= ANSWERED_MIN, `only ${ok} requests were answered: this run proves nothing`)
    tell(judge(history.events))
    isWon = true
  } finally {
    if (isWon) await rm(folder, { recursive: true, force: true })
    else {
      await history.save(join(folder, 'history.ndjson'))
      tell(`seed ${SEED}: history, logs and data are kept in ${folder}`)
    }
  }
}

async function perform(act: Act, field: Battlefield, history: HistoryRecorder): Promise<void> {
  const until = history.events.length + EVENTS_PER_ACT
  await act.begin(field)
  await eventually(
    `clients meet "${act.name}"`,
    () => history.events.length >= until,
    ACT_MAX_MS,
  ).catch(() => undefined)
  await act.end(field)
  try {
    await answered(history, ANSWERS_BETWEEN)
  } catch (cause) {
    throw new Error(`no service after "${act.name}" ended`, { cause })
  }
}

async function answered(history: HistoryRecorder, count: number): Promise<void> {
  const until = history.count('ok') + count
  await eventually('requests are answered', () => history.count('ok') >= until, 60_000)
}

function summary(history: HistoryRecorder): string {
  const counts = (['ok', 'fail', 'info'] as const).map((type) => `${history.count(type)} ${type}`)
  return `${history.count('invoke')} requests: ${counts.join(', ')}`
}
