/**
 * How long a change of the catalog takes until the calls through every other host's proxy follow it, in a fleet of
 * three servers and twelve clients.
 *
 * Every client runs its proxy, as in a mesh, and is called through it (proxy-eye.ts). One service has one healthy
 * instance that comes and goes: a registration, a check that fails and passes again, BENCH_ROUNDS (40) times on
 * clients in turn; who has it is who gets its answer, or gets none. Another has an instance on every host: of
 * these hosts the agents are killed (SIGKILL), one after another, while all that runs there goes on serving, so that gossip
 * alone can tell; a host is found when the last call ended there. Bounded: about four minutes.
 * Run alone: `node bench/fleet/proxies.ts`.
 */

import { join } from 'node:path'
import { expectedDetectionMs } from '../../core/swim/expected-times.ts'
import { LAN_TIMING } from '../../core/swim/timing.ts'
import { startFairlead } from '../cluster/fairlead-cluster.ts'
import { temporaryFolder } from '../cluster/members.ts'
import { type Figure, printFigures } from '../figures.ts'
import { cpuMs, processesMentioning } from '../process-stats.ts'
import { type Clients, type FleetAgent, startClients } from './clients.ts'
import { type App, put, registerMeshed, sharedAddress, startApp } from './mesh-apps.ts'
import { NONE_HEALTHY, ProxyEye } from './proxy-eye.ts'
import { except, figuresOf, noTimes, seen, type Times, timed } from './times.ts'

const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 40)
const CLIENTS = Number(process.env['BENCH_CLIENTS'] ?? 12)
const KILLS = Math.min(Number(process.env['BENCH_KILLS'] ?? 3), Math.max(0, CLIENTS - 3))
const SERVERS = 3
/** Has one healthy instance or none. */
const COMES = 'comes'
/** Has an instance on every client. */
const STAYS = 'stays'
/** Seldom enough that a dozen of them do not load what they measure. */
const CALL_EVERY_MS = 5
/** One in twelve calls goes to the host that was killed. */
const WATCH_EVERY_MS = 10
const MARK = { name: 'the mark', value: 100 }
const FOUND_MAX_MS = 60_000
/** No call has ended at a host for this long, though each would have had some dozen there. */
const QUIET_MS = 4_000
const SETTLE_MAX_MS = 30_000
const FIRST_SIDECAR_PORT = 21_400

interface Host {
  readonly agent: FleetAgent
  readonly app: App
}

export async function benchProxies(): Promise<Figure[]> {
  await using folder = await temporaryFolder()
  // Proxies outlive their agents; so this ends after every agent, or one would start its proxy anew.
  await using _leftovers = {
    [Symbol.asyncDispose]: async () => processesMentioning(folder.path).forEach(kill),
  }
  await using cluster = await startFairlead(join(folder.path, 'servers'), {
    size: SERVERS,
    hcl: (number) => meshHcl(100 + number),
  })
  await using clients = await startClients(folder.path, await cluster.leader(), CLIENTS, meshHcl)
  await using apps = new AsyncDisposableStack()
  const hosts: Host[] = []
  for (const agent of clients.agents) {
    hosts.push({ agent, app: apps.use(await startApp(agent.name)) })
  }
  const pids = {
    servers: cluster.urls.map((url) => cluster.pidOf(url)),
    clients: clients.agents.map(({ name }) => clients.pidOf(name)),
  }
  const changes = await changesSeen(hosts, () => ({
    'all servers': cpuOf(pids.servers),
    'all clients': cpuOf(pids.clients),
    // All but the agents that belong to this folder.
    'all proxies': cpuOf(
      processesMentioning(folder.path).filter(
        (pid) => !pids.servers.includes(pid) && !pids.clients.includes(pid),
      ),
    ),
  }))
  const killed = KILLS === 0 ? noTimes() : await killedSeen(hosts, clients)
  return [
    ...figuresOf('registration', changes.registered, MARK),
    ...figuresOf('check fails', changes.failed, MARK),
    ...figuresOf('check passes', changes.passed, MARK),
    ...changes.cost,
    ...(KILLS === 0
      ? []
      : figuresOf('host killed', killed, {
          name: 'promised',
          value: expectedDetectionMs(SERVERS + CLIENTS, LAN_TIMING),
        })),
  ]
}

/** Ports and addresses of its own for each host: all share one machine. */
function meshHcl(number: number): string {
  const min = FIRST_SIDECAR_PORT + 4 * number
  return `proxy { loopback_base = "127.150.${number}.0" } ports { sidecar_min_port = ${min} sidecar_max_port = ${min + 3} }`
}

interface Changes {
  readonly registered: Times
  readonly failed: Times
  readonly passed: Times
  /** Of each change, the watchers' calls included. */
  readonly cost: readonly Figure[]
}

async function changesSeen(
  hosts: readonly Host[],
  cpu: () => Readonly<Record<string, number>>,
): Promise<Changes> {
  const [first] = hosts
  if (first === undefined) throw new Error('BENCH_CLIENTS: there is no client')
  // Keeps the name and its address while no healthy instance is there.
  await registerMeshed(first.agent, { name: COMES, port: first.app.port, status: 'critical' })
  const eyes = new Map<string, ProxyEye>()
  for (const { agent } of hosts) {
    const address = await sharedAddress(agent, COMES)
    eyes.set(agent.name, new ProxyEye(`http://${address}:${first.app.port}/`, CALL_EVERY_MS))
  }
  const registered = noTimes()
  const failed = noTimes()
  const passed = noTimes()
  const others = hosts.slice(1)
  await seen(eyes, NONE_HEALTHY, SETTLE_MAX_MS)
  // Once on each before it counts: the first registration of a service makes its certificate.
  let before = cpu()
  for (let round = -others.length; round < ROUNDS; round++) {
    const host = others.at(round % others.length)
    if (host === undefined) break
    if (round === 0) before = cpu()
    const { agent, app } = host
    const watching = except(eyes, agent.name)
    const isCounted = round >= 0
    await timed(isCounted ? registered : noTimes(), watching, agent.name, () =>
      registerMeshed(agent, { name: COMES, port: app.port }),
    )
    await timed(isCounted ? failed : noTimes(), watching, NONE_HEALTHY, () =>
      put(`${agent.url}/v1/agent/check/fail/${COMES}`),
    )
    await timed(isCounted ? passed : noTimes(), watching, agent.name, () =>
      put(`${agent.url}/v1/agent/check/pass/${COMES}`),
    )
    await timed(noTimes(), watching, NONE_HEALTHY, () =>
      put(`${agent.url}/v1/agent/service/deregister/${COMES}`),
    )
  }
  const after = cpu()
  const cost = Object.entries(after).map(([name, ms]): Figure => {
    const used = (ms - (before[name] ?? 0)) / (4 * ROUNDS)
    return { name: `a change, of ${name}`, value: used, unit: 'ms' }
  })
  for (const eye of eyes.values()) eye[Symbol.dispose]()
  return { registered, failed, passed, cost }
}

async function killedSeen(hosts: readonly Host[], clients: Clients): Promise<Times> {
  const port = hosts[0]?.app.port ?? 0
  for (const { agent, app } of hosts) await registerMeshed(agent, { name: STAYS, port: app.port })
  using eyes = new DisposableStack()
  const watching = new Map<string, ProxyEye>()
  for (const { agent } of hosts) {
    const address = await sharedAddress(agent, STAYS)
    const eye = eyes.use(new ProxyEye(`http://${address}:${port}/`, WATCH_EVERY_MS))
    watching.set(agent.name, eye)
    eye.watch()
  }
  const names = hosts.map(({ agent }) => agent.name)
  await until('every proxy to call every host', SETTLE_MAX_MS, () =>
    [...watching.values()].every((eye) => names.every((name) => eye.lastSeen.has(name))),
  )
  const times = noTimes()
  for (const name of names.slice(-KILLS)) {
    watching.get(name)?.[Symbol.dispose]()
    watching.delete(name)
    const begun = performance.now()
    await clients.kill(name)
    times.answered.push(performance.now() - begun)
    const lastCalls = (): number[] =>
      [...watching.values()].map((eye) => eye.lastSeen.get(name) ?? Number.NaN)
    await until(`no call to end at ${name}`, FOUND_MAX_MS, () =>
      lastCalls().every((at) => performance.now() - at > QUIET_MS),
    )
    const took = lastCalls().map((at) => at - begun)
    times.each.push(...took)
    times.last.push(Math.max(...took))
  }
  return times
}

async function until(what: string, maxMs: number, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + maxMs
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`timed out waiting for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

function cpuOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + cpuMs(pid), 0)
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}

if (import.meta.main) {
  printFigures('Changes on their way to the proxies of a fleet', await benchProxies())
}
