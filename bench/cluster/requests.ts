/**
 * Requests through HTTP to three servers, beside three members of etcd on the same disk, in turns within one run.
 *
 * KV PUT and registrations at several connections, GET of one key (default, consistent, stale; etcd: linearizable
 * and serializable range) and health reads, all to the leader. wrk shares the machine's cores with all members, for
 * both sides alike, so that the CPU time of all members a request is the figure that lasts: `two cores of CPU would
 * serve` is made of it. Every case is warmed up first. Bounded: about six minutes.
 * Run alone: `node bench/cluster/requests.ts [part of a case's name]`.
 */

import { join } from 'node:path'
import { type Figure, median, printFigures } from '../figures.ts'
import { startEtcd } from './etcd-cluster.ts'
import { startFairlead } from './fairlead-cluster.ts'
import { type Cluster, isInstalled, temporaryFolder } from './members.ts'
import { ETCD_ENTRY, SCRIPTS, writeScript, wrk } from './wrk.ts'

const RUNS = Number(process.env['BENCH_RUNS'] ?? 3)
const SECONDS = Number(process.env['BENCH_SECONDS'] ?? 4)
/** Until the compilers have seen what is hot: the threads of the engine work for as long as this. */
const WARM_UP_SECONDS = 12
const INSTANCES = 10

type Scripts = Readonly<Record<keyof typeof SCRIPTS, string>>

interface Target {
  readonly script?: string
  readonly path?: string
}

interface Case {
  readonly name: string
  readonly connections: number
  readonly fairlead: Target
  readonly etcd?: Target
  /** Published for Consul 1.10 on a machine of this class; requests a second. */
  readonly consul?: number
}

interface Side {
  readonly cluster: Cluster
  readonly target: Target
  readonly rates: number[]
  readonly cpuUs: number[]
}

export async function benchRequests(filter = ''): Promise<Figure[]> {
  if (!(await isInstalled('wrk'))) {
    console.log('cluster/requests: wrk is not installed; this benchmark is left out')
    return []
  }
  await using folder = await temporaryFolder()
  await using fairlead = await startFairlead(join(folder.path, 'fairlead'))
  await using etcd = (await isInstalled('etcd')) ? await startEtcd(join(folder.path, 'etcd')) : null
  if (etcd === null) console.log('cluster/requests: etcd is not installed; no comparison with it')
  await prepareReads(await fairlead.leader())
  if (etcd !== null) await prepareEtcd(await etcd.leader())
  const figures: Figure[] = []
  for (const each of casesWith(await writeScripts(folder.path))) {
    if (each.name.includes(filter)) figures.push(...(await compare(each, fairlead, etcd)))
  }
  return figures
}

async function writeScripts(folder: string): Promise<Scripts> {
  const written = Object.entries(SCRIPTS).map(async ([name, expression]) => {
    return [name, await writeScript(join(folder, `${name}.lua`), expression)] as const
  })
  return Object.fromEntries(await Promise.all(written)) as Scripts
}

function casesWith(scripts: Scripts): readonly Case[] {
  const puts = [1, 32, 128].map((connections, i): Case => {
    return {
      name: `KV PUT, ${connections} connections`,
      connections,
      fairlead: { script: scripts.fairleadPut },
      etcd: { script: scripts.etcdPut },
      consul: [570, 3_900, 5_400][i] ?? 0,
    }
  })
  const registrations = [32, 128].map((connections): Case => {
    return {
      name: `catalog/register, ${connections} connections`,
      connections,
      fairlead: { script: scripts.fairleadRegister },
      consul: 2_200,
    }
  })
  return [
    ...puts,
    ...registrations,
    {
      name: 'KV GET, default',
      connections: 32,
      fairlead: { path: '/v1/kv/bench/000001' },
      etcd: { script: scripts.etcdGet },
      consul: 32_000,
    },
    {
      name: 'KV GET, consistent',
      connections: 32,
      fairlead: { path: '/v1/kv/bench/000001?consistent' },
      etcd: { script: scripts.etcdGet },
    },
    {
      name: 'KV GET, stale',
      connections: 32,
      fairlead: { path: '/v1/kv/bench/000001?stale' },
      etcd: { script: scripts.etcdSerializableGet },
    },
    {
      name: `health/service of ${INSTANCES} instances`,
      connections: 32,
      fairlead: { path: '/v1/health/service/ten?passing' },
      consul: 8_500,
    },
  ]
}

async function prepareReads(leader: string): Promise<void> {
  for (let i = 0; i < INSTANCES; i++) {
    await done(`${leader}/v1/catalog/register`, 'PUT', {
      Node: `ten-${i}`,
      Address: `10.0.1.${i}`,
      Service: { ID: 'ten', Service: 'ten', Port: 8080, Tags: ['v1'], Meta: { owner: 'ops' } },
      Check: { CheckID: 'ten', Name: 'ten', Status: 'passing', ServiceID: 'ten' },
    })
  }
  await done(`${leader}/v1/kv/bench/000001`, 'PUT', 'x'.repeat(126))
}

async function prepareEtcd(leader: string): Promise<void> {
  await done(`${leader}/v3/kv/put`, 'POST', ETCD_ENTRY)
}

async function done(url: string, method: string, body: unknown): Promise<void> {
  const response = await fetch(url, { method, body: JSON.stringify(body) })
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`)
}

async function compare(each: Case, fairlead: Cluster, etcd: Cluster | null): Promise<Figure[]> {
  const ours = sideOf(fairlead, each.fairlead)
  const theirs = etcd === null || each.etcd === undefined ? null : sideOf(etcd, each.etcd)
  const sides = theirs === null ? [ours] : [ours, theirs]
  for (const side of sides) await load(side, each.connections, WARM_UP_SECONDS)
  for (let i = 0; i < RUNS; i++) {
    for (const side of sides) {
      const before = side.cluster.cpuMs()
      const { requests, perSecond } = await load(side, each.connections, SECONDS)
      side.rates.push(perSecond)
      side.cpuUs.push(((side.cluster.cpuMs() - before) * 1_000) / requests)
    }
  }
  const figures = [
    figureOf(each.name, 'requests/s', ours.rates, theirs && ['etcd', theirs.rates]),
    figureOf('  CPU of all', 'µs a request', ours.cpuUs, theirs && ['etcd', theirs.cpuUs]),
  ]
  if (each.consul === undefined) return figures
  const served = ours.cpuUs.map((us) => 2e6 / us)
  const beside = ['Consul 1.10 (published)', [each.consul]] as const
  return [...figures, figureOf('  two cores of CPU would serve', 'requests/s', served, beside)]
}

function sideOf(cluster: Cluster, target: Target): Side {
  return { cluster, target, rates: [], cpuUs: [] }
}

async function load({ cluster, target }: Side, connections: number, seconds: number) {
  return await wrk(`${await cluster.leader()}${target.path ?? ''}`, {
    connections,
    seconds,
    ...(target.script === undefined ? {} : { script: target.script }),
  })
}

function figureOf(
  name: string,
  unit: string,
  values: readonly number[],
  mark: readonly [string, readonly number[]] | null,
): Figure {
  return {
    name,
    value: median(values),
    unit,
    spread: (Math.max(...values) - Math.min(...values)) / 2,
    ...(mark === null ? {} : { mark: { name: mark[0], value: median(mark[1]) } }),
  }
}

if (import.meta.main) {
  printFigures('Requests to three servers', await benchRequests(process.argv[2]))
}
