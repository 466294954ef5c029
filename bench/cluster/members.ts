/**
 * What every cluster under measurement offers, and how its processes are started and ended.
 *
 * Data lies in one temporary folder for all clusters, so that they share a disk. Nothing is left behind.
 */

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { cpuMs, rssBytes } from '../process-stats.ts'

const run = promisify(execFile)
export const READY_MAX_MS = 60_000

export interface Cluster extends AsyncDisposable {
  readonly name: string
  /** Base URLs of the HTTP interface of every member. */
  readonly urls: readonly string[]
  /** Base URL of the leader now. */
  leader(): Promise<string>
  /** CPU time of all members together, ms. */
  cpuMs(): number
  /** Resident memory of each member, bytes. */
  rssBytes(): readonly number[]
}

/** A cluster whose members can be killed and started again where they were. */
export interface MortalCluster extends Cluster {
  /** SIGKILL to one member. */
  kill(url: string): Promise<void>
  /** Starts a killed member again, with its data. */
  restart(url: string): Promise<void>
}

/** How one member is started. */
export interface Command {
  readonly argv: readonly [string, ...string[]]
  readonly logFile: string
  /** Besides the environment of the benchmark. */
  readonly env?: Readonly<Record<string, string>>
}

/** Processes that end together. */
export class Members {
  readonly #children = new Map<string, ChildProcess>()

  start(name: string, { argv, logFile, env }: Command): void {
    const [program, ...args] = argv
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    })
    const log = createWriteStream(logFile, { flags: 'a' })
    child.stdout.pipe(log, { end: false })
    child.stderr.pipe(log, { end: false })
    this.#children.set(name, child)
  }

  pid(name: string): number {
    return this.#children.get(name)?.pid ?? 0
  }

  cpuMs(): number {
    return this.#pids().reduce((sum, pid) => sum + cpuMs(pid), 0)
  }

  rssBytes(): readonly number[] {
    return this.#pids().map(rssBytes)
  }

  async end(name: string, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#children.get(name)
    if (child === undefined) return
    this.#children.delete(name)
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill(signal)
    await ended
  }

  async endAll(): Promise<void> {
    await Promise.all([...this.#children.keys()].map((name) => this.end(name, 'SIGKILL')))
  }

  #pids(): number[] {
    return [...this.#children.values()].map((child) => child.pid ?? 0)
  }
}

/** Asks every 10 ms until `condition` holds. @throws when it does not within READY_MAX_MS */
export async function until<T>(what: string, condition: () => Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + READY_MAX_MS
  for (;;) {
    const value = await condition()
    if (value !== undefined) return value
    if (performance.now() > deadline) throw new Error(`timed out waiting for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

export async function freePorts(count: number): Promise<number[]> {
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

/** A temporary folder for one benchmark, on the disk of `BENCH_FOLDER` or of the system's. */
export async function temporaryFolder(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(process.env['BENCH_FOLDER'] ?? tmpdir(), 'fairlead-bench-'))
  return {
    path,
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  }
}

export async function isInstalled(tool: string): Promise<boolean> {
  try {
    await run('sh', ['-c', `command -v ${tool}`])
    return true
  } catch {
    return false
  }
}
