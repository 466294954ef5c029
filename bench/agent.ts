/**
 * The agent as a whole: how soon it is ready, what it holds when idle, what a health read costs it
 * in CPU time. Drives the binary named by FAIRLEAD_BIN (default bin/fairlead), as a user would.
 *
 * Consul's figures stand beside as published marks (1.10 on a machine of this class): they were not
 * measured in the same run, and the output says so. Bounded: about 15 s. Run alone: `node bench/agent.ts`.
 */

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { promisify } from 'node:util'
import type { Figure } from './figures.ts'
import { median, printFigures } from './figures.ts'
import { childrenOf, cpuMs, rssBytes } from './process-stats.ts'

const run = promisify(execFile)
const BINARY = process.env['FAIRLEAD_BIN'] ?? new URL('../bin/fairlead', import.meta.url).pathname
const STARTS = 5
const READY_MAX_MS = 10_000
const LOAD_SECONDS = 4
const INSTANCES = 10

interface RunningAgent {
  readonly process: ChildProcess
  readonly pid: number
  readonly http: string
  readonly readyMs: number
}

export async function benchAgent(): Promise<Figure[]> {
  const figures: Figure[] = []
  const starts: number[] = []
  for (let i = 0; i < STARTS; i++) {
    const agent = await startAgent()
    starts.push(agent.readyMs)
    await stopAgent(agent)
  }
  figures.push({
    name: 'dev agent: launch to leader elected',
    value: median(starts),
    unit: 'ms',
    mark: { name: 'Consul 1.10 (published)', value: 130 },
  })
  const agent = await startAgent()
  try {
    await rest()
    figures.push({
      name: 'agent: resident memory, idle',
      value: rssBytes(agent.pid) / 1e6,
      unit: 'MB',
      mark: { name: 'Consul 1.10 dev agent (published)', value: 64 },
    })
    figures.push(...(await benchHealthReads(agent)))
    figures.push(...(await memoryOfProxy(agent)))
  } finally {
    await stopAgent(agent)
  }
  return figures
}

async function startAgent(): Promise<RunningAgent> {
  const [http, dns, server, serf] = await freePorts(4)
  const began = performance.now()
  const args = ['agent', '-dev', '-node', 'bench', '-log-level', 'error']
  args.push('-http-port', `${http}`, '-dns-port', `${dns}`, '-grpc-port', '-1')
  args.push('-server-port', `${server}`, '-serf-lan-port', `${serf}`)
  const child = spawn(BINARY, args, { stdio: 'ignore' })
  const base = `http://127.0.0.1:${http}`
  while ((await leaderOf(base)) === '') {
    if (performance.now() - began > READY_MAX_MS) throw new Error('the agent did not become ready')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  const readyMs = performance.now() - began
  return { process: child, pid: child.pid ?? 0, http: base, readyMs }
}

async function stopAgent(agent: RunningAgent): Promise<void> {
  const ended = new Promise((resolve) => agent.process.once('exit', resolve))
  agent.process.kill('SIGTERM')
  await ended
}

async function leaderOf(base: string): Promise<string> {
  try {
    const response = await fetch(`${base}/v1/status/leader`)
    return (await response.json()) as string
  } catch {
    return ''
  }
}

async function put(base: string, path: string, body: unknown): Promise<void> {
  const response = await fetch(base + path, { method: 'PUT', body: JSON.stringify(body) })
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
}

async function benchHealthReads(agent: RunningAgent): Promise<Figure[]> {
  for (let i = 0; i < INSTANCES; i++) {
    await put(agent.http, '/v1/catalog/register', {
      Node: `node-${i}`,
      Address: `10.0.0.${i}`,
      Service: { ID: 'web', Service: 'web', Port: 8080, Tags: ['v1'], Meta: { owner: 'ops' } },
      Check: { CheckID: 'web', Name: 'web', Status: 'passing', ServiceID: 'web' },
    })
  }
  const before = cpuMs(agent.pid)
  const url = `${agent.http}/v1/health/service/web?passing`
  const requests = await wrk(url)
  if (requests === undefined) return []
  return [
    {
      name: `health/service read of ${INSTANCES} instances`,
      value: ((cpuMs(agent.pid) - before) * 1000) / requests,
      unit: 'µs CPU',
      mark: { name: 'Consul 1.10 (published)', value: 188 },
    },
  ]
}

/** @returns requests answered, or undefined when wrk is not installed */
async function wrk(url: string): Promise<number | undefined> {
  try {
    const { stdout } = await run('wrk', ['-t1', '-c16', `-d${LOAD_SECONDS}s`, url])
    return Number(/(\d+) requests in/.exec(stdout)?.[1])
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code !== 'ENOENT') throw err
    console.log('skipped: wrk is not installed (Debian package wrk)')
    return undefined
  }
}

/** What counts is the memory at rest, after what starts has settled. */
async function rest(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 3000))
}

async function memoryOfProxy(agent: RunningAgent): Promise<Figure[]> {
  const figures: Figure[] = [
    {
      name: 'agent: resident memory after that load',
      value: rssBytes(agent.pid) / 1e6,
      unit: 'MB',
    },
  ]
  await put(agent.http, '/v1/agent/service/register', {
    Name: 'mesh',
    Port: 9000,
    Connect: { SidecarService: {} },
  })
  const deadline = performance.now() + READY_MAX_MS
  let proxy: number | undefined
  while (proxy === undefined && performance.now() < deadline) {
    proxy = childrenOf(agent.pid)[0]
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  await rest()
  if (proxy !== undefined) {
    figures.push({ name: 'proxy: resident memory, idle', value: rssBytes(proxy) / 1e6, unit: 'MB' })
  }
  return figures
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports: number[] = []
  for (const server of servers) {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    if (typeof address === 'object' && address !== null) ports.push(address.port)
  }
  for (const server of servers) server.close()
  return ports
}

if (import.meta.main) printFigures('The agent', await benchAgent())
