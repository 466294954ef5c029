/**
 * One agent of the program under test on a host of its own, server or client, with a log and a data directory
 * that outlive it.
 *
 * Bounds: one process at a time; a request is given up after ASK_TIMEOUT_MS.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, type WriteStream } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PROGRAM } from '../../e2e/harness/program.ts'
import { commandEnvironment } from './host-commands.ts'
import type { TestHost } from './test-network.ts'

const HTTP_PORT = 8500
const ASK_TIMEOUT_MS = 2_000

export interface HostProcessOptions {
  readonly host: TestHost
  /** Where the log goes. */
  readonly folder: string
  /** Asked at each start: a disk may be another by then. */
  readonly dataDir: () => string
  /** After `fairlead agent`, name, addresses and data directory. */
  readonly flags: readonly string[]
  /** What runs the program, for instance faketime with its settings. */
  readonly wrapper?: () => readonly string[]
  readonly env?: () => Readonly<Record<string, string>>
}

export class HostProcess {
  readonly host: TestHost
  readonly #options: HostProcessOptions
  readonly #logPath: string
  readonly #log: WriteStream
  #child: ChildProcess | null = null
  /** Of the last run that has ended. */
  exitCode: number | null = null

  constructor(options: HostProcessOptions) {
    this.host = options.host
    this.#options = options
    this.#logPath = join(options.folder, `${options.host.name}.log`)
    this.#log = createWriteStream(this.#logPath, { flags: 'a' })
  }

  get url(): string {
    return `http://${this.host.address}:${HTTP_PORT}`
  }

  /** Of the last run. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  get isRunning(): boolean {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** All that it has written so far. */
  async logText(): Promise<string> {
    return await readFile(this.#logPath, 'utf8')
  }

  async start(): Promise<void> {
    if (this.isRunning) return
    const { host, flags, wrapper, env } = this.#options
    const dataDir = this.#options.dataDir()
    await mkdir(dataDir, { recursive: true })
    const { address, name } = host
    const argv = ['agent', '-node', name, '-bind', address, '-client', address]
    argv.push('-data-dir', dataDir, '-log-level', 'info', '-log-json', '-grpc-port', '-1', ...flags)
    const command = [...host.prefix, ...(wrapper?.() ?? []), PROGRAM, ...argv]
    const [program = '', ...args] = command
    const child = spawn(program, args, {
      env: { ...commandEnvironment(), ...env?.() },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    child.stdout.pipe(this.#log, { end: false })
    child.stderr.pipe(this.#log, { end: false })
    child.on('exit', (code) => {
      this.exitCode = code
    })
    this.#child = child
  }

  /** `nsenter` replaces itself by the program, so the signal reaches the agent. */
  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal)
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM')
  }

  /** Resolves when the agent has ended by itself. */
  async ended(): Promise<number | null> {
    const child = this.#child
    if (child === null) return this.exitCode
    if (this.isRunning) await once(child, 'exit')
    return child.exitCode
  }

  async isLeader(): Promise<boolean> {
    const self = await this.ask<{ Stats: { raft?: { state: string } } }>('/v1/agent/self')
    return self?.Stats.raft?.state === 'Leader'
  }

  /** The JSON of a GET; undefined when it cannot be had. */
  async ask<T>(path: string): Promise<T | undefined> {
    try {
      const signal = AbortSignal.timeout(ASK_TIMEOUT_MS)
      const response = await fetch(`${this.url}${path}`, { signal })
      return response.ok ? ((await response.json()) as T) : undefined
    } catch {
      return undefined
    }
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#child
    if (child === null || !this.isRunning) return
    const exited = once(child, 'exit')
    // A stopped process does not hear SIGTERM.
    child.kill('SIGCONT')
    child.kill(signal)
    await exited
  }
}
