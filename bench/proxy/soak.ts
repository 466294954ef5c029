/**
 * The soak: two proxies at full load for SOAK_MINUTES (10 with `npm run soak`) while applications and further peers are
 * killed at random and come back.
 *
 * One calling proxy lives throughout, and so does one called one; two more called proxies and all three applications are
 * killed by SIGKILL, one every few seconds. @throws when an answer was wrong, a request stuck, or a connection left over.
 * Replayed by SOAK_SEED, as far as the machine's own timing allows.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { ProxyStats, ProxyToAgent } from '../../core/mesh/proxy-control.ts'
import type { ProxySnapshot } from '../../core/mesh/proxy-snapshot.ts'
import { type Rng, seededRng } from '../../core/rng.ts'
import { systemClock } from '../../runtime/clock/system-clock.ts'
import { type Figure, median } from '../figures.ts'
import { rssBytes } from '../process-stats.ts'
import { type BenchCertificates, makeCertificates } from './certificates.ts'
import { end, freePorts, ready } from './processes.ts'
import { calleeSnapshot, callerSnapshot, configure, SNI } from './snapshots.ts'
import { SoakCaller, SoakCounts } from './soak-caller.ts'

const MINUTES = Number(process.env['SOAK_MINUTES'] ?? 1)
const SEED = Number(process.env['SOAK_SEED'] ?? 1)
const CALLERS = 48
const INSTANCES = 3
const SAMPLE_MS = 5000
/** Between two kills, and until what was killed is started again, at most. */
const KILL_EVERY_MS = 6000
const AWAY_MAX_MS = 2000
/** Memory counts from then on: until then pools and compiled code grow. */
const WARM_SHARE = 0.3
const LEFT_OVER_MS = 15_000

interface Instance {
  readonly ports: { readonly front: number; readonly middle: number; readonly app: number }
  readonly socket: string
  app: ChildProcess
  proxy: ChildProcess
}

interface Scene {
  readonly folder: string
  readonly certificates: BenchCertificates
  readonly children: Set<ChildProcess>
}

export async function soak(): Promise<Figure[]> {
  const folder = await mkdtemp(join(tmpdir(), 'fairlead-soak-'))
  const scene: Scene = {
    folder,
    certificates: await makeCertificates(folder, SNI),
    children: new Set(),
  }
  try {
    return await run(scene)
  } finally {
    await Promise.all([...scene.children].map(async (child) => await end(child)))
    await rm(folder, { recursive: true, force: true })
  }
}

async function run(scene: Scene): Promise<Figure[]> {
  const rng = seededRng(SEED)
  const [front = 0] = await freePorts(1)
  const instances: Instance[] = []
  for (let i = 0; i < INSTANCES; i++) instances.push(await startInstance(i, front, scene))
  const callerSocket = join(scene.folder, 'caller.sock')
  const caller = start('proxy-process.ts', [callerSocket, 'mux'], scene)
  await ready(callerSocket)
  await configure(callerSocket, callerOf(front, instances, scene.certificates))

  const counts = new SoakCounts()
  const over = new AbortController()
  const callers = Array.from({ length: CALLERS }, async (_, i) => {
    await new SoakCaller(`c${i}`, front, rng.fork(`caller ${i}`), counts).run(over.signal)
  })
  const survivor = instances[0]?.proxy.pid ?? 0
  const memory = { caller: [] as number[], called: [] as number[] }
  const sampler = setInterval(() => {
    memory.caller.push(rssBytes(caller.pid ?? 0))
    memory.called.push(rssBytes(survivor))
  }, SAMPLE_MS)
  const kills = await killAtRandom(instances, rng.fork('kills'), scene)
  clearInterval(sampler)
  over.abort()
  await Promise.all(callers)
  const left = await leftOver(callerSocket)
  console.log(
    `errors while instances were away: ${JSON.stringify(Object.fromEntries(counts.errors))}`,
  )
  if (counts.wrong.length > 0) throw new Error(`wrong answers: ${counts.wrong.slice(0, 5)}`)
  if (counts.stuck > 0) throw new Error(`${counts.stuck} requests were stuck`)
  if (left > 0) throw new Error(`${left} connections of callers that have gone are left`)
  const mb = (bytes: number): number => bytes / 1024 / 1024
  const seconds = MINUTES * 60
  const called = counts.right + counts.failed
  return [
    { name: 'requests answered rightly', value: counts.right, unit: '' },
    { name: 'a second', value: counts.right / seconds, unit: 'requests' },
    { name: 'bytes a second, both ways', value: mb(counts.bytes) / seconds, unit: 'MB' },
    { name: 'wrong answers', value: counts.wrong.length, unit: '' },
    { name: 'stuck requests', value: counts.stuck, unit: '' },
    { name: 'SIGKILLs to applications and peers', value: kills, unit: '' },
    {
      name: 'requests that failed meanwhile',
      value: (counts.failed * 1e6) / called,
      unit: 'in a million',
    },
    { name: 'slowest answer', value: counts.slowestMs, unit: 'ms' },
    ...memoryFigures('calling proxy', memory.caller),
    ...memoryFigures('called proxy', memory.called),
  ]
}

/** Medians of minutes: what a collection of garbage is about to free is no leak. */
function memoryFigures(name: string, samples: readonly number[]): Figure[] {
  const mb = samples.map((bytes) => bytes / 1024 / 1024)
  const perMinute = 60_000 / SAMPLE_MS
  const minutes: number[] = []
  for (let i = 0; i < mb.length; i += perMinute) minutes.push(median(mb.slice(i, i + perMinute)))
  console.log(`${name}, resident, median of each minute: ${minutes.map(Math.round).join(' ')} MB`)
  const warm = minutes.slice(Math.floor(minutes.length * WARM_SHARE))
  return [
    { name: `${name}, resident, first minute once warm`, value: warm[0] ?? 0, unit: 'MB' },
    { name: `${name}, resident, last minute`, value: warm.at(-1) ?? 0, unit: 'MB' },
    { name: `${name}, most`, value: Math.max(...mb), unit: 'MB' },
    { name: `${name}, growth a minute once warm`, value: slope(warm), unit: 'MB' },
  ]
}

/** Of the line that fits best, for each step. */
function slope(values: readonly number[]): number {
  const middle = (values.length - 1) / 2
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  let above = 0
  let below = 0
  for (const [i, value] of values.entries()) {
    above += (i - middle) * (value - mean)
    below += (i - middle) ** 2
  }
  return below === 0 ? 0 : above / below
}

/** @returns how often */
async function killAtRandom(
  instances: readonly Instance[],
  rng: Rng,
  scene: Scene,
): Promise<number> {
  const until = systemClock.now() + MINUTES * 60_000
  let kills = 0
  for (;;) {
    await pause(rng.range(KILL_EVERY_MS / 2, KILL_EVERY_MS))
    if (systemClock.now() > until) return kills
    const instance = instances[rng.range(0, instances.length)] as Instance
    // The proxy of the first lives throughout.
    const isProxy = instance !== instances[0] && rng.range(0, 2) === 0
    const victim = isProxy ? instance.proxy : instance.app
    const gone = once(victim, 'exit')
    victim.kill('SIGKILL')
    await gone
    scene.children.delete(victim)
    kills++
    await pause(rng.range(0, AWAY_MAX_MS))
    if (isProxy) await startProxy(instance, scene)
    else await startApp(instance, scene)
  }
}

async function startInstance(i: number, front: number, scene: Scene): Promise<Instance> {
  const [middle = 0, app = 0] = await freePorts(2)
  const instance = {
    ports: { front, middle, app },
    socket: join(scene.folder, `callee-${i}.sock`),
  } as Instance
  await startApp(instance, scene)
  await startProxy(instance, scene)
  return instance
}

async function startApp(instance: Instance, scene: Scene): Promise<void> {
  instance.app = start('soak-app.ts', [`${instance.ports.app}`], scene)
  await ready(instance.ports.app)
}

async function startProxy(instance: Instance, scene: Scene): Promise<void> {
  instance.proxy = start('proxy-process.ts', [instance.socket, 'mux'], scene)
  await ready(instance.socket)
  await configure(instance.socket, calleeSnapshot(instance.ports, scene.certificates, 'http'))
}

function start(script: string, args: readonly string[], { children }: Scene): ChildProcess {
  const child = spawn(process.execPath, [join(import.meta.dirname, script), ...args], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  children.add(child)
  return child
}

function callerOf(
  front: number,
  instances: readonly Instance[],
  certificates: BenchCertificates,
): ProxySnapshot {
  const ports = { front, middle: 0, app: 0 }
  const snapshot = callerSnapshot(ports, certificates, 'http')
  const endpoints = instances.map(({ ports: { middle } }, i) => ({
    id: `b/p${i}`,
    address: '127.0.0.1',
    port: middle,
    weight: 1,
    healthy: true,
  }))
  return { ...snapshot, clusters: snapshot.clusters.map((cluster) => ({ ...cluster, endpoints })) }
}

/** Connections that the proxy still counts when its callers have gone. */
async function leftOver(socketPath: string): Promise<number> {
  const deadline = systemClock.now() + LEFT_OVER_MS
  for (;;) {
    const { outboundConnections } = await statsOf(socketPath)
    if (outboundConnections === 0 || systemClock.now() > deadline) return outboundConnections
    await pause(200)
  }
}

async function statsOf(socketPath: string): Promise<ProxyStats> {
  const socket = connect({ path: socketPath })
  await once(socket, 'connect')
  socket.write('{"kind":"stats"}\n')
  try {
    for await (const line of createInterface({ input: socket })) {
      const message = JSON.parse(line) as ProxyToAgent
      if (message.kind === 'stats') return message.stats
    }
  } finally {
    socket.destroy()
  }
  throw new Error('the proxy closed its control socket')
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms))
}
