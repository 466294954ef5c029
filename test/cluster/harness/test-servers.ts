/**
 * Servers of the program under test, one on each host, with data directories that outlive them.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, type WriteStream } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { eventually, PROGRAM } from '../../e2e/harness/program.ts'
import { commandEnvironment } from './host-commands.ts'
import type { TestHost } from './test-network.ts'

const HTTP_PORT = 8500
const READY_MAX_MS = 60_000
const ASK_TIMEOUT_MS = 2_000

export interface ServersOptions {
  readonly hosts: readonly TestHost[]
  /** Logs, and data directories unless `dataDir` says otherwise. */
  readonly folder: string
  readonly dataDir?: (host: TestHost) => string
  /** What runs the server, for instance faketime with its settings. */
  readonly wrapper?: (host: TestHost) => readonly string[]
  readonly env?: (host: TestHost) => Readonly<Record<string, string>>
  readonly flags?: readonly string[]
  readonly raftMultiplier?: number
}

export class TestServer {
  readonly host: TestHost
  readonly #options: ServersOptions
  readonly #logPath: string
  readonly #log: WriteStream
  #child: ChildProcess | null = null

  constructor(host: TestHost, options: ServersOptions) {
    this.host = host
    this.#options = options
    this.#logPath = join(options.folder, `${host.name}.log`)
    this.#log = createWriteStream(this.#logPath, { flags: 'a' })
  }

  get url(): string {
    return `http://${this.host.address}:${HTTP_PORT}`
  }

  /** Of the last run. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** All that it has written so far. */
  async logText(): Promise<string> {
    return await readFile(this.#logPath, 'utf8')
  }

  get isRunning(): boolean {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Of the last run that has ended. */
  exitCode: number | null = null

  get dataDir(): string {
    return (
      this.#options.dataDir?.(this.host) ?? join(this.#options.folder, `${this.host.name}-data`)
    )
  }

  async start(): Promise<void> {
    if (this.isRunning) return
    const { hosts, wrapper, flags, env } = this.#options
    await mkdir(this.dataDir, { recursive: true })
    const { address, name } = this.host
    const multiplier = this.#options.raftMultiplier ?? 1
    const argv = ['agent', '-server', '-bootstrap-expect', `${hosts.length}`]
    argv.push('-node', name, '-bind', address, '-client', address, '-data-dir', this.dataDir)
    argv.push('-log-level', 'info', '-log-json', '-grpc-port', '-1')
    argv.push('-hcl', `performance { raft_multiplier = ${multiplier} }`)
    for (const other of hosts) if (other !== this.host) argv.push('-retry-join', other.address)
    argv.push('-hcl', 'retry_interval = "1s"', ...(flags ?? []))
    const command = [...this.host.prefix, ...(wrapper?.(this.host) ?? []), PROGRAM, ...argv]
    const [program = '', ...args] = command
    const child = spawn(program, args, {
      env: { ...commandEnvironment(), ...env?.(this.host) },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    child.stdout.pipe(this.#log, { end: false })
    child.stderr.pipe(this.#log, { end: false })
    child.on('exit', (code) => {
      this.exitCode = code
    })
    this.#child = child
  }

  /** `nsenter` replaces itself by the program, so the signal reaches the server. */
  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal)
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM')
  }

  /** Resolves when the server has ended by itself. */
  async ended(): Promise<number | null> {
    const child = this.#child
    if (child === null) return this.exitCode
    if (this.isRunning) await once(child, 'exit')
    return child.exitCode
  }

  async isLeader(): Promise<boolean> {
    const self = await this.ask<{ Stats: { raft: { state: string } } }>('/v1/agent/self')
    return self?.Stats.raft.state === 'Leader'
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

export class TestServers implements AsyncDisposable {
  readonly all: readonly TestServer[]

  constructor(options: ServersOptions) {
    this.all = options.hosts.map((host) => new TestServer(host, options))
  }

  async startAll(): Promise<void> {
    await Promise.all(this.all.map((server) => server.start()))
    await this.leader()
  }

  /** Waits until a server leads and answers a write of its own. */
  async leader(timeoutMs = READY_MAX_MS): Promise<TestServer> {
    return await eventually(
      'a server leads',
      async () => {
        for (const server of this.all) {
          if (server.isRunning && (await server.isLeader())) return server
        }
        return undefined
      },
      timeoutMs,
    )
  }

  /** Waits until every server answers a consistent read: all are back. */
  async allServe(timeoutMs = READY_MAX_MS): Promise<void> {
    for (const server of this.all) {
      await eventually(
        `${server.host.name} serves`,
        async () => (await server.ask('/v1/catalog/nodes?consistent')) !== undefined,
        timeoutMs,
      )
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.all.map((server) => server.kill()))
  }
}
