/**
 * What every cluster under measurement offers, and how its processes are started and ended.
 *
 * Data lies in one temporary folder for all clusters, so that they share a disk. Nothing is left behind.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { createServer } from 'node:net'
import { cpuMs, rssBytes } from '../process-stats.ts'

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

/** Processes that end together. */
export class Members {
  readonly #children = new Map<string, ChildProcess>()

  start(name: string, command: readonly [string, ...string[]], logFile: string): void {
    const [program, ...args] = command
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
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
