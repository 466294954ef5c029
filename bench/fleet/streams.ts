/**
 * What subscribed agents cost a server, and when the last of them has a change: memory and CPU of one server with
 * BENCH_STREAMS (2,000) streams of feeds.
 *
 * The agents are simulated by processes that open real streams (stream-driver.ts), AGENTS_A_PROCESS each. The
 * catalog holds SERVICES services of BENCH_SERVICE_INSTANCES (200) instances; each agent follows TOPICS services, of
 * which all follow one, and that changes: a registration and a check that flips in turn. Memory is measured by the
 * server after full collections; the bytes of its sockets in the kernel do not count. Open files: two for each agent,
 * one in the server and one in its driver. With BENCH_TLS=1 over TLS. Run alone: `node bench/fleet/streams.ts`.
 */

import { join } from 'node:path'
import { memoryOf } from '../cluster/ask-probe.ts'
import { speaksTls } from '../cluster/certificates.ts'
import { startFairlead } from '../cluster/fairlead-cluster.ts'
import { temporaryFolder } from '../cluster/members.ts'
import { type Figure, median, printFigures } from '../figures.ts'
import { cpuMs } from '../process-stats.ts'
import { startDrivers } from './stream-drivers.ts'

const STREAMS = Number(process.env['BENCH_STREAMS'] ?? 2_000)
/** Opened before memory is read: what the first streams bring is not of each of them. */
const WARM_STREAMS = 200
const INSTANCES = Number(process.env['BENCH_SERVICE_INSTANCES'] ?? 200)
const CHANGES = Number(process.env['BENCH_CHANGES'] ?? 60)
const SERVICES = 50
/** Services that an agent of a host follows. */
const TOPICS = 10
const IDLE_MS = 10_000
const MEMORY_MARK_KB = 30
const LATENCY_MARK_MS = 1_000
/** Registrations in flight while the catalog is filled. */
const FILLED_AT_A_TIME = 50

export async function benchStreams(): Promise<Figure[]> {
  await using folder = await temporaryFolder()
  await using cluster = await startFairlead(join(folder.path, 'server'), {
    size: 1,
    hasProbe: true,
  })
  const server = await cluster.leader()
  const pid = cluster.pidOf(server)
  await fill(server)
  const address = (await (await fetch(`${server}/v1/status/leader`)).json()) as string
  const tlsFolder = join(folder.path, 'server', 'tls')
  const plan = {
    address,
    topics: TOPICS,
    services: SERVICES,
    ...(speaksTls ? { tlsFolder } : {}),
  }
  await using warm = await startDrivers({ ...plan, streams: WARM_STREAMS })
  const before = await memoryOf(cluster.probeOf(server))
  await using drivers = await startDrivers({ ...plan, streams: STREAMS })
  const after = await memoryOf(cluster.probeOf(server))
  const idleMs = await idle(pid)
  const took = { registration: [] as number[], flip: [] as number[] }
  const begun = cpuMs(pid)
  for (let i = 0; i < CHANGES; i++) {
    const kind = i % 2 === 0 ? 'registration' : 'flip'
    const at = performance.timeOrigin + performance.now()
    const seen = Promise.all([drivers.lastSeen(), warm.lastSeen()])
    await register(server, 0, { port: 100 + i, status: i % 4 < 2 ? 'passing' : 'critical' })
    took[kind].push(Math.max(...(await seen)) - at)
  }
  const used = cpuMs(pid) - begun
  const agents = STREAMS + WARM_STREAMS
  const kilobytes = (bytes: number): number => bytes / STREAMS / 1000
  const mark = { name: 'the mark', value: MEMORY_MARK_KB }
  const last = { name: 'the mark', value: LATENCY_MARK_MS }
  const all = [...took.registration, ...took.flip]
  return [
    {
      name: `resident, of ${STREAMS} agents each`,
      value: kilobytes(after.rss - before.rss),
      unit: 'kB',
      mark,
    },
    { name: 'heap, of each', value: kilobytes(after.heapUsed - before.heapUsed), unit: 'kB' },
    { name: 'processor per change and agent', value: (1000 * used) / CHANGES / agents, unit: 'µs' },
    { name: 'processor per change', value: used / CHANGES, unit: 'ms' },
    {
      name: 'registration to the last agent, median',
      value: median(took.registration),
      unit: 'ms',
    },
    { name: 'check flips to the last agent, median', value: median(took.flip), unit: 'ms' },
    { name: 'a change to the last agent, worst', value: Math.max(...all), unit: 'ms', mark: last },
    { name: 'processor while nothing changes', value: (100 * idleMs) / IDLE_MS, unit: '%' },
  ]
}

async function idle(pid: number): Promise<number> {
  const before = cpuMs(pid)
  await new Promise((resolve) => setTimeout(resolve, IDLE_MS))
  return cpuMs(pid) - before
}

async function fill(url: string): Promise<void> {
  for (let service = 0; service < SERVICES; service++) {
    for (let from = 0; from < INSTANCES; from += FILLED_AT_A_TIME) {
      const count = Math.min(FILLED_AT_A_TIME, INSTANCES - from)
      const numbers = Array.from({ length: count }, (_, i) => from + i)
      await Promise.all(numbers.map((instance) => register(url, service, { instance })))
    }
  }
}

interface Instance {
  readonly instance?: number
  readonly port?: number
  readonly status?: string
}

async function register(
  url: string,
  service: number,
  { instance = 0, port = 80, status = 'passing' }: Instance,
): Promise<void> {
  const name = `service${service}`
  const id = `${name}-${instance}`
  const body = {
    Node: `host${instance}`,
    Address: `10.0.${instance >> 8}.${instance & 255}`,
    Service: { Service: name, ID: id, Port: port, Tags: ['v1'], Meta: { team: 'shop' } },
    Check: { CheckID: id, Name: name, Status: status, ServiceID: id },
  }
  const path = `${url}/v1/catalog/register`
  const response = await fetch(path, { method: 'PUT', body: JSON.stringify(body) })
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)
}

if (import.meta.main) printFigures('What subscribed agents cost a server', await benchStreams())
