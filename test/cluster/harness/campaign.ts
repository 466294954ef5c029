/**
 * One run: servers on hosts of their own, clients at work, acts of the nemesis one after the other, healing,
 * last reads through every server, and the verdict on all that clients saw.
 *
 * A run in which too little was answered proves nothing and fails. What a failed run leaves behind (history,
 * logs, data) is kept, and where it is said.
 */

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Rng, seededRng } from '../../../core/rng.ts'
import { eventually } from '../../e2e/harness/program.ts'
import { HistoryRecorder } from './history.ts'
import { judge } from './judge.ts'
import type { Act, Battlefield } from './nemesis.ts'
import { type ClientOptions, RegisterClients } from './register-clients.ts'
import { TestNetwork } from './test-network.ts'
import { type ServersOptions, TestServers } from './test-servers.ts'
import type { Workload } from './workload.ts'

/** FAIRLEAD_CLUSTER_ROUNDS=n goes through all faults n times. */
export const ROUNDS = Number(process.env['FAIRLEAD_CLUSTER_ROUNDS'] ?? 1)
/** FAIRLEAD_SEED replays the choices of a run. */
export const SEED = Number(process.env['FAIRLEAD_SEED'] ?? process.hrtime.bigint() % 1_000_000n)

/** A fault lasts until clients have had so many answers of whatever kind, or so long: in long runs longer. */
const EVENTS_PER_ACT = 1_200
const ACT_MAX_MS = ROUNDS > 1 ? 12_000 : 6_000
/** Then all is well until so many requests were answered. */
const ANSWERS_BETWEEN = 300
const ANSWERED_PER_ACT_MIN = 400
const ANSWERED_MIN = 1_000
const ANSWER_MAX_MS = 60_000

export interface Campaign {
  readonly acts: readonly Act[]
  readonly rounds?: number
  readonly tell: (text: string) => void
  readonly servers?: Omit<ServersOptions, 'hosts' | 'folder'>
  readonly consistency?: ClientOptions['consistency']
  readonly readShare?: number
  readonly judge?: typeof judge
  /** More clients in the same run, each with a verdict of its own. */
  readonly workloads?: (urls: readonly string[], rng: Rng) => readonly Workload[]
}

export async function fight(campaign: Campaign): Promise<void> {
  const { acts, tell } = campaign
  const folder = await mkdtemp(join(tmpdir(), 'fairlead-cluster-'))
  const history = new HistoryRecorder()
  let isWon = false
  const atWork: { stop(): Promise<void> }[] = []
  try {
    await using network = await TestNetwork.create(3)
    await using servers = new TestServers({ ...campaign.servers, hosts: network.hosts, folder })
    await servers.startAll()
    const rng = seededRng(SEED)
    const field: Battlefield = { network, servers, rng }
    const urls = servers.all.map((server) => server.url)
    const either = rng.float() < 0.5 ? 'default' : 'consistent'
    const clients = new RegisterClients(
      {
        urls,
        clients: 8,
        keys: 5,
        rate: 400,
        seed: SEED,
        consistency: campaign.consistency ?? either,
        readShare: campaign.readShare ?? 0.5,
      },
      history,
    )
    const workloads = campaign.workloads?.(urls, rng.fork('workloads')) ?? []
    atWork.push(clients, ...workloads)
    clients.start()
    for (const workload of workloads) workload.start()
    await answered(history, ANSWERS_BETWEEN)
    for (let round = 0; round < (campaign.rounds ?? ROUNDS); round++) {
      for (const act of rng.shuffle(acts)) await perform(act, field, history)
    }
    await clients.stop()
    await servers.allServe()
    for (const workload of workloads) await workload.stop()
    await clients.finalReads()
    tell(`seed ${SEED}; ${await network.dropped()} packets dropped; ${summary(history)}`)
    const ok = history.count('ok')
    const needed = Math.min(ANSWERED_MIN, ANSWERED_PER_ACT_MIN * acts.length)
    assert.ok(ok >= needed, `only ${ok} requests were answered: this run proves nothing`)
    tell((campaign.judge ?? judge)(history.events))
    for (const workload of workloads) tell(`${workload.name}: ${await workload.verdict()}`)
    isWon = true
  } finally {
    if (isWon) await rm(folder, { recursive: true, force: true })
    else {
      // Or they would go on at the addresses of the next run, and be seen there as values from nowhere.
      await Promise.allSettled(atWork.map((each) => each.stop()))
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
  await eventually('requests are answered', () => history.count('ok') >= until, ANSWER_MAX_MS)
}

function summary(history: HistoryRecorder): string {
  const counts = (['ok', 'fail', 'info'] as const).map((type) => `${history.count(type)} ${type}`)
  return `${history.count('invoke')} requests: ${counts.join(', ')}`
}
