/**
 * Twenty thousand blocked reads on one server: what each costs in memory, and how soon one write has woken them all.
 *
 * The crowd is of several processes with keep-alive connections (waiters/crowd.ts) that wait for one key, and for one service
 * (a read from a view). Needs 20,000 file descriptors for the server: where the limit cannot be raised, fewer wait, and the
 * figures say how many. Environment: BENCH_WAITERS. Bounded: about a minute. Run alone: `node bench/waiters.ts`.
 */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { freePorts, until } from './cluster/members.ts'
import { type Figure, median, printFigures } from './figures.ts'
import { cpuMs, rssBytes } from './process-stats.ts'

const BINARY = process.env['FAIRLEAD_BIN'] ?? new URL('../bin/fairlead', import.meta.url).pathname
const CROWD = new URL('waiters/crowd.ts', import.meta.url).pathname
const CROWDS = 4
const ROUNDS = 3
/** Of the server, besides connections: files, sockets of its own. */
const OTHER_DESCRIPTORS = 500
const QUIET_MS = 1_000

interface Server {
  readonly process: ChildProcess
  readonly base: string
  readonly port: number
}

interface Crowd {
  readonly process: ChildProcess
  readonly lines: AsyncIterator<string>
}

export async function benchWaiters(): Promise<Figure[]> {
  const wanted = Number(process.env['BENCH_WAITERS'] ?? 20_000)
  const limit = raisableLimit(wanted + OTHER_DESCRIPTORS)
  const waiters = Math.min(wanted, limit - OTHER_DESCRIPTORS)
  const server = await startServer(limit)
  try {
    await put(server, '/v1/kv/watched', 'before')
    const check = { TTL: '1h', Status: 'passing' }
    await put(server, '/v1/agent/service/register', JSON.stringify({ Name: 'web', Check: check }))
    const perCrowd = Math.floor(waiters / CROWDS)
    const crowds = Array.from({ length: CROWDS }, (_, i) => startCrowd(server, i, perCrowd))
    try {
      return await measure(server, crowds, perCrowd * CROWDS)
    } finally {
      for (const crowd of crowds) crowd.process.kill('SIGKILL')
    }
  } finally {
    const ended = once(server.process, 'exit')
    server.process.kill('SIGTERM')
    await ended
  }
}

async function measure(
  server: Server,
  crowds: readonly Crowd[],
  waiters: number,
): Promise<Figure[]> {
  const pid = server.process.pid ?? 0
  await quiet(pid)
  const before = rssBytes(pid)
  await all(crowds, 'connected')
  await quiet(pid)
  const connected = rssBytes(pid)
  const perWaiter = (bytes: number): number => (bytes - before) / waiters / 1024
  const figures: Figure[] = [
    { name: 'connections, all blocked', value: waiters, unit: '' },
    { name: 'memory of an idle connection', value: perWaiter(connected), unit: 'KiB' },
  ]
  const subjects = [
    {
      name: 'one key',
      path: '/v1/kv/watched',
      change: (i: number) => put(server, '/v1/kv/watched', `${i}`),
    },
    {
      name: 'health of one service',
      path: '/v1/health/service/web',
      // Of its state: mere output is written later.
      change: (i: number) =>
        put(server, `/v1/agent/check/${i % 2 === 0 ? 'warn' : 'pass'}/service:web`, ''),
    },
  ]
  for (const { name, path, change } of subjects) {
    const walls: number[] = []
    const cpus: number[] = []
    let blocked = 0
    for (let round = 0; round < ROUNDS; round++) {
      const index = await indexOf(server, path)
      for (const crowd of crowds) crowd.process.stdin?.write(`${path}?index=${index}&wait=10m\n`)
      await all(crowds, 'asked')
      await quiet(pid)
      blocked = Math.max(blocked, rssBytes(pid))
      const cpu = cpuMs(pid)
      const began = performance.timeOrigin + performance.now()
      await change(round)
      const answered = await all(crowds, 'answered')
      walls.push(Math.max(...answered.map((line) => Number(line.split(' ')[1]))) - began)
      cpus.push(cpuMs(pid) - cpu)
    }
    figures.push(
      { name: `memory of one blocked on ${name}`, value: perWaiter(blocked), unit: 'KiB' },
      {
        name: `all woken by a change of ${name}`,
        value: median(walls),
        unit: 'ms',
        spread: (Math.max(...walls) - Math.min(...walls)) / 2,
      },
      { name: `the server's CPU for that`, value: median(cpus), unit: 'ms' },
      { name: '… each', value: (median(cpus) * 1000) / waiters, unit: 'µs' },
    )
  }
  figures.push({ name: 'server after all, resident', value: rssBytes(pid) / 1e6, unit: 'MB' })
  return figures
}

/** Until the process has used no CPU to speak of for a while: what was sent to it is done. */
async function quiet(pid: number): Promise<void> {
  for (;;) {
    const before = cpuMs(pid)
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS))
    if (cpuMs(pid) - before < QUIET_MS / 10) return
  }
}

/** The next line of every crowd, which must be this one. */
async function all(crowds: readonly Crowd[], wanted: string): Promise<readonly string[]> {
  return await Promise.all(
    crowds.map(async (crowd) => {
      const { value } = await crowd.lines.next()
      if (!String(value).startsWith(wanted)) throw new Error(`a crowd said ${value}`)
      return String(value)
    }),
  )
}

function startCrowd(server: Server, number: number, connections: number): Crowd {
  // An address of its own for each, or there would be too few ports.
  const argv = [CROWD, `${server.port}`, `127.0.0.${number + 2}`, `${connections}`]
  const child = spawn(process.execPath, argv, { stdio: ['pipe', 'pipe', 'inherit'] })
  return { process: child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() }
}

/** The highest limit of file descriptors that can be had, up to `wanted`. */
function raisableLimit(wanted: number): number {
  const script = `ulimit -n ${wanted} 2>/dev/null; ulimit -n`
  return Math.min(wanted, Number(execFileSync('sh', ['-c', script], { encoding: 'utf8' })))
}

async function startServer(limit: number): Promise<Server> {
  const [port = 0] = await freePorts(1)
  const flags = [`-http-port=${port}`, '-dns-port=0', '-server-port=0', '-serf-lan-port=0']
  flags.push('-grpc-port=-1', '-log-level=error', '-hcl=limits { http_max_conns_per_client = 0 }')
  const script = `ulimit -n ${limit}; exec "$@"`
  const argv = ['-c', script, 'sh', BINARY, 'agent', '-dev', ...flags]
  const child = spawn('sh', argv, { stdio: ['ignore', 'ignore', 'inherit'] })
  const server = { process: child, port, base: `http://127.0.0.1:${port}` }
  await until('the server to be ready', async () => ((await isReady(server)) ? true : undefined))
  return server
}

async function isReady(server: Server): Promise<boolean> {
  try {
    const response = await fetch(`${server.base}/v1/status/leader`)
    return (await response.json()) !== ''
  } catch {
    return false
  }
}

async function put(server: Server, path: string, body: string): Promise<void> {
  const response = await fetch(server.base + path, { method: 'PUT', body })
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
}

async function indexOf(server: Server, path: string): Promise<string> {
  const response = await fetch(server.base + path)
  await response.text()
  return response.headers.get('x-consul-index') ?? '0'
}

if (import.meta.main) printFigures('Blocked reads', await benchWaiters())
