/**
 * How long a cluster is without a leader after SIGKILL of the one that led, beside etcd.
 *
 * Both have an election timeout of one second. From the kill on, the survivors are asked every 5 ms who leads,
 * and one writer sends a small PUT to one of them again and again, each with a second of patience; what counts is
 * the first one that was acknowledged. The killed member then starts again with its data, and the next kill
 * waits until it follows. Bounded: about five seconds a kill. Run alone: `node bench/cluster/failover.ts`.
 */

import { join } from 'node:path'
import { type Figure, median, printFigures } from '../figures.ts'
import { startEtcd } from './etcd-cluster.ts'
import { raftStats, startFairlead } from './fairlead-cluster.ts'
import { isInstalled, type MortalCluster, temporaryFolder, until } from './members.ts'

const KILLS = Number(process.env['BENCH_KILLS'] ?? 20)
const ELECTION_TIMEOUT_MS = 1_000
/** A server that has just started votes for nobody for an election timeout. */
const GRACE_MS = 1_500
const ASK_EVERY_MS = 5
const PATIENCE_MS = 1_000

interface Side {
  readonly cluster: MortalCluster
  /** Whether this member says that it leads. */
  readonly leads: (url: string) => Promise<boolean>
  readonly put: (url: string, key: string) => Promise<boolean>
  /** Whether this member has all that the leader has. */
  readonly follows: (url: string, leader: string) => Promise<boolean>
}

interface Outage {
  readonly leaderMs: number
  readonly writeMs: number
}

export async function benchFailover(): Promise<Figure[]> {
  await using folder = await temporaryFolder()
  const fairlead = await measure(async () => {
    return fairleadSide(await startFairlead(join(folder.path, 'fairlead')))
  })
  if (!(await isInstalled('etcd'))) return figuresOf('fairlead', fairlead)
  const etcd = await measure(async () => etcdSide(await startEtcd(join(folder.path, 'etcd'))))
  return [...figuresOf('fairlead', fairlead, etcd), ...figuresOf('etcd', etcd)]
}

async function measure(start: () => Promise<Side>): Promise<readonly Outage[]> {
  const side = await start()
  await using cluster = side.cluster
  const outages: Outage[] = []
  for (let kill = 0; kill < KILLS; kill++) {
    const leader = await cluster.leader()
    const survivors = cluster.urls.filter((url) => url !== leader)
    await until('a write before the kill', async () => await truly(side.put(leader, `${kill}`)))
    outages.push(await outage(side, { leader, survivors, key: `${kill}` }))
    await cluster.restart(leader)
    await until('the killed member to follow', async () => {
      return await truly(side.follows(leader, await cluster.leader()))
    })
    await sleep(GRACE_MS)
  }
  return outages
}

async function outage(
  side: Side,
  { leader, survivors, key }: { leader: string; survivors: readonly string[]; key: string },
): Promise<Outage> {
  const begun = performance.now()
  const dead = side.cluster.kill(leader)
  const [leaderMs, writeMs] = await Promise.all([
    untilOne(survivors, (url) => side.leads(url)).then(() => performance.now() - begun),
    untilOne(survivors.slice(0, 1), (url) => side.put(url, key)).then(
      () => performance.now() - begun,
    ),
    dead,
  ])
  return { leaderMs, writeMs }
}

/** Asks all of them in turns until one says yes. */
async function untilOne(
  urls: readonly string[],
  ask: (url: string) => Promise<boolean>,
): Promise<void> {
  let isFound = false
  await Promise.all(
    urls.map(async (url) => {
      while (!isFound) {
        if (await ask(url)) isFound = true
        else await sleep(ASK_EVERY_MS)
      }
    }),
  )
}

function fairleadSide(cluster: MortalCluster): Side {
  return {
    cluster,
    leads: async (url) => (await raftStats(url))?.['state'] === 'Leader',
    put: (url, key) => isDone(`${url}/v1/kv/failover/${key}`, { method: 'PUT', body: 'x' }),
    follows: async (url, leader) => {
      const [own, its] = await Promise.all([raftStats(url), raftStats(leader)])
      const index = Number(its?.['commit_index'])
      return own !== undefined && Number(own['applied_index']) >= index
    },
  }
}

function etcdSide(cluster: MortalCluster): Side {
  const status = async (url: string) => {
    const response = await fetch(`${url}/v3/maintenance/status`, {
      method: 'POST',
      body: '{}',
      signal: AbortSignal.timeout(PATIENCE_MS),
    })
    return (await response.json()) as {
      readonly leader?: string
      readonly raftAppliedIndex?: string
      readonly header: { readonly member_id: string }
    }
  }
  return {
    cluster,
    leads: async (url) => {
      const found = await status(url).catch(() => undefined)
      return found !== undefined && found.leader === found.header.member_id
    },
    put: (url, key) => {
      const body = JSON.stringify({ key: Buffer.from(`failover/${key}`).toString('base64') })
      return isDone(`${url}/v3/kv/put`, { method: 'POST', body })
    },
    follows: async (url, leader) => {
      const [own, its] = await Promise.all([status(url), status(leader)])
      return Number(own.raftAppliedIndex) >= Number(its.raftAppliedIndex)
    },
  }
}

async function isDone(url: string, init: RequestInit): Promise<boolean> {
  try {
    const response = await fetch(url, { ...init, signal: AbortSignal.timeout(PATIENCE_MS) })
    await response.arrayBuffer()
    return response.ok
  } catch {
    return false
  }
}

async function truly(condition: Promise<boolean>): Promise<true | undefined> {
  return (await condition.catch(() => false)) ? true : undefined
}

function figuresOf(name: string, outages: readonly Outage[], etcd?: readonly Outage[]): Figure[] {
  const figures: Figure[] = []
  for (const [what, key] of [
    ['new leader', 'leaderMs'],
    ['first write acknowledged', 'writeMs'],
  ] as const) {
    const sorted = outages.map((each) => each[key]).sort((a, b) => a - b)
    const beside = etcd?.map((each) => each[key]).sort((a, b) => a - b)
    const rows = [
      ['shortest', (list: readonly number[]) => list[0] ?? Number.NaN],
      ['median', median],
      ['longest', (list: readonly number[]) => list.at(-1) ?? Number.NaN],
    ] as const
    for (const [label, pick] of rows) {
      figures.push({
        name: `${name}: ${what}, ${label} of ${outages.length} kills`,
        value: pick(sorted),
        unit: 'ms',
        ...(beside === undefined ? {} : { mark: { name: 'etcd', value: pick(beside) } }),
      })
    }
    const within = sorted.filter((ms) => ms <= 2 * ELECTION_TIMEOUT_MS).length
    figures.push({ name: '  within 2 election timeouts', value: within, unit: 'kills' })
  }
  return figures
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

if (import.meta.main) printFigures('A leader killed', await benchFailover())
