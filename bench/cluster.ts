/**
 * Three servers beside three members of etcd, on the same disk, in turns within one run.
 *
 * KV PUT through HTTP (etcd: its JSON gateway) at 1, 32 and 128 connections to the leader, registrations,
 * default, stale and consistent GET, health reads. wrk and all servers share the machine's cores, for both
 * alike. Bounded: about two minutes. Run alone: `node bench/cluster.ts [filter]`.
 */

import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startEtcd } from './cluster/etcd-cluster.ts'
import { startFairlead } from './cluster/fairlead-cluster.ts'
import type { Cluster } from './cluster/members.ts'
import { SCRIPTS, writeScript, wrk } from './cluster/wrk.ts'
import { type Figure, median, printFigures } from './figures.ts'

const run = promisify(execFile)
const RUNS = Number(process.env['BENCH_RUNS'] ?? 3)
const SECONDS = Number(process.env['BENCH_SECONDS'] ?? 4)
const INSTANCES = 10

interface Case {
  readonly name: string
  readonly connections: number
  readonly fairlead: { readonly script?: string; readonly path?: string }
  readonly etcd?: { readonly script: string }
  /** Published for Consul 1.10 on a machine of this class; requests a second. */
  readonly consul?: number
}

export async function benchCluster(filter = ''): Promise<Figure[]> {
  if (!(await isInstalled('wrk'))) {
    console.log('cluster: wrk is not installed; this benchmark is left out')
    return []
  }
  const folder = await mkdtemp(join(process.env['BENCH_FOLDER'] ?? tmpdir(), 'fairlead-bench-'))
  try {
    await using fairlead = await startFairlead(join(folder, 'fairlead'))
    await using etcd = (await isInstalled('etcd')) ? await startEtcd(join(folder, 'etcd')) : null
    if (etcd === null) console.log('cluster: etcd is not installed; no comparison with it')
    const cases = (await makeCases(folder)).filter((each) => each.name.includes(filter))
    await prepareReads(await fairlead.leader())
    const figures: Figure[] = []
    for (const each of cases) figures.push(...(await compare(each, fairlead, etcd)))
    return figures
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function makeCases(folder: string): Promise<readonly Case[]> {
  const script = async (name: keyof typeof SCRIPTS): Promise<string> =>
    await writeScript(join(folder, `${name}.lua`), SCRIPTS[name])
  const [put, etcdPut, register, etcdGet, etcdStale] = await Promise.all([
    script('fairleadPut'),
    script('etcdPut'),
    script('fairleadRegister'),
    script('etcdGet'),
    script('etcdSerializableGet'),
  ])
  const puts = [1, 32, 128].map(
    (connections, i): Case => ({
      name: `KV PUT, ${connections} connections`,
      connections,
      fairlead: { script: put },
      etcd: { script: etcdPut },
      consul: [570, 3_900, 5_400][i] ?? 0,
    }),
  )
  return [
    ...puts,
    {
      name: 'catalog/register, 32 connections',
      connections: 32,
      fairlead: { script: register },
      consul: 2_200,
    },
    {
      name: 'KV GET, default',
      connections: 32,
      fairlead: { path: '/v1/kv/bench/000001' },
      etcd: { script: etcdGet },
      consul: 32_000,
    },
    {
      name: 'KV GET, consistent',
      connections: 32,
      fairlead: { path: '/v1/kv/bench/000001?consistent' },
      etcd: { script: etcdGet },
    },
    {
      name: 'KV GET, stale',
      connections: 32,
      fairlead: { path: '/v1/kv/bench/000001?stale' },
      etcd: { script: etcdStale },
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
    const response = await fetch(`${leader}/v1/catalog/register`, {
      method: 'PUT',
      body: JSON.stringify({
        Node: `ten-${i}`,
        Address: `10.0.1.${i}`,
        Service: { ID: 'ten', Service: 'ten', Port: 8080, Tags: ['v1'], Meta: { owner: 'ops' } },
        Check: { CheckID: 'ten', Name: 'ten', Status: 'passing', ServiceID: 'ten' },
      }),
    })
    if (!response.ok) throw new Error(`register: ${response.status} ${await response.text()}`)
  }
  await fetch(`${leader}/v1/kv/bench/000001`, { method: 'PUT', body: 'x'.repeat(126) })
}

async function compare(each: Case, fairlead: Cluster, etcd: Cluster | null): Promise<Figure[]> {
  const ours = { cluster: fairlead, rates: [] as number[], cpus: [] as number[], ...each.fairlead }
  const theirs =
    etcd === null || each.etcd === undefined
      ? null
      : { cluster: etcd, rates: [] as number[], cpus: [] as number[], ...each.etcd }
  for (let i = 0; i < RUNS; i++) {
    for (const side of [ours, theirs]) {
      if (side === null) continue
      const path = 'path' in side && side.path !== undefined ? side.path : ''
      const script = 'script' in side ? side.script : undefined
      const before = side.cluster.cpuMs()
      const { requests, perSecond } = await wrk(`${await side.cluster.leader()}${path}`, {
        connections: each.connections,
        seconds: SECONDS,
        ...(script === undefined ? {} : { script }),
      })
      side.rates.push(perSecond)
      side.cpus.push(((side.cluster.cpuMs() - before) * 1_000) / requests)
    }
  }
  const figures: Figure[] = [
    figureOf(`${each.name}`, 'requests/s', ours.rates, theirs && ['etcd', median(theirs.rates)]),
    figureOf(
      '  CPU of all servers',
      'µs a request',
      ours.cpus,
      theirs && ['etcd', median(theirs.cpus)],
    ),
  ]
  if (each.consul !== undefined) {
    figures.push(
      figureOf(
        '  two cores of CPU would serve',
        'requests/s',
        ours.cpus.map((us) => 2e6 / us),
        ['Consul 1.10 (published)', each.consul],
      ),
    )
  }
  return figures
}

function figureOf(
  name: string,
  unit: string,
  values: readonly number[],
  mark: readonly [string, number] | null,
): Figure {
  return {
    name,
    value: median(values),
    unit,
    spread: (Math.max(...values) - Math.min(...values)) / 2,
    ...(mark === null ? {} : { mark: { name: mark[0], value: mark[1] } }),
  }
}

async function isInstalled(tool: string): Promise<boolean> {
  try {
    await run('sh', ['-c', `command -v ${tool}`])
    return true
  } catch {
    return false
  }
}

if (import.meta.main) {
  printFigures('Three servers beside etcd', await benchCluster(process.argv[2]))
}
