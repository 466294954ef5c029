/**
 * How long a change of the catalog takes to every other agent's DNS, in a fleet of three servers and twelve clients.
 *
 * A registration, a check that fails and passes again, BENCH_ROUNDS (40) times on clients in turn; then hosts that
 * are killed. BENCH_CLIENTS (12) may be fewer: on two cores the fifteen processes wait for each other most of the time. Every other agent is watched by DNS (dns-eye.ts). Figures are of each agent in each round, and of the
 * last agent of a round. Processor time of a change has the questions of the watchers in it. Then what an idle
 * client costs. Run alone: `node bench/fleet/latency.ts`.
 */

import { join } from 'node:path'
import { expectedDetectionMs } from '../../core/swim/expected-times.ts'
import { LAN_TIMING } from '../../core/swim/timing.ts'
import { startFairlead } from '../cluster/fairlead-cluster.ts'
import { temporaryFolder } from '../cluster/members.ts'
import { type Figure, median, printFigures } from '../figures.ts'
import { cpuMs, rssBytes } from '../process-stats.ts'
import { type Clients, type FleetAgent, startClients } from './clients.ts'
import { DnsEye } from './dns-eye.ts'
import { except, figuresOf, noTimes, seen, timed } from './times.ts'

const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 40)
const CLIENTS = Number(process.env['BENCH_CLIENTS'] ?? 12)
/** Some stay, to see the others go. */
const KILLS = Math.min(3, Math.max(0, CLIENTS - 2))
const SERVICE = 'fleet'
const FOUND_MAX_MS = 60_000
const IDLE_MS = 10_000
const MARK = { name: 'the mark', value: 100 }
/** By gossip, for the whole fleet. */
const PROMISED = { name: 'promised', value: expectedDetectionMs(3 + CLIENTS, LAN_TIMING) }

export async function benchLatency(): Promise<Figure[]> {
  await using folder = await temporaryFolder()
  await using cluster = await startFairlead(join(folder.path, 'servers'))
  await using clients = await startClients(folder.path, await cluster.leader(), CLIENTS)
  const { agents } = clients
  const eyes = new Map(agents.map((agent) => [agent.name, new DnsEye(agent.dns, SERVICE)]))
  // One instance a host, and one more that comes and goes.
  for (const agent of agents) await register(agent, 'stays')
  const settled = await seen(eyes, agents.length)
  if (settled.length !== agents.length) throw new Error('the fleet is not complete')
  const registered = noTimes()
  const failed = noTimes()
  const recovered = noTimes()
  const clientMs = (): number =>
    agents.reduce((sum, { name }) => sum + cpuMs(clients.pidOf(name)), 0)
  const before = { servers: cluster.cpuMs(), clients: clientMs() }
  for (let round = 0; round < ROUNDS; round++) {
    const agent = agents[round % agents.length]
    if (agent === undefined) break
    const others = except(eyes, agent.name)
    const all = agents.length
    await timed(registered, others, all + 1, () => register(agent, 'comes'))
    await timed(failed, others, all, () => put(agent, `check/fail/${SERVICE}-comes`))
    await timed(recovered, others, all + 1, () => put(agent, `check/pass/${SERVICE}-comes`))
    await timed(noTimes(), others, all, () => put(agent, `service/deregister/${SERVICE}-comes`))
  }
  const changes = 4 * ROUNDS
  const cost: readonly Figure[] = [
    {
      name: 'a change, of all servers',
      value: (cluster.cpuMs() - before.servers) / changes,
      unit: 'ms',
    },
    {
      name: 'a change, of all clients',
      value: (clientMs() - before.clients) / changes,
      unit: 'ms',
    },
  ]
  const idle = await idleCost(clients)
  const killed = noTimes()
  for (const { name } of agents.slice(0, KILLS)) {
    const before = eyes.size
    eyes.get(name)?.[Symbol.dispose]()
    eyes.delete(name)
    await timed(killed, eyes, before - 1, () => clients.kill(name), FOUND_MAX_MS)
  }
  for (const eye of eyes.values()) eye[Symbol.dispose]()
  return [
    ...figuresOf('registration', registered, MARK),
    ...figuresOf('check fails', failed, MARK),
    ...figuresOf('check passes', recovered, MARK),
    ...(KILLS > 0 ? figuresOf('host killed', killed, PROMISED) : []),
    ...cost,
    ...idle,
  ]
}

async function register({ url, dns }: FleetAgent, kind: 'stays' | 'comes'): Promise<void> {
  const id = `${SERVICE}-${kind}`
  const body = {
    Name: SERVICE,
    ID: id,
    // Two records of one host and port would be one.
    Port: kind === 'stays' ? dns : 1,
    Check: { CheckID: id, TTL: '1h', Status: 'passing' },
  }
  await send(`${url}/v1/agent/service/register`, JSON.stringify(body))
}

function put({ url }: FleetAgent, path: string): Promise<void> {
  return send(`${url}/v1/agent/${path}`, '')
}

async function send(url: string, body: string): Promise<void> {
  const response = await fetch(url, { method: 'PUT', body })
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`)
}

async function idleCost(clients: Clients): Promise<readonly Figure[]> {
  const pids = clients.agents.map(({ name }) => clients.pidOf(name))
  const before = pids.map(cpuMs)
  await new Promise((resolve) => setTimeout(resolve, IDLE_MS))
  const used = pids.map((pid, i) => cpuMs(pid) - (before[i] ?? 0))
  const mark = { name: 'the mark', value: 0.5 }
  return [
    { name: 'idle client: processor', value: (100 * median(used)) / IDLE_MS, unit: '%', mark },
    { name: 'idle client: resident', value: median(pids.map(rssBytes)) / 1e6, unit: 'MB' },
  ]
}

if (import.meta.main) printFigures('Changes on their way to a fleet', await benchLatency())
