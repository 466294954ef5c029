/**
 * The proxy of a host in a large mesh: BENCH_LOCAL local services and BENCH_CLUSTERS destinations of 100 endpoints, each
 * with a listener of its own, until it serves; what a change of one endpoint costs it, beside a tenth of the destinations;
 * and the memory of idle and of busy connections.
 *
 * Idle connections have had one answer and are kept. A process may open 20,000 files here, so their callers are in
 * processes of their own. The application is NGINX. Run alone: `npm run bench -- proxy/scale`.
 */

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import type { AgentToProxy, ProxyToAgent } from '../../core/mesh/proxy-control.ts'
import type { Cluster, Endpoint, ProxySnapshot } from '../../core/mesh/proxy-snapshot.ts'
import { patchOf } from '../../core/mesh/snapshot-patch.ts'
import { serviceSni } from '../../core/mesh/spiffe.ts'
import { systemClock } from '../../runtime/clock/system-clock.ts'
import { type Figure, median } from '../figures.ts'
import { cpuMs, rssBytes } from '../process-stats.ts'
import { type BenchCertificates, makeCertificates, TRUST_DOMAIN } from './certificates.ts'
import { nginxApp } from './peers.ts'
import { end, freePorts, ready } from './processes.ts'
import { calleeSnapshot, callerSnapshot, SNI } from './snapshots.ts'

const LOCAL = Number(process.env['BENCH_LOCAL'] ?? 200)
const CLUSTERS = Number(process.env['BENCH_CLUSTERS'] ?? 1000)
const ENDPOINTS = 100
const STARTS = Number(process.env['BENCH_RUNS'] ?? 3)
const CHANGES = Number(process.env['BENCH_CHANGES'] ?? 100)
const IDLE = Number(process.env['BENCH_IDLE'] ?? 18_000)
const IDLE_CROWDS = 2
const BUSY = Number(process.env['BENCH_BUSY'] ?? 5000)
const BUSY_SECONDS = 8
const SETTLE_MS = 2000
const MB = 1024 * 1024
/** The limits of 1,024 would refuse what is to be measured. */
const UNLIMITED = { maxConnections: 100, maxPending: 100_000, maxRequests: 100_000 }
/** As bin/fairlead starts it. */
const LAUNCHED = {
  MALLOC_ARENA_MAX: '1',
  NODE_COMPILE_CACHE: join(import.meta.dirname, '../../node_modules/.cache/fairlead'),
}

/** The agent's end of one proxy's control socket. */
class Control implements Disposable {
  readonly #socket: Socket
  readonly #lines: AsyncIterator<string>
  #sent: ProxySnapshot | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    this.#lines = createInterface({ input: socket })[Symbol.asyncIterator]()
  }

  static async open(path: string): Promise<Control> {
    const socket = connect({ path })
    await once(socket, 'connect')
    return new Control(socket)
  }

  /** As the agent: the whole, then what changed. Resolves when it is in force. */
  async configure(snapshot: ProxySnapshot): Promise<void> {
    const before = this.#sent
    this.#sent = snapshot
    const message: AgentToProxy =
      before === undefined
        ? { kind: 'configure', snapshot }
        : { kind: 'patch', patch: patchOf(before, snapshot) }
    this.#socket.write(`${JSON.stringify(message)}\n`)
    for (;;) {
      const { value, done } = await this.#lines.next()
      if (done === true) throw new Error('the proxy closed its control socket')
      const answer = JSON.parse(value) as ProxyToAgent
      if (answer.kind !== 'configured') continue
      if (answer.problems.length > 0) throw new Error(JSON.stringify(answer.problems.slice(0, 3)))
      return
    }
  }

  [Symbol.dispose](): void {
    this.#socket.destroy()
  }
}

interface Scene {
  readonly folder: string
  readonly certificates: BenchCertificates
  readonly children: ChildProcess[]
}

export async function benchScale(): Promise<Figure[]> {
  const folder = await mkdtemp(join(tmpdir(), 'fairlead-scale-'))
  const certificates = await makeCertificates(folder, SNI)
  const scene: Scene = { folder, certificates, children: [] }
  try {
    return [...(await startAndChange(scene)), ...(await connections(scene))]
  } finally {
    await Promise.all(scene.children.map(async (child) => await end(child)))
    await rm(folder, { recursive: true, force: true })
  }
}

async function startAndChange(scene: Scene): Promise<Figure[]> {
  const starts: number[] = []
  const startCpu: number[] = []
  let memory = 0
  let whole = 0
  for (let i = 0; i < STARTS; i++) {
    const wanted = await largeSnapshot(scene.certificates, CLUSTERS)
    const startedAt = systemClock.now()
    const { child, control } = await startProxy(`large-${i}`, scene)
    await control.configure(wanted)
    starts.push(systemClock.now() - startedAt)
    startCpu.push(cpuMs(child.pid ?? 0))
    memory = rssBytes(child.pid ?? 0)
    if (i === STARTS - 1) whole = await changeCost(child, control, wanted)
    control[Symbol.dispose]()
    await end(child)
  }
  const few = await largeSnapshot(scene.certificates, CLUSTERS / 10)
  const { child, control } = await startProxy('small', scene)
  await control.configure(few)
  const tenth = await changeCost(child, control, few)
  control[Symbol.dispose]()
  await end(child)
  return [
    {
      name: `start until ${LOCAL} services and ${CLUSTERS} × ${ENDPOINTS} endpoints are served`,
      value: median(starts) / 1000,
      unit: 's',
      mark: { name: 'the mark', value: 3 },
    },
    { name: 'CPU of that', value: median(startCpu) / 1000, unit: 's' },
    { name: 'resident then', value: memory / MB, unit: 'MB' },
    {
      name: `CPU of a change of one endpoint, ${CLUSTERS / 10} destinations`,
      value: tenth,
      unit: 'ms',
    },
    {
      name: `CPU of a change of one endpoint, ${CLUSTERS} destinations`,
      value: whole,
      unit: 'ms',
      mark: { name: 'that of a tenth', value: tenth },
    },
  ]
}

/** @returns ms of the proxy's CPU for each */
async function changeCost(
  child: ChildProcess,
  control: Control,
  first: ProxySnapshot,
): Promise<number> {
  let snapshot = first
  const flip = async (i: number): Promise<void> => {
    const at = (i * 7) % snapshot.clusters.length
    const clusters = snapshot.clusters.map((cluster, j) => (j === at ? flipped(cluster) : cluster))
    snapshot = { ...snapshot, version: snapshot.version + 1, clusters }
    await control.configure(snapshot)
  }
  for (let i = 0; i < CHANGES / 4; i++) await flip(i)
  const before = cpuMs(child.pid ?? 0)
  for (let i = 0; i < CHANGES; i++) await flip(i)
  return (cpuMs(child.pid ?? 0) - before) / CHANGES
}

function flipped(cluster: Cluster): Cluster {
  const [first, ...rest] = cluster.endpoints as readonly [Endpoint, ...Endpoint[]]
  return { ...cluster, endpoints: [{ ...first, healthy: !first.healthy }, ...rest] }
}

async function largeSnapshot(
  certificates: BenchCertificates,
  count: number,
): Promise<ProxySnapshot> {
  const [appPort = 0] = await freePorts(1)
  const inboundPorts = await freePorts(LOCAL)
  const base = callerSnapshot({ front: 0, middle: 0, app: 0 }, certificates, 'http')
  const [inbound] = calleeSnapshot(
    { front: 0, middle: 0, app: appPort },
    certificates,
    'http',
  ).inbound
  const [outbound] = base.outbound
  if (inbound === undefined || outbound === undefined) throw new Error('no listener to copy')
  const names = Array.from({ length: count }, (_, i) => `service-${`${i}`.padStart(4, '0')}`)
  const locals = inboundPorts.map((port, i) => ({ port, name: `local-${i}` }))
  return {
    ...base,
    identities: [
      certificates.web,
      ...locals.map(({ name }) => ({ ...certificates.payments, id: `svc/${name}` })),
    ],
    inbound: locals.map(({ port, name }) => ({
      ...inbound,
      id: `${name}-sidecar`,
      serviceName: name,
      serviceId: name,
      identityId: `svc/${name}`,
      bind: { address: '127.0.0.1', port },
    })),
    outbound: names.map((name, i) => ({
      ...outbound,
      id: name,
      clusterId: serviceSni(TRUST_DOMAIN, 'dc1', name),
      bind: { address: `127.77.${Math.floor(i / 250)}.${1 + (i % 250)}`, port: appPort },
    })),
    clusters: names.map((name, i) => ({
      ...(base.clusters[0] as Cluster),
      id: serviceSni(TRUST_DOMAIN, 'dc1', name),
      serviceName: name,
      sni: serviceSni(TRUST_DOMAIN, 'dc1', name),
      endpoints: Array.from({ length: ENDPOINTS }, (_, j) => ({
        id: `node-${j}/${name}`,
        address: `10.${Math.floor(i / 250)}.${i % 250}.${1 + j}`,
        port: 20_000,
        weight: 1,
        healthy: true,
      })),
    })),
  }
}

/** On a path of two hops, of which the calling proxy holds the connections. */
async function connections(scene: Scene): Promise<Figure[]> {
  if (!(await isInstalled('nginx')) || !(await isInstalled('wrk'))) {
    console.log('proxy/scale: nginx or wrk is not installed; connections are left out')
    return []
  }
  const [front = 0, middle = 0, app = 0] = await freePorts(3)
  await startNginx(app, scene)
  const ports = { front, middle, app }
  const callee = await startProxy('callee', scene)
  await callee.control.configure(calleeSnapshot(ports, scene.certificates, 'http'))
  const caller = await startProxy('caller', scene)
  await caller.control.configure({
    ...callerSnapshot(ports, scene.certificates, 'http'),
    callerSettings: [{ identityId: scene.certificates.web.id, defaults: UNLIMITED, byCluster: {} }],
  })
  const pid = caller.child.pid ?? 0
  await pause(SETTLE_MS)
  const fresh = rssBytes(pid)
  const crowds = []
  for (let i = 0; i < IDLE_CROWDS; i++) crowds.push(await startCrowd(front, i, scene))
  await pause(SETTLE_MS)
  const idle = rssBytes(pid)
  const idleCpuFrom = cpuMs(pid)
  await pause(5000)
  const idleCpu = (cpuMs(pid) - idleCpuFrom) / 5000
  await Promise.all(crowds.map(async (child) => await end(child)))
  await pause(SETTLE_MS)
  const { stdout } = await promisify(execFile)('wrk', [
    ...['-t', '1', '-c', `${BUSY}`, '-d', `${BUSY_SECONDS}s`, '--timeout', '10s'],
    `http://127.0.0.1:${front}/`,
  ])
  const busy = rssBytes(pid)
  const socketErrors = /Socket errors: (.*)/.exec(stdout)?.[1]
  if (socketErrors !== undefined) console.log(`proxy/scale: errors of wrk: ${socketErrors}`)
  const perSecond = Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1] ?? Number.NaN)
  for (const { control } of [caller, callee]) control[Symbol.dispose]()
  return [
    {
      name: 'resident, idle, nothing open',
      value: fresh / MB,
      unit: 'MB',
      mark: { name: 'the mark', value: 60 },
    },
    { name: `resident with ${IDLE} idle connections`, value: idle / MB, unit: 'MB' },
    {
      name: 'for each of them',
      value: (idle - fresh) / IDLE / 1024,
      unit: 'KiB',
      mark: { name: 'the mark', value: 12 },
    },
    { name: 'CPU while they are idle', value: idleCpu * 100, unit: '% of a core' },
    { name: `resident after ${BUSY} busy connections`, value: busy / MB, unit: 'MB' },
    { name: 'requests a second of these', value: perSecond, unit: '' },
  ]
}

async function startCrowd(port: number, i: number, { children }: Scene): Promise<ChildProcess> {
  const script = join(import.meta.dirname, 'idle-crowd.ts')
  const args = [script, `${port}`, `127.0.0.${10 + i}`, `${Math.floor(IDLE / IDLE_CROWDS)}`]
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  children.push(child)
  for await (const line of createInterface({ input: child.stdout })) {
    if (line === 'idle') return child
  }
  throw new Error('a crowd of callers ended')
}

async function startProxy(
  name: string,
  { folder, children }: Scene,
): Promise<{ readonly child: ChildProcess; readonly control: Control }> {
  const path = join(folder, `${name}.sock`)
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, 'proxy-process.ts'), path, 'mux'],
    { stdio: 'inherit', env: { ...process.env, ...LAUNCHED } },
  )
  children.push(child)
  await ready(path)
  return { child, control: await Control.open(path) }
}

async function startNginx(port: number, { folder, children }: Scene): Promise<void> {
  const own = join(folder, 'nginx')
  await mkdir(own)
  await writeFile(join(own, 'config'), nginxApp(port))
  children.push(spawn('nginx', ['-p', own, '-c', join(own, 'config')], { stdio: 'inherit' }))
  await ready(port)
}

async function isInstalled(tool: string): Promise<boolean> {
  return await promisify(execFile)('which', [tool]).then(
    () => true,
    () => false,
  )
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms))
}
